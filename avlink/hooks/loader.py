"""Discovery of plugins, and the calls of the hooks that return descriptors. A broken plugin never ends the program.

`AVLINK_PLUGINS=a,b` loads only the plugins of those entry-point names; `AVLINK_TRACE_HOOKS=1` prints every call.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import pluggy

import avlink
from avlink.core.entry_points import GROUP, UNKNOWN, Origin, origin_of, plugin_points, unmet_need
from avlink.core.errors import PluginError
from avlink.hooks import specs
from avlink.hooks.backends import Executor
from avlink.hooks.checks import check_components, check_hooks, check_run_options, function_fields
from avlink.hooks.descriptors import (
    AudioProcessor,
    Backend,
    Command,
    CommandOption,
    Extractor,
    Options,
    Spotter,
    TimelineFormat,
)
from avlink.hooks.diagnostics import InvalidPlugin, describe_failure, format_traceback
from avlink.hooks.references import with_owner
from avlink.hooks.registry import Clash, Component, PluginFailure, PluginInfo, RecipeKind, Registry, settle
from avlink.hooks.run_hooks import RUN_HOOKS, RunPlugin

__all__ = ["GROUP", "load_registry", "make_registry"]

_PROVIDERS: Mapping[type[Component], str] = {
    Backend: "avlink_backends",
    Executor: "avlink_executors",
    AudioProcessor: "avlink_audio_processors",
    TimelineFormat: "avlink_timeline_formats",
    Command: "avlink_commands",
    CommandOption: "avlink_command_options",
    RecipeKind: "avlink_recipe_kinds",
    Extractor: "avlink_extractors",
    Spotter: "avlink_spotters",
}
_ARGUMENTS = {
    name: tuple(inspect.signature(function).parameters)
    for name, function in vars(specs).items()
    if name.startswith("avlink_")
}
"""Every hook with the names of its arguments."""
_HEAVY = ("diffusers", "jax", "librosa", "tensorflow", "torch", "transformers")
"""Packages that take seconds to import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A plugin that was imported."""

    name: str
    plugin: object
    origin: Origin = UNKNOWN
    heavy: tuple[str, ...] = ()


def load_registry(plugins: Sequence[str] | None = None, *, environ: Mapping[str, str] = os.environ) -> Registry:
    """Return everything that the installed plugins offer.

    `plugins` restricts it to entry points of those names; None takes them from `AVLINK_PLUGINS`, or all. A plugin that
    cannot be imported, registered or called is listed in `failures`, a name that several offer in `clashes`; the
    others are used.
    """
    if plugins is None and "AVLINK_PLUGINS" in environ:
        plugins = [name.strip() for name in environ["AVLINK_PLUGINS"].split(",") if name.strip()]
    points = plugin_points()
    times = Counter(point.name for point in points)
    found, failures = [], []
    for point in points:
        if plugins is not None and point.name not in plugins:
            continue
        origin = Origin(module=point.value)
        try:
            origin = origin_of(point)
            if times[point.name] > 1 and not origin.is_ours:
                raise InvalidPlugin(f"several distributions have a plugin of the name '{point.name}'; uninstall one")
            found.append(_import(point, origin))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failures.append(_failure(point.name, origin, error))
    for name in plugins or ():
        if name not in times:
            failures.append(PluginFailure(plugin=name, reason="it is not installed"))
    trace = environ.get("AVLINK_TRACE_HOOKS", "0") not in {"", "0"}
    return _build(found, failures, trace=trace)


def make_registry(*plugins: object, **named: object) -> Registry:
    """Return a registry of just these plugins (modules, or objects with hook methods), whatever is installed.

    A plugin that is given by keyword has that name, as an entry point would give it; others have the name of their
    module. Raises PluginError for the first plugin that cannot be used, and for a name that two of them offer.
    """
    given = [(getattr(plugin, "__name__", None) or type(plugin).__name__, plugin) for plugin in plugins]
    registry = _build([_Found(name=name, plugin=plugin) for name, plugin in (*given, *named.items())], [])
    for failure in registry.failures:
        raise PluginError(f"plugin '{failure.plugin}' cannot be used: {failure.reason}")
    for clash in registry.clashes:
        raise PluginError(str(clash))
    return registry


def _import(point: EntryPoint, origin: Origin) -> _Found:
    if not origin.is_ours and (need := unmet_need(point, avlink.__version__)) is not None:
        raise InvalidPlugin(
            f"it needs {need}, and this is avlink {avlink.__version__}; install one that fits the other"
        )
    words = EntryPoint.pattern.match(point.value)
    if words is None or not all(part.isidentifier() for part in words["module"].split(".")):
        raise InvalidPlugin(f"its entry point says '{point.value}', which names no module")
    # Importing is the only way to tell which heavy packages a plugin imports itself.
    before = set(sys.modules)
    try:
        plugin = point.load()
    except ModuleNotFoundError as error:
        if error.name and f"{point.module}.".startswith(f"{error.name}."):
            said = f"its entry point names the module '{point.module}', and there is no '{error.name}'"
            raise InvalidPlugin(said) from None
        raise
    heavy = tuple(name for name in _HEAVY if name in sys.modules and name not in before)
    return _Found(name=point.name, plugin=plugin, origin=origin, heavy=heavy)


def _failure(name: str, origin: Origin, error: BaseException) -> PluginFailure:
    trace = "" if isinstance(error, InvalidPlugin) else format_traceback(error)
    return PluginFailure(plugin=name, reason=describe_failure(error, origin.places), origin=origin, traceback=trace)


def _build(found: Sequence[_Found], failures: list[PluginFailure], *, trace: bool = False) -> Registry:
    manager = pluggy.PluginManager(specs.PROJECT)
    manager.add_hookspecs(specs)
    if trace:
        manager.add_hookcall_monitoring(_trace_before, _trace_after)
    used: list[tuple[_Found, type[Options]]] = []
    offered: dict[type[Component], list[tuple[str, Any]]] = {kind: [] for kind in _PROVIDERS}
    infos = []
    for item in found:
        try:
            check_hooks(item.plugin, _ARGUMENTS)
            manager.register(item.plugin, name=item.name)
            # All hooks are called before any result is used: half a plugin would be worse than none.
            own = {kind: _components(manager, hook, item, kind) for kind, hook in _PROVIDERS.items()}
            options = _run_options(manager, item)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failures.append(_failure(item.name, item.origin, error))
            continue
        used.append((item, options))
        for kind, components in own.items():
            offered[kind] += [(item.name, component) for component in components]
        infos.append(_info(item, own))
    ours = {info.name for info in infos if info.origin.is_ours}
    settled = {kind: settle(kind, offered[kind], ours) for kind in _PROVIDERS}
    kept: dict[type[Component], dict[str, Any]] = {kind: components for kind, (components, _) in settled.items()}
    clashes: list[Clash] = [clash for _, clashing in settled.values() for clash in clashing]
    return Registry(
        backends=kept[Backend],
        executors=kept[Executor],
        processors=kept[AudioProcessor],
        formats=kept[TimelineFormat],
        commands=kept[Command],
        command_options=kept[CommandOption],
        recipe_kinds=kept[RecipeKind],
        extractors=kept[Extractor],
        spotters=kept[Spotter],
        run_plugins=tuple(_run_plugin(manager, item, options) for item, options in used),
        plugins=tuple(infos),
        failures=tuple(failures),
        clashes=tuple(clashes),
    )


def _info(item: _Found, own: Mapping[type[Component], Sequence[Any]]) -> PluginInfo:
    # Recipes can name all kinds but these two.
    apart = (Command, CommandOption)
    return PluginInfo(
        name=item.name,
        origin=item.origin,
        components=tuple(part.name for kind, parts in own.items() if kind not in apart for part in parts),
        commands=tuple(command.name for command in own[Command]),
        command_options=tuple(option.name for option in own[CommandOption]),
        hooks=tuple(hook for hook in RUN_HOOKS if hasattr(item.plugin, hook)),
        heavy=item.heavy,
    )


def _caller(manager: pluggy.PluginManager, hook: str, item: _Found) -> pluggy.HookCaller:
    """Return a caller of the hook of one plugin alone, so that a failure is known to be its own."""
    others = [plugin for plugin in manager.get_plugins() if plugin is not item.plugin]
    return manager.subset_hook_caller(hook, remove_plugins=others)


def _components(manager: pluggy.PluginManager, hook: str, item: _Found, kind: type[Component]) -> list[Component]:
    answers: list[Any] = _caller(manager, hook, item)()
    function = getattr(item.plugin, hook, None)
    components = [part for answer in answers for part in check_components(answer, kind, hook, function)]
    return [with_owner(part, function_fields(kind), item.name) for part in components]


def _run_options(manager: pluggy.PluginManager, item: _Found) -> type[Options]:
    answers: list[Any] = _caller(manager, "avlink_run_options", item)()
    function = getattr(item.plugin, "avlink_run_options", None)
    return check_run_options(answers[0], function) if answers else Options


def _run_plugin(manager: pluggy.PluginManager, item: _Found, options: type[Options]) -> RunPlugin:
    hooks = [hook for hook in RUN_HOOKS if hasattr(item.plugin, hook)]
    return RunPlugin(name=item.name, functions={hook: _caller(manager, hook, item) for hook in hooks}, options=options)


# pluggy calls these around every hook. A caller is always of one plugin, so the outcome is that plugin's.
def _trace_before(hook: str, impls: Sequence[pluggy.HookImpl], kwargs: Mapping[str, Any]) -> None:
    for impl in impls:
        print(f"avlink: calling {hook} of {impl.plugin_name}", file=sys.stderr)


def _trace_after(
    outcome: pluggy.Result[Any], hook: str, impls: Sequence[pluggy.HookImpl], kwargs: Mapping[str, Any]
) -> None:
    for impl in impls:
        answer = outcome.exception or outcome.get_result()
        print(f"avlink: {hook} of {impl.plugin_name} gave {answer!r}", file=sys.stderr)
