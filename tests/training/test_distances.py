"""Distances over a whole training: the extractors that are asked, what is missing, two that need no weights."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from avlink.core.errors import InputError, RecipeError
from avlink.core.events import Event, Message
from avlink.core.recipe import TrainRecipe, load_recipe
from avlink.core.values import Frames, Waveform
from avlink.evaluation.extractors import BUILTIN_EXTRACTORS
from avlink.training.distances import FrechetDistances, frechet_extractors
from avlink.training.stages.build import check_extractors


def _recipe(stages: str, frechet: str, *settings: str) -> TrainRecipe:
    tables = [f"stages.{name}={{steps=1,batch=1}}" for name in stages.split()]
    return load_recipe("paper/model", "train", [*tables, f"log.frechet={frechet}", *settings])


def _left_out(recipe: TrainRecipe, *stages: str) -> list[str]:
    told: list[Event] = []
    check_extractors(recipe, stages or tuple(recipe.stages), told.append)
    return [event.text for event in told if isinstance(event, Message)]


def test_what_judges_a_training_is_looked_for_before_it_begins() -> None:
    with pytest.raises(InputError, match="'vggish' needs its checkpoint: get it from"):
        _left_out(_recipe("fusion_v2a", '["vggish"]'))
    for stage in ("fusion_a2v", "fusion_joint"):
        with pytest.raises(InputError, match="'inception' needs its checkpoint: get it from"):
            _left_out(_recipe(stage, '["rgb-cells", "inception"]'))
    with pytest.raises(RecipeError, match="extractor 'synchformer' takes neither sound nor pictures"):
        _left_out(_recipe("audio", '["synchformer"]'))
    with pytest.raises(RecipeError, match=r"extractors\.i3d\.frames = 3"):
        _left_out(_recipe("fusion_a2v", '["i3d"]', "extractors.i3d.frames=3"))
    # What is not judged, or not trained now, lacks nothing.
    assert _left_out(_recipe("fusion_a2v", '["i3d"]', "log.judge=false")) == []
    assert _left_out(_recipe("video fusion_a2v", '["i3d"]'), "video") == []


def test_what_has_nothing_to_judge_is_left_out_and_told() -> None:
    said = "left out: log.frechet: '{}' judges {}, which no stage of this recipe learns to make"
    assert _left_out(_recipe("fusion_v2a", '["log-mel", "rgb-cells", "i3d"]')) == [said.format("i3d", "pictures")]
    assert _left_out(_recipe("fusion_a2v", '["log-mel", "rgb-cells", "vggish"]')) == [said.format("vggish", "sound")]
    assert _left_out(load_recipe("foley_tiny", "train")) == []


def test_sound_that_is_twice_as_loud_is_six_decibels_away_in_every_band() -> None:
    ears = FrechetDistances(frechet_extractors(load_recipe("foley_tiny", "train"))["sound"], "cpu")
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 1, 16000)).astype(np.float32)
    true, louder = ([Waveform(samples=samples * gain, sample_rate=16000) for samples in noise] for gain in (1, 2))
    assert ears.between(zip(true, true, strict=True))["frechet_log-mel"] == pytest.approx(0, abs=1e-3)
    apart = ears.between(zip(true, louder, strict=True))
    assert apart == {"frechet_log-mel": pytest.approx(64 * 6.02**2, rel=0.15)}


def _cells(pixels: np.ndarray) -> np.ndarray:
    """(pictures, rows, columns, (red, green, blue, change)) as numbers from 0 to 255 again."""
    found = BUILTIN_EXTRACTORS["rgb-cells"].load("cpu").extract(Frames(pixels=pixels, rate=Fraction(6)))["embedding"]
    assert found.rate == 6 and found.rows.shape == (len(pixels), 64)
    return (10 ** (found.rows / 20) - 1).reshape(-1, 4, 4, 4)


def test_cells_hold_colours_and_what_changes() -> None:
    pixels = np.zeros((3, 37, 66, 3), np.uint8)
    pixels[:, :9, -17:] = (200, 100, 50)  # the cell above on the right, of which 66 pixels make 17
    pixels[2, -10:, :16] = 90  # below on the left, in the last picture
    found = _cells(pixels)
    wanted = np.zeros((3, 4, 4, 4))
    wanted[:, 0, 3, :3] = (200, 100, 50)
    wanted[2, 3, 0] = 90
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    # The first has the change of the second.
    np.testing.assert_allclose(_cells(pixels[1:])[:, 3, 0, 3], (90, 90), rtol=1e-4)
    assert _cells(pixels[:1]).shape == (1, 4, 4, 4) and _cells(np.full((2, 2, 3, 3), 7, np.uint8)).max() < 7.01


def test_a_still_film_and_noise_are_further_from_moving_pictures_than_others_of_their_kind() -> None:
    eyes = FrechetDistances(frechet_extractors(load_recipe("foley_tiny", "train"))["pictures"], "cpu")
    rate, ramp = Fraction(6), np.linspace(40, 160, 64)[None, :, None] * np.ones((36, 1, 3))

    def film(seed: int) -> Frames:
        starts = np.random.default_rng(seed).integers(0, 64) + 5 * np.arange(31)
        return Frames(pixels=np.stack([np.roll(ramp, at, axis=1) for at in starts]).astype(np.uint8), rate=rate)

    def apart(made: list[Frames]) -> float:
        return eyes.between(zip(made, true, strict=True))["frechet_rgb-cells"]

    true, others = [film(seed) for seed in range(6)], [film(seed) for seed in range(6, 12)]
    still = [Frames(pixels=np.repeat(one.pixels[:1], 31, axis=0), rate=rate) for one in others]
    noise = [Frames(pixels=np.random.default_rng(0).permuted(one.pixels, axis=2), rate=rate) for one in others]
    assert apart(true) == pytest.approx(0, abs=1e-3)
    assert apart(others) < apart(still) / 3 and apart(others) < apart(noise) / 3
