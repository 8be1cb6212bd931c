from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from avlink_post import plugin
from avlink_post.peak_cap import true_peak
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.core.sound import read_whole
from avlink.core.values import Waveform
from avlink.hooks import make_registry

RATE = 48000
REGISTRY = make_registry(plugin)
NAMES = ("declick", "fades", "peak_cap")


def process(name: str, wave: Waveform, **options: float) -> Waveform:
    processor = REGISTRY.processor(name)
    return read_whole(processor.apply(wave, processor.options(**options)))


def waveform(samples: np.ndarray) -> Waveform:
    return Waveform(samples=np.atleast_2d(samples).astype(np.float32), sample_rate=RATE)


def noise(num_samples: int, seed: int = 0, channels: int = 1) -> Waveform:
    return waveform(np.random.default_rng(seed).normal(0, 0.2, (channels, num_samples)))


def hit(hz: float, decay_s: float, noisy: float = 0.0, seed: int = 0) -> np.ndarray:
    """A quarter second of silence, then a struck body that starts within one sample."""
    t = np.arange(RATE // 2) / RATE
    body = np.exp(-t / decay_s) * (np.cos(2 * np.pi * hz * t) + noisy * np.random.default_rng(seed).normal(size=t.size))
    return np.concatenate([np.zeros(RATE // 4), 0.5 * body])


def test_it_offers_the_chain_of_the_built_in_recipe() -> None:
    assert tuple(REGISTRY.processors) == (*NAMES, "pydub")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_samples", [0, 1, 2, 7, 100, 4801])
def test_silence_stays_silence_and_length_is_kept(name: str, num_samples: int) -> None:
    silence = waveform(np.zeros((2, num_samples)))
    result = process(name, silence)
    assert result.samples.shape == (2, num_samples)
    assert result.samples.dtype == np.float32
    assert not result.samples.any()


@pytest.mark.parametrize("name", NAMES)
@given(num_samples=st.integers(0, 3000), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_length_is_kept_input_untouched_and_nothing_explodes(name: str, num_samples: int, seed: int) -> None:
    wave = noise(num_samples, seed)
    before = wave.samples.copy()
    result = process(name, wave)
    assert result.samples.shape == before.shape
    assert result.sample_rate == RATE
    assert np.array_equal(wave.samples, before)
    assert np.abs(result.samples).max(initial=0) <= np.abs(before).max(initial=0) * 1.001


def clicks_and_hits(seed: int) -> np.ndarray:
    """Five seconds with clicks everywhere, also where the cells that declick works in meet."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, 0.003, 5 * RATE)
    for place in rng.integers(0, 5 * RATE - 3000, 40):
        sound[place : place + 3000] += 0.3 * np.exp(-np.arange(3000) / 400) * np.cos(0.1 * np.arange(3000))
    for place in [*rng.integers(0, 5 * RATE - 3, 60), *range(512 * 96 - 4, 512 * 96 + 5, 40), 2 * 512 * 96]:
        sound[place : place + 2] += 0.7
    return sound


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 9), cuts=st.lists(st.integers(0, 5 * RATE), max_size=6))
@settings(max_examples=8, deadline=None)
def test_the_result_does_not_depend_on_how_it_is_read(name: str, seed: int, cuts: list[int]) -> None:
    processor = REGISTRY.processor(name)
    wave = waveform(clicks_and_hits(seed))
    assert not processor.whole
    whole = process(name, wave)
    lazy = processor.apply(wave, processor.options())
    edges = [0, *sorted(cuts), wave.num_samples]
    parts = [lazy.read(start, stop) for start, stop in pairwise(edges)]
    assert np.array_equal(np.concatenate(parts, axis=1), whole.samples)


def test_declick_sees_across_its_cells() -> None:
    samples = np.zeros(4 * 512 * 96)
    borders = [512 * 96, 2 * 512 * 96, 3 * 512 * 96]
    for shift, border in zip((-2, -1, 0), borders, strict=True):
        samples[border + shift : border + shift + 3] += 0.5
    assert not process("declick", waveform(samples)).samples.any()


@given(num_samples=st.integers(2, 5000), fade_in_s=st.floats(0.001, 0.1), fade_out_s=st.floats(0.001, 0.1))
@settings(max_examples=50, deadline=None)
def test_faded_edges_are_zero(num_samples: int, fade_in_s: float, fade_out_s: float) -> None:
    result = process("fades", waveform(np.ones(num_samples)), fade_in_s=fade_in_s, fade_out_s=fade_out_s)
    assert result.samples[0, -1] == 0.0
    assert result.samples[0, 0] == 0.0 or round(fade_in_s / (fade_in_s + fade_out_s) * num_samples) <= 1


def test_fades_leave_the_middle_and_rise_steadily() -> None:
    result = process("fades", waveform(np.ones(RATE)), fade_in_s=0.1, fade_out_s=0.2).samples[0]
    assert (result[4800 : RATE - 9600] == 1.0).all()
    assert (np.diff(result[:4800]) >= 0).all()
    assert (np.diff(result[-9600:]) <= 0).all()
    assert result[2400] == pytest.approx(0.5)


def test_a_fade_of_no_length_changes_nothing() -> None:
    wave = noise(1000)
    assert np.array_equal(process("fades", wave, fade_in_s=0.0, fade_out_s=0.0).samples, wave.samples)


@given(seed=st.integers(0, 50), gain=st.floats(0.01, 30.0), peak_dbtp=st.floats(-30.0, 0.0))
@settings(max_examples=50, deadline=None)
def test_the_cap_holds_only_attenuates_and_is_idempotent(seed: int, gain: float, peak_dbtp: float) -> None:
    wave = waveform(noise(600, seed, channels=2).samples * gain)
    once = process("peak_cap", wave, peak_dbtp=peak_dbtp)
    assert true_peak(once) <= 10 ** (peak_dbtp / 20) * 1.0001
    assert (np.abs(once.samples) <= np.abs(wave.samples)).all()
    assert np.array_equal(process("peak_cap", once, peak_dbtp=peak_dbtp).samples, once.samples)


def test_a_quiet_sound_passes_the_cap_untouched() -> None:
    wave = waveform(0.1 * np.ones(500))
    assert process("peak_cap", wave) is wave


@pytest.mark.parametrize("hz", [997.0, 6000.0, 12000.0, 15000.0])
def test_the_true_peak_lies_between_the_samples(hz: float) -> None:
    # At 12 kHz and 45 degrees every sample is 3 dB below the crest.
    wave = waveform(0.5 * np.sin(2 * np.pi * hz * np.arange(RATE // 4) / RATE + np.pi / 4) * np.hanning(RATE // 4))
    assert 20 * np.log10(true_peak(wave)) == pytest.approx(20 * np.log10(0.5), abs=0.15)


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("background", ["silence", "tone", "rumble"])
def test_a_click_is_removed(width: int, background: str) -> None:
    t = np.arange(RATE) / RATE
    clean = {"silence": 0 * t, "tone": 0.1 * np.sin(2 * np.pi * 300 * t), "rumble": 0.3 * np.sin(2 * np.pi * 60 * t)}
    clicked = clean[background].copy()
    for place in (5000, 20000, 20500, 47000):
        clicked[place : place + width] += 0.6
    result = process("declick", waveform(clicked)).samples[0]
    assert np.abs(result - clean[background]).max() < 0.01


@pytest.mark.parametrize("hz", [80.0, 400.0, 2500.0, 9000.0])
@pytest.mark.parametrize("decay_s", [0.004, 0.03, 0.3])
@pytest.mark.parametrize("noisy", [0.0, 0.5])
def test_a_hit_is_kept(hz: float, decay_s: float, noisy: float) -> None:
    wave = waveform(hit(hz, decay_s, noisy))
    assert np.array_equal(process("declick", wave).samples, wave.samples)


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_clicks(seed: int) -> None:
    wave = noise(RATE, seed)
    assert np.array_equal(process("declick", wave).samples, wave.samples)


def test_hits_in_rain_are_kept_and_a_click_in_it_is_not() -> None:
    rain = np.random.default_rng(1).normal(0, 0.01, RATE)
    for place in range(4000, RATE - 4000, 6000):
        rain[place : place + 2000] += 0.5 * np.exp(-np.arange(2000) / 300) * np.cos(0.2 * np.arange(2000))
    clicked = rain.copy()
    clicked[25000] += 0.8
    result = process("declick", waveform(clicked)).samples[0]
    changed = np.flatnonzero(result != clicked.astype(np.float32))
    assert changed.size <= 8
    assert abs(changed.mean() - 25000) < 3
    assert abs(result[25000] - rain[25000]) < 0.06
