"""Options of plugins on AVLink's own commands: known from the listing, converted by the plugin when they are used."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avlink.cli.command_cache import ListedOption
from avlink.core.errors import AvlinkError, PluginError

if TYPE_CHECKING:
    from avlink.core.recipe import Override

_TYPES: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "Path": Path}
_SETTINGS = "settings"
"""The parameter of a command that takes changes of its recipe."""
_PREFIX = "plugin_option_"


def takes_options(command: Any) -> bool:
    """Return True for a command that reads a recipe, to which plugins may add options."""
    return any(parameter.name == _SETTINGS for parameter in getattr(command, "params", ()))


def with_options(command: Any, options: Sequence[ListedOption]) -> Any:
    """Return the command with these options too. Options of its own are never replaced."""
    own = {flag for parameter in command.params for flag in parameter.opts}
    usable = [option for option in options if f"--{option.name}" not in own]
    # Names of options may have dashes and dots, names of parameters may not.
    added = {f"{_PREFIX}{index}": option for index, option in enumerate(usable)}
    if not added:
        return command
    command = copy.copy(command)
    command.params = [*command.params, *_parameters(added)]
    command.callback = _collecting(command.callback, added)
    return command


def _parameters(options: Mapping[str, ListedOption]) -> list[Any]:
    """Return the options as parameters of a command, by the names of their values.

    typer makes them of a function with such a signature: its own classes of parameters change between versions.
    """

    def declared() -> None: ...

    annotations = {name: _annotation(option) for name, option in options.items()}
    declared.__annotations__ = annotations
    declared.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if option.type == "bool" else None,
                annotation=annotations[name],
            )
            for name, option in options.items()
        ]
    )
    app = typer.Typer(add_completion=False)
    app.command()(declared)
    return [parameter for parameter in typer.main.get_command(app).params if parameter.name in options]


def _annotation(option: ListedOption) -> Any:
    default = f" [default: {option.default}]" if option.default else ""
    described = typer.Option(
        f"--{option.name}", metavar=option.metavar or None, help=f"{option.help}{default}", show_default=False
    )
    if option.type == "bool":
        return Annotated[bool, described]
    kind: Any = _TYPES[option.type]
    return Annotated[list[kind] | None, described] if option.multiple else Annotated[kind | None, described]


def _collecting(callback: Callable[..., Any], added: Mapping[str, ListedOption]) -> Callable[..., Any]:
    """Return the callback with the values of the options added to the settings of its recipe."""

    def run(**values: Any) -> Any:
        given = {option: values.pop(name, None) for name, option in added.items()}
        used = {option: value for option, value in given.items() if not _is_missing(value)}
        if used:
            values[_SETTINGS] = [*(values.get(_SETTINGS) or ()), *_overrides(used)]
        return callback(**values)

    return run


def _is_missing(value: Any) -> bool:
    """Return True for an option that was not given: a flag is then False, one that may be repeated is empty."""
    # By identity: 0 equals False, and is a value.
    return value is None or value is False or (isinstance(value, list | tuple) and not value)


def _overrides(used: Mapping[ListedOption, Any]) -> list[Override]:
    from avlink.core.recipe import Override
    from avlink.hooks import function_of, load_registry
    from avlink.hooks.diagnostics import describe_call

    registry = load_registry()
    found = []
    for listed, value in used.items():
        option = registry.command_options.get(listed.name)
        if option is None:
            raise PluginError(f"the plugin with the option --{listed.name} cannot be used; avlink plugins says why")
        shown = "" if option.type is bool else f" {','.join(map(str, value)) if option.multiple else value}"
        if option.type is Path:
            value = [Path(one) for one in value] if option.multiple else Path(value)
        if option.convert is not None:
            owner = registry.owner("command option", listed.name)
            try:
                value = function_of(option.convert)(value)
            except AvlinkError:
                raise
            except Exception as error:
                words = describe_call(error)
                raise PluginError(f"option --{listed.name} of plugin '{owner}' failed: {words}") from error
        found.append(Override(key=option.sets, value=_plain(value), label=f"--{listed.name}{shown}"))
    return found


def _plain(value: Any) -> Any:
    """Return paths as texts, as recipes have them."""
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
