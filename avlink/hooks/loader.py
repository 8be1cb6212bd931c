"""Finding plugins and asking them what they offer. One broken plugin never takes the program down.

`AVLINK_PLUGINS=a,b` loads only the plugins of those entry-point names; `AVLINK_TRACE_HOOKS=1` prints every call.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from avlink.core.errors import PluginError
from avlink.hooks import specs
from avlink.hooks.descriptors import AudioProcessor, Backend, Command, Component, Place, RecipeKind, TimelineFormat
from avlink.hooks.registry import PluginFailure, PluginInfo, Registry, check_component, collect, settle_commands

GROUP = "avlink"
"""The entry-point group of plugins, ours and everybody's."""

_HOOKS: Mapping[type[Component], str] = {
    Backend: "avlink_backends",
    Place: "avlink_places",
    AudioProcessor: "avlink_audio_processors",
    TimelineFormat: "avlink_timeline_formats",
    Command: "avlink_commands",
    RecipeKind: "avlink_recipe_kinds",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A plugin that was imported."""

    name: str
    plugin: object
    distribution: str = ""
    version: str = ""


def load_registry(plugins: Sequence[str] | None = None, *, environ: Mapping[str, str] = os.environ) -> Registry:
    """Everything that the installed plugins offer.

    `plugins` restricts to entry points of those names; None takes them from `AVLINK_PLUGINS`, or all. A plugin that
    cannot be imported, registered or asked is kept in `failures`, and the others go on.

    Raises PluginError when two plugins offer the same name.
    """
    if plugins is None and "AVLINK_PLUGINS" in environ:
        plugins = [name.strip() for name in environ["AVLINK_PLUGINS"].split(",") if name.strip()]
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    found, failures = [], []
    for point in points:
        if plugins is not None and point.name not in plugins:
            continue
        try:
            found.append(_import(point))
        except (Exception, SystemExit) as error:
            failures.append(PluginFailure(plugin=point.name, reason=_reason(error)))
    for name in plugins or ():
        if name not in {point.name for point in points}:
            failures.append(PluginFailure(plugin=name, reason="it is not installed"))
    trace = environ.get("AVLINK_TRACE_HOOKS", "0") not in {"", "0"}
    return _build(found, failures, trace=trace)


def make_registry(*plugins: object) -> Registry:
    """A registry of just these plugins (modules, or objects with hook methods), whatever is installed.

    Raises PluginError for the first that cannot be used: who hands a plugin over wants to know.
    """
    names = [getattr(plugin, "__name__", None) or type(plugin).__name__ for plugin in plugins]
    registry = _build([_Found(name=name, plugin=plugin) for name, plugin in zip(names, plugins, strict=True)], [])
    for failure in registry.failures:
        raise PluginError(f"plugin '{failure.plugin}' cannot be used: {failure.reason}")
    return registry


def _import(point: EntryPoint) -> _Found:
    plugin = point.load()
    distribution = point.dist
    return _Found(
        name=point.name,
        plugin=plugin,
        distribution=distribution.name if distribution else "",
        version=distribution.version if distribution else "",
    )


def _build(found: Sequence[_Found], failures: list[PluginFailure], *, trace: bool = False) -> Registry:
    manager = pluggy.PluginManager(specs.PROJECT)
    manager.add_hookspecs(specs)
    if trace:
        manager.add_hookcall_monitoring(_trace_before, _trace_after)
    offered: dict[type[Component], list[tuple[str, Any]]] = {kind: [] for kind in _HOOKS}
    infos = []
    for item in found:
        try:
            _register(manager, item)
            # All are asked before any is taken: half a plugin would be worse than none.
            own = {kind: _ask(manager, hook, item, kind) for kind, hook in _HOOKS.items()}
        except (Exception, SystemExit) as error:
            failures.append(PluginFailure(plugin=item.name, reason=_reason(error)))
            continue
        for kind, components in own.items():
            offered[kind] += [(item.name, component) for component in components]
        infos.append(
            PluginInfo(
                name=item.name,
                distribution=item.distribution,
                version=item.version,
                components=tuple(
                    component.name
                    for kind, components in own.items()
                    if kind is not Command
                    for component in components
                ),
                commands=tuple(command.name for command in own[Command]),
            )
        )
    commands, clashes = settle_commands(offered[Command])
    return Registry(
        backends=collect(Backend, offered[Backend]),
        places=collect(Place, offered[Place]),
        processors=collect(AudioProcessor, offered[AudioProcessor]),
        formats=collect(TimelineFormat, offered[TimelineFormat]),
        commands=commands,
        recipe_kinds=collect(RecipeKind, offered[RecipeKind]),
        plugins=tuple(infos),
        failures=tuple(failures),
        clashes=clashes,
    )


def _register(manager: pluggy.PluginManager, item: _Found) -> None:
    try:
        manager.register(item.plugin, name=item.name)
        # Finds a hook whose name is mistyped, which would otherwise never be called.
        manager.check_pending()
    except Exception:
        if manager.has_plugin(item.name):
            manager.unregister(name=item.name)
        raise


def _ask(manager: pluggy.PluginManager, hook: str, item: _Found, kind: type[Component]) -> list[Component]:
    """What one plugin answers to a provider hook: asked alone, so that its failure is known to be its own."""
    others = [plugin for plugin in manager.get_plugins() if plugin is not item.plugin]
    answers: list[Any] = manager.subset_hook_caller(hook, remove_plugins=others)()
    components: list[Component] = []
    for answer in answers:
        if not isinstance(answer, list | tuple):
            raise PluginError(f"{hook} returned {type(answer).__name__}, not a list")
        for component in answer:
            check_component(component, kind)
            components.append(component)
    return components


def _reason(error: BaseException) -> str:
    if isinstance(error, PluginError):
        return str(error)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _trace_before(hook: str, impls: Sequence[pluggy.HookImpl], kwargs: Mapping[str, Any]) -> None:
    for impl in impls:
        print(f"avlink: calling {hook} of {impl.plugin_name}", file=sys.stderr)


def _trace_after(
    outcome: pluggy.Result[Any], hook: str, impls: Sequence[pluggy.HookImpl], kwargs: Mapping[str, Any]
) -> None:
    for impl in impls:
        # The monitored call is of one plugin at a time, so the outcome is that plugin's.
        answer = outcome.exception or outcome.get_result()
        print(f"avlink: {hook} of {impl.plugin_name} gave {answer!r}", file=sys.stderr)
