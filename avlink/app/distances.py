"""How far generated sounds are, as a whole, from true ones, while a model trains: Fréchet distances by extractors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from avlink.app.judged import FrechetTally
from avlink.app.log_mel import LOG_MEL
from avlink.core.errors import RecipeError
from avlink.core.features import FeatureExtractor
from avlink.core.recipe import TrainRecipe
from avlink.core.values import Waveform
from avlink.hooks import load_registry, resolve_extractor
from avlink.media.resample import resample


def ears_of(recipe: TrainRecipe, device: str) -> dict[str, FeatureExtractor]:
    """The loaded extractors of `log.frechet`, by name.

    Raises RecipeError for one that hears nothing, or that no plugin offers; InputError where its checkpoint is missing.
    """
    ears: dict[str, FeatureExtractor] = {}
    for name in recipe.log.frechet:
        ready = LOG_MEL
        if name != LOG_MEL.name:
            ready = resolve_extractor(name, recipe.extractors.get(name, {}), load_registry(), source=recipe.source)
        if "sound" not in ready.extractor.takes:
            raise RecipeError(f"log.frechet: extractor '{name}' takes no sound")
        ears[name] = ready.load(device)
    return ears


def sound_distances(
    true: Sequence[NDArray[np.float32]],
    made: Sequence[NDArray[np.float32]],
    sample_rate: int,
    ears: Mapping[str, FeatureExtractor],
) -> dict[str, float]:
    """`frechet_NAME` of each extractor's rows "embedding"; nothing of one that gives too few rows for a covariance."""
    found = {}
    for name, ear in ears.items():
        assert ear.sample_rate is not None
        tally = FrechetTally()
        for pair in zip(made, true, strict=True):
            waves = (Waveform(samples=np.asarray(samples)[None], sample_rate=sample_rate) for samples in pair)
            tally.add(*(ear.extract(resample(wave, ear.sample_rate))["embedding"].rows for wave in waves))
        value = tally.result().value
        if value is not None:
            found[f"frechet_{name}"] = value
    return found
