"""All components by name, and which plugin each comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from avlink.core.errors import PluginError, RecipeError
from avlink.core.recipe import suggest
from avlink.hooks.descriptors import AudioProcessor, Backend, Component, TimelineFormat

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")

AnyComponent = TypeVar("AnyComponent", Backend, AudioProcessor, TimelineFormat)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFailure:
    """A plugin that could not be used, and why."""

    plugin: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """A plugin in use: its entry point's name, the distribution it came with, and what it offers."""

    name: str
    distribution: str
    version: str
    components: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What the installed plugins offer. Frozen: made once at start, handed down to whoever needs a component."""

    backends: Mapping[str, Backend] = field(default_factory=dict)
    processors: Mapping[str, AudioProcessor] = field(default_factory=dict)
    formats: Mapping[str, TimelineFormat] = field(default_factory=dict)
    plugins: tuple[PluginInfo, ...] = ()
    failures: tuple[PluginFailure, ...] = ()

    def backend(self, name: str) -> Backend:
        """The backend of that name; raises RecipeError that lists the known ones."""
        return self._find("backend", self.backends, name)

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


def check_component(component: object, kind: type[Component]) -> None:
    """Raise PluginError unless `component` is a `kind` with a name that recipes can say."""
    if not isinstance(component, kind):
        raise PluginError(f"it offers {component!r}, which is no {kind.__name__}")
    if not _NAME.fullmatch(component.name):
        raise PluginError(f"it offers the name {component.name!r}; names are lower case letters, digits, '-', '_', '.'")


_KINDS: Mapping[type[Component], str] = {
    Backend: "backend",
    AudioProcessor: "processor",
    TimelineFormat: "timeline format",
}
