"""All components by name, and which plugin each comes from."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from avlink.core.errors import RecipeError
from avlink.core.installed import UNKNOWN, Origin
from avlink.core.recipe import suggest
from avlink.hooks.descriptors import (
    AudioProcessor,
    Backend,
    Command,
    Component,
    Executor,
    Extractor,
    RecipeKind,
    TimelineFormat,
)

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
"""The names that components may have."""

AnyComponent = TypeVar(
    "AnyComponent", Backend, Executor, AudioProcessor, TimelineFormat, Command, RecipeKind, Extractor
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFailure:
    """A plugin that could not be used, where it comes from, and why.

    `reason` is a sentence that ends with the line of the plugin's own code, where there is one; `traceback` is all
    that Python knows, and empty where nothing was raised.
    """

    plugin: str
    reason: str
    origin: Origin = UNKNOWN
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """A plugin in use: its entry point's name, where it comes from, and what it offers.

    `components` are what recipes can name, `commands` are what the command line has from it. `heavy` are the large
    packages that it imported as soon as it was loaded, which every command then waits for.
    """

    name: str
    origin: Origin = UNKNOWN
    components: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    heavy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """A name that several plugins offer for components of one `kind`, such as "backend".

    `kept` is the one whose it stays: AVLink's own, if that is among them. Otherwise it is nobody's, so that the order
    of installation cannot decide what is heard.
    """

    kind: str
    name: str
    plugins: tuple[str, ...]
    kept: str | None = None

    def __str__(self) -> str:
        offering = " and ".join(f"'{plugin}'" for plugin in self.plugins)
        used = "none of them" if self.kept is None else f"only that of '{self.kept}'"
        return (
            f"{self.kind} '{self.name}' is offered by the plugins {offering}, so {used} is used; uninstall one, or "
            "name the plugins to use in AVLINK_PLUGINS"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What the installed plugins offer. Frozen: made once at start, handed down to whoever needs a component."""

    backends: Mapping[str, Backend] = field(default_factory=dict)
    executors: Mapping[str, Executor] = field(default_factory=dict)
    processors: Mapping[str, AudioProcessor] = field(default_factory=dict)
    formats: Mapping[str, TimelineFormat] = field(default_factory=dict)
    commands: Mapping[str, Command] = field(default_factory=dict)
    recipe_kinds: Mapping[str, RecipeKind] = field(default_factory=dict)
    extractors: Mapping[str, Extractor] = field(default_factory=dict)
    plugins: tuple[PluginInfo, ...] = ()
    failures: tuple[PluginFailure, ...] = ()
    clashes: tuple[Clash, ...] = ()

    def backend(self, name: str) -> Backend:
        """The backend of that name; raises RecipeError that lists the known ones."""
        return self._find(Backend, self.backends, name)

    def executor(self, name: str) -> Executor:
        """The executor of that name; raises RecipeError that lists the known ones."""
        return self._find(Executor, self.executors, name)

    def processor(self, name: str) -> AudioProcessor:
        """The audio processor of that name; raises RecipeError that lists the known ones."""
        return self._find(AudioProcessor, self.processors, name)

    def format(self, name: str) -> TimelineFormat:
        """The timeline format of that name; raises RecipeError that lists the known ones."""
        return self._find(TimelineFormat, self.formats, name)

    def extractor(self, name: str) -> Extractor:
        """The extractor of that name; raises RecipeError that lists the known ones."""
        return self._find(Extractor, self.extractors, name)

    def clash(self, kind: type[Component], name: str) -> Clash | None:
        """The clash that a name is not there for."""
        wanted = (KIND_NAMES[kind], name, None)
        return next((clash for clash in self.clashes if (clash.kind, clash.name, clash.kept) == wanted), None)

    def _find(self, kind: type[AnyComponent], known: Mapping[str, AnyComponent], name: str) -> AnyComponent:
        if name in known:
            return known[name]
        clash = self.clash(kind, name)
        if clash is not None:
            raise RecipeError(str(clash))
        message = f"{KIND_NAMES[kind]} '{name}' is not registered; {suggest(name, sorted(known))}"
        for failure in self.failures:
            message += f"; plugin '{failure.plugin}' failed to load: {failure.reason}"
        raise RecipeError(message)


def settle(
    kind: type[AnyComponent], offers: Sequence[tuple[str, AnyComponent]], ours: Collection[str]
) -> tuple[dict[str, AnyComponent], tuple[Clash, ...]]:
    """Components by name, from (plugin, component) pairs, and the names that several plugins offer.

    `ours` are the plugins of AVLink itself. All is sorted by name, so that install order shows nowhere.
    """
    offering: dict[str, list[tuple[str, AnyComponent]]] = {}
    for plugin, component in offers:
        offering.setdefault(component.name, []).append((plugin, component))
    kept: dict[str, AnyComponent] = {}
    clashes = []
    for name, claims in sorted(offering.items()):
        first = [claim for claim in claims if len(claims) == 1 or claim[0] in ours]
        if len(first) == 1:
            kept[name] = first[0][1]
        if len(claims) > 1:
            owner = first[0][0] if len(first) == 1 else None
            plugins = tuple(plugin for plugin, _ in claims)
            clashes.append(Clash(kind=KIND_NAMES[kind], name=name, plugins=plugins, kept=owner))
    return kept, tuple(clashes)


KIND_NAMES: Mapping[type[Component], str] = {
    Backend: "backend",
    Executor: "executor",
    AudioProcessor: "processor",
    TimelineFormat: "timeline format",
    Command: "command",
    RecipeKind: "recipe kind",
    Extractor: "extractor",
}
"""What components are called in sentences."""
