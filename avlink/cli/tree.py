"""The group of all commands: AVLink's own, then those of plugins.

Plugins are loaded only when one of their commands is used. Their summaries for `--help` are remembered between runs for
as long as the same plugins lie in the same files.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import typer
import typer.core

from avlink.cli.command_cache import CommandListing, listing_of, load_listing, plugins_key, save_listing
from avlink.cli.plugin_options import takes_options, with_options
from avlink.core.answer import Line, Lines
from avlink.core.errors import AvlinkError, PluginError

if TYPE_CHECKING:
    from avlink.hooks import Command

# Newer versions of typer contain their own copy of click: its errors are reached through a class that typer exports.
_UsageError: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "UsageError")
_ClickError: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


class CommandTree(typer.core.TyperGroup):
    """The group of all commands."""

    @functools.cached_property
    def listing(self) -> CommandListing:
        """The commands and options of plugins, as `--help` shows them.

        Read once for each tree, not once for a process: AVLINK_PLUGINS may change between two calls of `main`.
        """
        key = plugins_key()
        known = load_listing(key)
        if known is not None:
            return known
        from avlink.hooks import load_registry

        listing = listing_of(load_registry())
        if not listing.problems:
            # A problem may be gone the next time without any file of the plugin changing, so it is not remembered.
            save_listing(key, listing)
        return listing

    def list_commands(self, ctx: Any) -> list[str]:
        """Return AVLink's own commands in the order of the code, then those of plugins."""
        return [*super().list_commands(ctx), *(name for name in self.listing.commands if name not in self.commands)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one of our own commands, or what is known of a plugin's without loading it."""
        own = super().get_command(ctx, cmd_name)
        summary = self.listing.commands.get(cmd_name) if own is None else None
        return own if summary is None else typer.core.TyperCommand(cmd_name, short_help=summary, callback=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is to run, with the options that plugins add. One of ours needs no plugin."""
        if not args or args[0] in self.commands:
            name, command, rest = super().resolve_command(ctx, args)
            if takes_options(command):
                # Here, not in `get_command`: listing all commands must not build the options of each.
                command = with_options(command, [option for option in self.listing.options if name in option.commands])
            return name, command, rest
        from avlink.hooks import Command, load_registry

        name, registry = args[0], load_registry()
        clash = registry.clash(Command, name)
        if clash is not None:
            raise PluginError(str(clash))
        if name in registry.commands:
            return name, load_command(registry.commands[name], registry.owner("command", name)), args[1:]
        try:
            return super().resolve_command(ctx, args)
        except _UsageError as error:
            failures = "".join(
                f"; plugin '{item.plugin}' could not be used: {item.reason}" for item in registry.failures
            )
            error.message = f"{str(error.message).rstrip('.')}{failures}"  # type: ignore[attr-defined]
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands, and the plugins that failed."""
        super().format_commands(ctx, formatter)
        problems = self.listing.problems
        if problems:
            with formatter.section("Plugins that could not be used"):
                formatter.write_dl(list(problems.items()))


def load_command(command: Command, plugin: str) -> Any:
    """Return a plugin's command, ready to run; errors in it will name the plugin. Raises PluginError."""
    from avlink.hooks import function_of
    from avlink.hooks.references import LazyFunction

    with _named(plugin, command.name):
        load = function_of(command.load)
        offered = load.load() if isinstance(load, LazyFunction) else load()
        if not isinstance(offered, typer.Typer):
            app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
            app.command(command.name)(offered)
            offered = app
        loaded = typer.main.get_command(offered)
    _guard(loaded, plugin, command.name)
    return loaded


def _guard(command: Any, plugin: str, name: str) -> None:
    """Wrap all callbacks below a loaded command, so that errors name its plugin."""
    for below in getattr(command, "commands", {}).values():
        _guard(below, plugin, name)
    if command.callback is not None:
        command.callback = _guarded(command.callback, plugin, name)


def _guarded(function: Callable[..., Any], plugin: str, name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        with _named(plugin, name):
            outcome = function(*arguments, **named)
        return _followed(outcome, plugin, name) if isinstance(outcome, Generator) else outcome

    return run


def _followed(lines: Generator[Any, None, Any], plugin: str, name: str) -> Lines:
    with _named(plugin, name):
        while True:
            try:
                line = next(lines)
            except StopIteration as end:
                return end.value if isinstance(end.value, int) else 0
            if not isinstance(line, Line):
                raise PluginError(f"it yielded {type(line).__name__}, not a Line")
            yield line


@contextlib.contextmanager
def _named(plugin: str, command: str) -> Iterator[None]:
    """Turn exceptions of a plugin's code into a PluginError that names it; AVLink's, typer's and the system's pass."""
    try:
        yield
    except (AvlinkError, typer.Exit, typer.Abort, _ClickError, OSError, MemoryError):
        raise
    except Exception as error:
        from avlink.hooks.diagnostics import describe_call

        raise PluginError(f"command '{command}' of plugin '{plugin}' failed: {describe_call(error)}") from error
