"""Extractors that are ready to load: with checked options and weights that exist; their failures name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from avlink.core.errors import AvlinkError, InputError, PluginError, RecipeError
from avlink.core.features import Content, FeatureExtractor, Features
from avlink.core.recipe import EvaluateRecipe, RecipeSource, describe_mistakes, explain
from avlink.hooks.descriptors import Extractor, ExtractorOptions
from avlink.hooks.diagnostics import checked_text, describe_call
from avlink.hooks.references import function_of
from avlink.hooks.registry import Registry

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyExtractor:
    """An extractor with its checked options."""

    extractor: Extractor
    options: ExtractorOptions

    @property
    def name(self) -> str:
        """The extractor's name."""
        return self.extractor.name

    @property
    def lack(self) -> str | None:
        """A sentence that says where to get its weights, if they are missing; None if they exist."""
        if not self.extractor.source:
            return None
        checkpoint, name = self.options.checkpoint, self.name
        where = f"get it from {self.extractor.source}"
        if self.extractor.licence:
            where += f" (licence: {self.extractor.licence})"
        if not checkpoint:
            return f"the extractor '{name}' needs its checkpoint: {where}, and name it in extractors.{name}.checkpoint"
        if not Path(checkpoint).exists():
            return f"extractors.{name}.checkpoint: there is no '{checkpoint}'; {where}"
        return None

    def fingerprint(self) -> str:
        """Return the text that names everything features depend on besides the clip.

        Raises InputError if the weights are missing, PluginError if the plugin fails.
        """
        self._check()
        found = self._call("its fingerprint", lambda: function_of(self.extractor.fingerprint)(self.options))
        return checked_text(found, f"extractor '{self.name}'", "its fingerprint")

    def load(self, device: str) -> FeatureExtractor:
        """Return the extractor on "cpu", "cuda" or "mps".

        Raises InputError if the weights are missing, PluginError if the plugin fails. The extractor that is returned
        raises PluginError too.
        """
        self._check()
        loaded = self._call("loading", lambda: function_of(self.extractor.load)(self.options, device))
        needs = [(medium, "sample_rate") for medium in ("sound", "scene")]
        needs += [(medium, part) for medium in ("pictures", "scene") for part in ("frame_rate", "side")]
        for medium, part in [*needs, *((medium, "extract") for medium in self.extractor.takes)]:
            if medium in self.extractor.takes and getattr(loaded, part, None) is None:
                kind = type(loaded).__name__
                raise PluginError(f"extractor '{self.name}' loaded {kind}, which cannot be used: it has no '{part}'")
        return _GuardedExtractor(loaded, self)

    def _check(self) -> None:
        if self.lack is not None:
            raise InputError(self.lack)

    def _call(self, what: str, function: Callable[[], Result]) -> Result:
        try:
            return function()
        except AvlinkError:
            # Its message is made for the user already.
            raise
        except Exception as error:
            raise PluginError(f"extractor '{self.name}' failed in {what}: {describe_call(error)}") from error


class _GuardedExtractor:
    """A `FeatureExtractor` whose failures name it, and whose results are checked."""

    def __init__(self, loaded: FeatureExtractor, ready: ReadyExtractor) -> None:
        self.sample_rate: int | None = getattr(loaded, "sample_rate", None)
        self.frame_rate: Fraction | None = getattr(loaded, "frame_rate", None)
        self.side: int | None = getattr(loaded, "side", None)
        self._loaded, self._ready = loaded, ready

    def extract(self, content: Content) -> Mapping[str, Features]:
        found = self._ready._call("extracting", lambda: self._loaded.extract(content))
        if not isinstance(found, Mapping) or not all(isinstance(value, Features) for value in found.values()):
            raise PluginError(f"extractor '{self._ready.name}' gave {type(found).__name__}, not features by name")
        return found


def resolve_extractor(
    name: str, values: Mapping[str, Any], registry: Registry, *, source: RecipeSource | None = None
) -> ReadyExtractor:
    """Return the extractor of that name with `values` as its options. Raises RecipeError for wrong names and values.

    A relative checkpoint starts from the folder of the recipe `source`, or from the working directory.
    """
    source = RecipeSource() if source is None else source
    ready, lines = _extractor(name, values, registry, source)
    if ready is None:
        raise RecipeError(describe_mistakes(source, lines))
    return ready


def resolve_for_pictures(
    name: str, values: Mapping[str, Any], fps: int, registry: Registry, *, source: RecipeSource | None = None
) -> ReadyExtractor:
    """Return the extractor of that name at `fps` pictures a second, if it has that option. Raises RecipeError."""
    found = registry.extractor(name)
    rate = {"frame_rate": float(fps)} if "frame_rate" in found.options.model_fields else {}
    return resolve_extractor(name, {**rate, **values}, registry, source=source)


def check_extractors(recipe: EvaluateRecipe, registry: Registry) -> list[str]:
    """Return a line for each mistake in a recipe's extractors. Missing checkpoints are no mistake here."""
    found = [_extractor(name, values, registry, recipe.source)[1] for name, values in recipe.extractors.items()]
    return [line for lines in found for line in lines]


def _extractor(
    name: str, values: Mapping[str, Any], registry: Registry, source: RecipeSource
) -> tuple[ReadyExtractor | None, list[str]]:
    prefix = f"extractors.{name}"
    try:
        extractor = registry.extractor(name)
    except RecipeError as error:
        return None, [f"{prefix}: {error}"]
    try:
        options = extractor.options.model_validate(dict(values))
    except ValidationError as error:
        return None, explain(error, extractor.options, source, prefix)
    if options.checkpoint:
        path = source.path(f"{prefix}.checkpoint", options.checkpoint)
        options = options.model_copy(update={"checkpoint": str(path)})
    return ReadyExtractor(extractor=extractor, options=options), []
