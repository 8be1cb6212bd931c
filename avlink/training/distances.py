"""Fréchet distances between generated and true clips while a model trains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from avlink.core.errors import InputError, RecipeError, TooShort
from avlink.core.features import Content, FeatureExtractor
from avlink.core.frames import ResampledFrames, fit_shorter_side
from avlink.core.recipe import TrainRecipe
from avlink.core.values import Frames, Waveform
from avlink.evaluation.extractor_metrics import FeatureRows, FrechetAccumulator, medium_of
from avlink.evaluation.extractors import BUILTIN_EXTRACTORS
from avlink.hooks import Medium, ReadyExtractor, load_registry, resolve_extractor
from avlink.media.resample import resample

Clip: TypeAlias = Waveform | Frames


def frechet_extractors(recipe: TrainRecipe) -> dict[Medium, list[ReadyExtractor]]:
    """Return the extractors of `log.frechet`, by the medium that they take.

    Raises RecipeError for one that no plugin offers, that is given options it does not take, or that takes neither
    sound nor pictures.
    """
    found: dict[Medium, list[ReadyExtractor]] = {"sound": [], "pictures": []}
    # A name that is given twice is loaded once.
    for name in dict.fromkeys(recipe.log.frechet):
        ready = BUILTIN_EXTRACTORS.get(name)
        if ready is None:
            ready = resolve_extractor(name, recipe.extractors.get(name, {}), load_registry(), source=recipe.source)
        medium = medium_of(ready.extractor)
        if medium is None:
            raise RecipeError(f"log.frechet: extractor '{name}' takes neither sound nor pictures")
        found[medium].append(ready)
    return found


class FrechetDistances:
    """Loaded extractors of one medium, and the distances by each of them."""

    def __init__(self, extractors: Sequence[ReadyExtractor], device: str) -> None:
        """Load the extractors. Raises InputError where a checkpoint is missing."""
        self._loaded = {ready.name: ready.load(device) for ready in extractors}

    def check(self, clip: Clip) -> None:
        """Raise InputError where an extractor cannot take such clips: better now than after hours of training."""
        for name in self._loaded:
            self._rows(name, clip)

    def between(self, pairs: Iterable[tuple[Clip, Clip]]) -> dict[str, float]:
        """Return `frechet_NAME` for each extractor, over its "embedding" rows of (generated, true) pairs.

        An extractor is left out where it gives too few rows for a covariance, or rows of a generated clip that are
        not finite: an untrained model may generate anything, and that must not end the training.
        """
        accumulators = {name: FrechetAccumulator() for name in self._loaded}
        for generated, true in pairs:
            for name, accumulator in list(accumulators.items()):
                rows = self._rows(name, generated)
                if np.isfinite(rows).all():
                    accumulator.update(rows, self._rows(name, true))
                else:
                    # A distance without some of the clips would look better than it is.
                    del accumulators[name]
        values = {f"frechet_{name}": accumulator.compute().value for name, accumulator in accumulators.items()}
        return {name: value for name, value in values.items() if value is not None}

    def _rows(self, name: str, clip: Clip) -> FeatureRows:
        extractor = self._loaded[name]
        try:
            found = extractor.extract(_content(clip, extractor)).get("embedding")
        except TooShort as error:
            raise InputError(f"log.frechet: extractor '{name}' cannot judge these clips: {error}") from None
        if found is None:
            raise RecipeError(f"log.frechet: extractor '{name}' gives no 'embedding' to take distances of")
        return found.rows


def _content(clip: Clip, extractor: FeatureExtractor) -> Content:
    """Return a clip as the extractor takes it, resampled and scaled as `avlink evaluate` does with folders."""
    if isinstance(clip, Waveform):
        assert extractor.sample_rate is not None
        return resample(clip, extractor.sample_rate)
    assert extractor.frame_rate is not None and extractor.side is not None
    picked = ResampledFrames(clip, rate=extractor.frame_rate)
    width, height = fit_shorter_side(clip.width, clip.height, extractor.side)
    if (width, height) == (clip.width, clip.height):
        return picked
    # Imported here, so that a training on prepared clips needs no decoder, which the scaler is part of.
    from avlink.media.scale import resized

    pixels = resized(picked.read(0, picked.num_frames), width=width, height=height)
    return Frames(pixels=pixels, rate=picked.rate)
