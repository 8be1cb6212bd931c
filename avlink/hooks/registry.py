"""All components by name, and which plugin each comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from avlink.core.errors import PluginError, RecipeError
from avlink.core.recipe import KINDS, Recipe, suggest
from avlink.hooks.descriptors import AudioProcessor, Backend, Command, Component, Place, RecipeKind, TimelineFormat

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")

AnyComponent = TypeVar("AnyComponent", Backend, Place, AudioProcessor, TimelineFormat, Command, RecipeKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFailure:
    """A plugin that could not be used, and why."""

    plugin: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """A plugin in use: its entry point's name, the distribution it came with, and what it offers.

    `components` are what recipes can name, `commands` are what the command line has from it.
    """

    name: str
    distribution: str
    version: str
    components: tuple[str, ...]
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What the installed plugins offer. Frozen: made once at start, handed down to whoever needs a component.

    `clashes` are the names of commands that several plugins offer, with the plugins; none of those is in `commands`.
    """

    backends: Mapping[str, Backend] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    processors: Mapping[str, AudioProcessor] = field(default_factory=dict)
    formats: Mapping[str, TimelineFormat] = field(default_factory=dict)
    commands: Mapping[str, Command] = field(default_factory=dict)
    recipe_kinds: Mapping[str, RecipeKind] = field(default_factory=dict)
    plugins: tuple[PluginInfo, ...] = ()
    failures: tuple[PluginFailure, ...] = ()
    clashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def backend(self, name: str) -> Backend:
        """The backend of that name; raises RecipeError that lists the known ones."""
        return self._find("backend", self.backends, name)

    def place(self, name: str) -> Place:
        """The place of that name; raises RecipeError that lists the known ones."""
        return self._find("place", self.places, name)

    def processor(self, name: str) -> AudioProcessor:
        """The audio processor of that name; raises RecipeError that lists the known ones."""
        return self._find("processor", self.processors, name)

    def format(self, name: str) -> TimelineFormat:
        """The timeline format of that name; raises RecipeError that lists the known ones."""
        return self._find("timeline format", self.formats, name)

    def _find(self, kind: str, known: Mapping[str, AnyComponent], name: str) -> AnyComponent:
        if name in known:
            return known[name]
        message = f"{kind} '{name}' is not registered; {suggest(name, sorted(known))}"
        for failure in self.failures:
            message += f"; plugin '{failure.plugin}' failed to load: {failure.reason}"
        raise RecipeError(message)


def collect(kind: type[AnyComponent], offers: Sequence[tuple[str, AnyComponent]]) -> dict[str, AnyComponent]:
    """Components by name, from (plugin, component) pairs, sorted by name so that install order shows nowhere.

    Raises PluginError when two plugins, or one twice, offer the same name.
    """
    found: dict[str, AnyComponent] = {}
    owners: dict[str, str] = {}
    for plugin, component in offers:
        name = component.name
        if name in found:
            raise PluginError(
                f"plugins '{owners[name]}' and '{plugin}' both offer {_KINDS[kind]} '{name}'; uninstall one, or name "
                f"the plugins to use in AVLINK_PLUGINS"
            )
        found[name], owners[name] = component, plugin
    return dict(sorted(found.items()))


def settle_commands(offers: Sequence[tuple[str, Command]]) -> tuple[dict[str, Command], dict[str, tuple[str, ...]]]:
    """Commands by name, sorted, and the names that are offered twice with the plugins that do: those are nobody's.

    That is no error as it is with components: no recipe can mean the wrong one, and all other commands go on.
    """
    offering: dict[str, list[str]] = {}
    for plugin, command in offers:
        offering.setdefault(command.name, []).append(plugin)
    kept = {command.name: command for _, command in offers if len(offering[command.name]) == 1}
    clashes = {name: tuple(plugins) for name, plugins in sorted(offering.items()) if len(plugins) > 1}
    return dict(sorted(kept.items())), clashes


def check_component(component: object, kind: type[Component]) -> None:
    """Raise PluginError unless `component` is a `kind` with a name that recipes can say."""
    if not isinstance(component, kind):
        raise PluginError(f"it offers {component!r}, which is no {kind.__name__}")
    if not _NAME.fullmatch(component.name):
        raise PluginError(f"it offers the name {component.name!r}; names are lower case letters, digits, '-', '_', '.'")
    if isinstance(component, RecipeKind):
        _check_kind(component)


def _check_kind(kind: RecipeKind) -> None:
    if kind.name in KINDS:
        raise PluginError(f"it offers the recipe kind '{kind.name}', which AVLink has itself")
    if not (isinstance(kind.model, type) and issubclass(kind.model, Recipe)):
        raise PluginError(f"the model of its recipe kind '{kind.name}' is {kind.model!r}, which is no Recipe")
    if kind.model.model_fields["kind"].default != kind.name:
        raise PluginError(f'{kind.model.__name__} must say kind: Literal["{kind.name}"] = "{kind.name}"')


_KINDS: Mapping[type[Component], str] = {
    Backend: "backend",
    Place: "place",
    AudioProcessor: "processor",
    TimelineFormat: "timeline format",
    Command: "command",
    RecipeKind: "recipe kind",
}
