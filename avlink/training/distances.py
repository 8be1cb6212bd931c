"""How far what is generated is, as a whole, from what is true, while a model trains: Fréchet distances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from avlink.core.errors import InputError, RecipeError, TooShort
from avlink.core.features import Content, FeatureExtractor
from avlink.core.frames import ResampledFrames, fit_shorter_side
from avlink.core.recipe import TrainRecipe
from avlink.core.values import Frames, Waveform
from avlink.evaluation.accumulators import FrechetTally, Rows
from avlink.evaluation.builtin_extractors import WEIGHTLESS
from avlink.evaluation.metric_registry import medium_of
from avlink.hooks import Medium, ReadyExtractor, load_registry, resolve_extractor
from avlink.media.resample import resample

Clip: TypeAlias = Waveform | Frames


def judges_of(recipe: TrainRecipe) -> dict[Medium, list[ReadyExtractor]]:
    """The extractors of `log.frechet`, by what they judge.

    Raises RecipeError for one that no plugin offers, that is given options it does not take, or that neither hears nor
    sees.
    """
    found: dict[Medium, list[ReadyExtractor]] = {"sound": [], "pictures": []}
    for name in dict.fromkeys(recipe.log.frechet):
        ready = WEIGHTLESS.get(name)
        if ready is None:
            ready = resolve_extractor(name, recipe.extractors.get(name, {}), load_registry(), source=recipe.source)
        medium = medium_of(ready.extractor)
        if medium is None:
            raise RecipeError(f"log.frechet: extractor '{name}' takes neither sound nor pictures")
        found[medium].append(ready)
    return found


class Distances:
    """The loaded extractors that judge one medium, and the distances by them."""

    def __init__(self, judges: Sequence[ReadyExtractor], device: str) -> None:
        """Raises InputError where a checkpoint is missing."""
        self._loaded = {ready.name: ready.load(device) for ready in judges}

    def check(self, clip: Clip) -> None:
        """Raise InputError where an extractor makes nothing of such clips: better now than after hours of training."""
        for name in self._loaded:
            self._rows(name, clip)

    def between(self, pairs: Iterable[tuple[Clip, Clip]]) -> dict[str, float]:
        """`frechet_NAME` of each extractor's rows "embedding" of what was made and what is true, a pair at a time.

        Nothing of an extractor that gives too few rows for a covariance, or of what was made something that is no
        number: a model that is not there yet may make anything, and that ends no training.
        """
        tallies = {name: FrechetTally() for name in self._loaded}
        for made, true in pairs:
            for name, tally in list(tallies.items()):
                rows = self._rows(name, made)
                if np.isfinite(rows).all():
                    tally.add(rows, self._rows(name, true))
                else:
                    del tallies[name]
        values = {f"frechet_{name}": tally.result().value for name, tally in tallies.items()}
        return {name: value for name, value in values.items() if value is not None}

    def _rows(self, name: str, clip: Clip) -> Rows:
        extractor = self._loaded[name]
        try:
            found = extractor.extract(_given(clip, extractor)).get("embedding")
        except TooShort as error:
            raise InputError(f"log.frechet: extractor '{name}' cannot judge these clips: {error}") from None
        if found is None:
            raise RecipeError(f"log.frechet: extractor '{name}' gives no 'embedding' to take distances of")
        return found.rows


def _given(clip: Clip, extractor: FeatureExtractor) -> Content:
    """A clip as the extractor wants it: as `avlink evaluate` gives it those of folders."""
    if isinstance(clip, Waveform):
        assert extractor.sample_rate is not None
        return resample(clip, extractor.sample_rate)
    assert extractor.frame_rate is not None and extractor.side is not None
    picked = ResampledFrames(clip, rate=extractor.frame_rate)
    width, height = fit_shorter_side(clip.width, clip.height, extractor.side)
    if (width, height) == (clip.width, clip.height):
        return picked
    # A training whose clips are prepared needs no decoder, which this comes with.
    from avlink.media.scale import resized

    pixels = resized(picked.read(0, picked.num_frames), width=width, height=height)
    return Frames(pixels=pixels, rate=picked.rate)
