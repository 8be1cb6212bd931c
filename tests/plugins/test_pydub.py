"""Waveforms to and from pydub, and the processor `pydub`, sample by sample."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from avlink_post import plugin
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avlink.core.errors import InputError, RecipeError
from avlink.core.recipe import load_recipe
from avlink.core.values import Waveform
from avlink.hooks import make_registry
from avlink.hooks.processors import ReadyProcessor
from avlink.hooks.resolve import resolve_chain

with warnings.catch_warnings():
    # pydub looks for an ffmpeg program, which is not needed here, and Python 3.11 will lose a module that it uses.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

REGISTRY = make_registry(plugin)
RATE = 8000
FULL = 2.0**31


def process(wave: Waveform, *effects: object) -> Waveform:
    processor = REGISTRY.processor("pydub")
    options = processor.options(effects=effects)
    return ReadyProcessor(processor=processor, options=options)(wave)  # type: ignore[return-value]


def noise(num_samples: int = 2000, channels: int = 2, level: float = 0.2) -> Waveform:
    samples = np.random.default_rng(0).normal(0, level, (channels, num_samples)).clip(-1, 0.999)
    return Waveform(samples=samples.astype(np.float32), sample_rate=RATE)


def integers(wave: Waveform) -> np.ndarray:
    return np.array(wave.to_pydub().get_array_of_samples(), np.int64).reshape(-1, wave.channels).T


def returned(values: np.ndarray) -> np.ndarray:
    """Integers of 32 bits as float32."""
    return (values / FULL).astype(np.float32)


@given(
    arrays(np.int32, st.tuples(st.integers(1, 6), st.integers(0, 40)), elements=st.integers(-(2**23), 2**23 - 1)),
    st.integers(0, 8),
)
def test_what_integers_hold_goes_there_and_back_without_loss(steps: np.ndarray, shift: int) -> None:
    # All float32 in [-1, 1) that are multiples of 2**-31: 24 bits, at any place among the 32.
    samples = (steps.astype(np.int64) * 2**shift / FULL).astype(np.float32)
    wave = Waveform(samples=samples, sample_rate=44100)
    segment = wave.to_pydub()
    assert (segment.sample_width, segment.channels, segment.frame_rate) == (4, len(samples), 44100)
    assert int(segment.frame_count()) == samples.shape[1]
    back = Waveform.from_pydub(segment)
    assert np.array_equal(back.samples, samples) and back.sample_rate == 44100


def test_values_beyond_full_scale_are_clipped_and_others_rounded() -> None:
    wave = Waveform(samples=np.array([[1.0, -1.0, 7.0, -7.0, 2.0**-32, 3 * 2.0**-32]], np.float32), sample_rate=RATE)
    assert integers(wave).tolist() == [[2**31 - 1, -(2**31), 2**31 - 1, -(2**31), 0, 2]]
    with pytest.raises(ValueError, match="not finite"):
        Waveform(samples=np.array([[np.nan]], np.float32), sample_rate=RATE).to_pydub()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_segments_of_any_width(width: int) -> None:
    least = -(2 ** (8 * width - 1))
    values = np.array([[least, 0, 2, -2], [0, 0, least // 2, 64]], f"i{width}")
    segment = AudioSegment(data=values.T.tobytes(), sample_width=width, frame_rate=RATE, channels=2)
    wave = Waveform.from_pydub(segment)
    assert np.array_equal(wave.samples, (values.astype(np.float64) / -least).astype(np.float32))


@pytest.mark.parametrize(
    "effects",
    [
        ("normalize",),
        ({"name": "normalize", "headroom": 3.0},),
        ({"name": "apply_gain", "volume_change": -7.5},),
        ({"name": "low_pass_filter", "cutoff": 900.0}, {"name": "high_pass_filter", "cutoff": 90.0}),
        ({"name": "compress_dynamic_range", "threshold": -30.0, "ratio": 3.0, "attack": 2.0},),
        ({"name": "pan", "pan_amount": -0.4}, "invert_phase"),
    ],
    ids=["normalize", "headroom", "gain", "filters", "compress", "pan"],
)
def test_effects_are_those_of_pydub_on_every_sample(effects: tuple[object, ...]) -> None:
    wave = noise()
    segment = AudioSegment(
        data=np.rint(wave.samples.T * FULL).astype(np.int32).tobytes(), sample_width=4, frame_rate=RATE, channels=2
    )
    for effect in effects:
        named = {"name": effect} if isinstance(effect, str) else dict(effect)  # type: ignore[call-overload]
        segment = getattr(segment, named.pop("name"))(**named)
    expected = np.array(segment.get_array_of_samples(), np.int64).reshape(-1, 2).T
    result = process(wave, *effects)
    assert np.array_equal(result.samples, returned(expected))
    assert not np.array_equal(result.samples, wave.samples)


def test_filters_and_gains_by_their_formulas() -> None:
    wave = noise(500, channels=1)
    sound = integers(wave)[0]
    share = (1 / RATE) / (1 / (2 * math.pi * 900) + 1 / RATE)
    low = np.zeros(len(sound))
    low[0] = sound[0]
    for at in range(1, len(sound)):
        low[at] = low[at - 1] + share * (sound[at] - low[at - 1])
    result = process(wave, {"name": "low_pass_filter", "cutoff": 900.0})
    assert np.array_equal(result.samples[0], returned(np.trunc(low)))
    result = process(wave, {"name": "apply_gain", "volume_change": -6.0})
    np.testing.assert_allclose(result.samples, wave.samples * 10 ** (-6 / 20), atol=2e-8)
    result = process(wave, {"name": "normalize", "headroom": 3.0})
    assert np.abs(result.samples).max() == pytest.approx(10 ** (-3 / 20), abs=1e-6)


def test_quiet_ends_become_silence_and_everything_stays_where_it_is() -> None:
    sound = np.concatenate(
        [np.full(800, 1e-4), np.full(1600, 0.5), np.full(400, 1e-4), np.full(800, 0.5), np.full(1200, 1e-4)]
    )
    wave = Waveform(samples=np.stack([sound, sound]).astype(np.float32), sample_rate=RATE)
    result = process(wave, {"name": "strip_silence", "silence_thresh": -40.0, "padding": 0.0})
    expected = wave.samples.copy()
    expected[:, :800] = 0
    expected[:, -1200:] = 0
    np.testing.assert_allclose(result.samples, expected, atol=1e-9)
    padded = process(wave, {"name": "strip_silence", "silence_thresh": -40.0, "padding": 50.0})
    assert not padded.samples[:, :400].any() and padded.samples[:, 400:800].all()
    silent = process(Waveform(samples=np.full((1, 100), 1e-5, np.float32), sample_rate=RATE), "strip_silence")
    assert silent.num_samples == 100


@pytest.mark.parametrize("num_samples", [0, 1, 7, 801])
def test_length_and_channels_are_kept(num_samples: int) -> None:
    for channels in (1, 2, 6):
        wave = noise(num_samples, channels)
        effects = ["normalize", "strip_silence", "compress_dynamic_range", "invert_phase"]
        cutoffs = [{"name": name, "cutoff": 500.0} for name in ("low_pass_filter", "high_pass_filter")]
        assert process(wave, *effects, *cutoffs).samples.shape == (channels, num_samples)
    assert process(noise(10)) is not None


def test_an_effect_of_two_channels_on_one_is_refused() -> None:
    with pytest.raises(InputError, match="takes two channels, and this sound has 1"):
        process(noise(10, channels=1), {"name": "pan", "pan_amount": 0.5})


def test_effects_in_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    head = 'format = 1\nkind = "sonify"\nextends = "foley"\n[stems]\n'
    path.write_text(
        head + 'post = [{ use = "pydub", effects = ["normalize", { name = "low_pass_filter", cutoff = 99.5 }] }]\n'
    )
    recipe = load_recipe(path, "sonify", [])
    (ready,) = resolve_chain(recipe, REGISTRY)
    result = ready(noise(50))
    assert result.num_samples == 50
    path.write_text(head + 'post = [{ use = "pydub", effects = ["normalise"] }]\n')
    with pytest.raises(RecipeError, match="compress_dynamic_range"):
        resolve_chain(load_recipe(path, "sonify", []), REGISTRY)
