"""Spotters that are ready to load: with checked options; their failures name them, and their answers are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from avlink.core.errors import AvlinkError, PluginError, RecipeError
from avlink.core.hits import Hit
from avlink.core.learned import LEARNED, learned_folder
from avlink.core.recipe import SpotRecipe, describe_mistakes, explain
from avlink.core.values import HitSpotter
from avlink.hooks.descriptors import Spotter, SpotterOptions
from avlink.hooks.diagnostics import checked_text, describe_call
from avlink.hooks.references import function_of
from avlink.hooks.registry import Registry

if TYPE_CHECKING:
    from avlink.core.values import FrameSource

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadySpotter:
    """A spotter with its checked options."""

    spotter: Spotter
    options: SpotterOptions

    @property
    def name(self) -> str:
        """The spotter's name."""
        return self.spotter.name

    def fingerprint(self) -> str:
        """Return the text that names everything hits depend on besides the pictures.

        Raises PluginError if the plugin fails.
        """
        found = self._call("its fingerprint", lambda: function_of(self.spotter.fingerprint)(self.options))
        return checked_text(found, f"spotter '{self.name}'", "its fingerprint")

    def load(self, device: str) -> HitSpotter:
        """Return the spotter on "cpu", "cuda" or "mps". Its answers are in order of time.

        Raises PluginError if the plugin fails; so does the spotter that is returned.
        """
        loaded = self._call("loading", lambda: function_of(self.spotter.load)(self.options, device))
        for part in ("spot", "picture"):
            if getattr(loaded, part, None) is None:
                kind = type(loaded).__name__
                raise PluginError(f"spotter '{self.name}' loaded {kind}, which is no spotter: it has no '{part}'")
        return _GuardedSpotter(loaded, self)

    def _call(self, action: str, function: Callable[[], Result]) -> Result:
        try:
            return function()
        except AvlinkError:
            # Its message is made for the user already.
            raise
        except Exception as error:
            raise PluginError(f"spotter '{self.name}' failed in {action}: {describe_call(error)}") from error


class _GuardedSpotter:
    """A `HitSpotter` whose failures name it, and whose hits are checked and sorted."""

    def __init__(self, loaded: HitSpotter, ready: ReadySpotter) -> None:
        self.picture = loaded.picture
        self._loaded, self._ready = loaded, ready

    def spot(self, frames: FrameSource) -> tuple[Hit, ...]:
        found = self._ready._call("spotting", lambda: tuple(self._loaded.spot(frames)))
        wrong = next((one for one in found if not isinstance(one, Hit)), None)
        if wrong is not None:
            raise PluginError(f"spotter '{self._ready.name}' gave {type(wrong).__name__}, which is no hit")
        return tuple(sorted(found, key=lambda hit: (hit.time_s, hit.kind)))


def resolve_spotter(recipe: SpotRecipe, registry: Registry) -> ReadySpotter:
    """Return the spotter that the recipe names, with its options checked. Raises RecipeError."""
    ready, lines = check_spotter(recipe, registry)
    if ready is None:
        raise RecipeError(describe_mistakes(recipe.source, lines))
    return ready


def named_spotter(name: str, options: Mapping[str, Any], registry: Registry) -> tuple[Spotter, dict[str, Any]]:
    """Return the spotter of a name, or of the folder of a learned one, and the options that it is given.

    Raises RecipeError for a name that nobody offers.
    """
    if name in registry.spotters:
        return registry.spotter(name), dict(options)
    if learned_folder(name) is not None:
        return registry.spotter(LEARNED), {"model": name, **options}
    if Path(name).expanduser().is_dir():
        raise RecipeError(
            f"the folder {name} holds no learned spotter; name one that `avlink spot --learn` has written, or one of "
            f"{', '.join(sorted(registry.spotters))}"
        )
    return registry.spotter(name), dict(options)


def check_spotter(recipe: SpotRecipe, registry: Registry) -> tuple[ReadySpotter | None, list[str]]:
    """Return the spotter that the recipe names, or None and a line for each mistake."""
    choice = recipe.spotter
    try:
        spotter, given = named_spotter(choice.name, choice.options, registry)
    except RecipeError as error:
        return None, [f"spotter.name: {error}"]
    try:
        options = spotter.options.model_validate(given)
    except ValidationError as error:
        return None, explain(error, spotter.options, recipe.source, "spotter.options")
    return ReadySpotter(spotter=spotter, options=options), []
