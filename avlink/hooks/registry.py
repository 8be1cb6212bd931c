"""The registry: all components by name, the plugins that they come from, and the plugins that failed.

`RecipeKind` stands here because its check gets the registry, which in turn holds the kinds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from avlink.core.entry_points import UNKNOWN, Origin
from avlink.core.errors import RecipeError
from avlink.core.recipe import Recipe, suggest
from avlink.hooks.backends import Executor
from avlink.hooks.descriptors import (
    AudioProcessor,
    Backend,
    Command,
    CommandOption,
    Extractor,
    Spotter,
    TimelineFormat,
)
from avlink.hooks.run_hooks import RunPlugin


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeKind:
    """Another kind of recipe, with inheritance, `-s key=value` and the same messages as AVLink's own kinds.

    `name` is the value of `kind` in such recipes. `model` is their schema: a subclass of `Recipe` that declares
    `kind: Literal["<name>"] = "<name>"`; tables in it are `Options`. `recipes` names a package of the plugin: the .toml
    files in it can be asked for by name. `check(recipe, registry)` returns a sentence for each mistake that the model
    alone cannot find, such as the name of a component that does not exist, and begins it with the key.
    """

    name: str
    model: type[Recipe]
    recipes: str | None = None
    check: Callable[[Any, Registry], Sequence[str]] | str | None = None


Component: TypeAlias = (
    Backend | Executor | AudioProcessor | TimelineFormat | Command | CommandOption | RecipeKind | Extractor | Spotter
)

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
"""The pattern of names of components."""

AnyComponent = TypeVar(
    "AnyComponent",
    Backend,
    Executor,
    AudioProcessor,
    TimelineFormat,
    Command,
    CommandOption,
    RecipeKind,
    Extractor,
    Spotter,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFailure:
    """A plugin that could not be used, its origin, and the reason.

    `reason` is a sentence that ends with a line of the plugin's own code, where one is known; `traceback` is Python's,
    and empty where nothing was raised.
    """

    plugin: str
    reason: str
    origin: Origin = UNKNOWN
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """A plugin in use: the name of its entry point, its origin, and what it offers.

    `components` can be named in recipes, `commands` are on the command line, `command_options` on AVLink's own
    commands, and `hooks` take part in runs. `heavy` are the large packages that it imported as soon as it was loaded,
    for which every command has to wait.
    """

    name: str
    origin: Origin = UNKNOWN
    components: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    command_options: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    heavy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """A name that several plugins offer for components of one `kind`, such as "backend".

    `kept` is the plugin whose component is used: AVLink's own, if it is among them. Otherwise none is used, so that
    the order of installation cannot change a result.
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
    """Everything that plugins offer: made once at start and passed to the code that needs a component."""

    backends: Mapping[str, Backend] = field(default_factory=dict)
    executors: Mapping[str, Executor] = field(default_factory=dict)
    processors: Mapping[str, AudioProcessor] = field(default_factory=dict)
    formats: Mapping[str, TimelineFormat] = field(default_factory=dict)
    commands: Mapping[str, Command] = field(default_factory=dict)
    command_options: Mapping[str, CommandOption] = field(default_factory=dict)
    recipe_kinds: Mapping[str, RecipeKind] = field(default_factory=dict)
    extractors: Mapping[str, Extractor] = field(default_factory=dict)
    spotters: Mapping[str, Spotter] = field(default_factory=dict)
    run_plugins: tuple[RunPlugin, ...] = ()
    plugins: tuple[PluginInfo, ...] = ()
    failures: tuple[PluginFailure, ...] = ()
    clashes: tuple[Clash, ...] = ()

    def backend(self, name: str) -> Backend:
        """Return the backend of that name. Raises RecipeError that lists the known ones."""
        return self._find(Backend, self.backends, name)

    def executor(self, name: str) -> Executor:
        """Return the executor of that name. Raises RecipeError that lists the known ones."""
        return self._find(Executor, self.executors, name)

    def processor(self, name: str) -> AudioProcessor:
        """Return the audio processor of that name. Raises RecipeError that lists the known ones."""
        return self._find(AudioProcessor, self.processors, name)

    def format(self, name: str) -> TimelineFormat:
        """Return the timeline format of that name. Raises RecipeError that lists the known ones."""
        return self._find(TimelineFormat, self.formats, name)

    def extractor(self, name: str) -> Extractor:
        """Return the extractor of that name. Raises RecipeError that lists the known ones."""
        return self._find(Extractor, self.extractors, name)

    def spotter(self, name: str) -> Spotter:
        """Return the spotter of that name. Raises RecipeError that lists the known ones."""
        return self._find(Spotter, self.spotters, name)

    def owner(self, kind: str, name: str) -> str:
        """Return the plugin that offers the command or command option of that name, or "?"."""
        kept = next((clash.kept for clash in self.clashes if (clash.kind, clash.name) == (kind, name)), None)
        offering = [
            info.name for info in self.plugins if name in (info.commands if kind == "command" else info.command_options)
        ]
        return kept or next(iter(offering), "?")

    def clash(self, kind: type[Component], name: str) -> Clash | None:
        """Return the clash because of which nobody has the name, or None."""
        wanted = (KIND_NAMES[kind], name, None)
        return next((clash for clash in self.clashes if (clash.kind, clash.name, clash.kept) == wanted), None)

    def _find(self, kind: type[AnyComponent], known: Mapping[str, AnyComponent], name: str) -> AnyComponent:
        if name in known:
            return known[name]
        clash = self.clash(kind, name)
        if clash is not None:
            raise RecipeError(str(clash))
        raise RecipeError(self.unknown(KIND_NAMES[kind], name, known))

    def unknown(self, kind: str, name: str, known: Collection[str]) -> str:
        """Return the message for a name that nobody offers: the known names, and the plugins that failed."""
        message = f"{kind} '{name}' is not registered; {suggest(name, sorted(known))}"
        for failure in self.failures:
            message += f"; plugin '{failure.plugin}' failed to load: {failure.reason}"
        return message


def settle(
    kind: type[AnyComponent], offers: Sequence[tuple[str, AnyComponent]], ours: Collection[str]
) -> tuple[dict[str, AnyComponent], tuple[Clash, ...]]:
    """Return components by name, from (plugin, component) pairs, and the names that several plugins offer.

    `ours` are the plugins of AVLink itself. The result is sorted by name, so that the order of installation has no
    effect.
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
    CommandOption: "command option",
    RecipeKind: "recipe kind",
    Extractor: "extractor",
    Spotter: "spotter",
}
"""The names of kinds of components in messages."""
