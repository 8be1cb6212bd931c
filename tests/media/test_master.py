"""Loudness: what is asked for is what is measured, peaks stay below the ceiling, and nothing depends on the reading."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.core.values import Waveform
from avlink.media.loudness import measure_loudness
from avlink.media.master import LimitedSound, LoudnessTarget, master

RATE = 48000


def hits(gap_s: float, *, seconds: float = 2, channels: int = 1, seed: int = 0) -> Waveform:
    """Decaying hits: short peaks over much quiet, as foley is."""
    rng = np.random.default_rng(seed)
    samples = np.zeros((channels, round(seconds * RATE)))
    for begin in np.arange(0.1, seconds, gap_s):
        first = round(begin * RATE)
        time_s = np.arange(samples.shape[1] - first) / RATE
        samples[:, first:] += np.exp(-time_s / 0.05) * rng.normal(0, 0.1, (channels, len(time_s)))
    return Waveform(samples=samples.astype(np.float32), sample_rate=RATE)


@pytest.mark.parametrize("gap_s", [0.1, 0.5])
@pytest.mark.parametrize("lufs", [-27.0, -23.0, -16.0])
def test_the_loudness_that_is_asked_for_is_measured(gap_s: float, lufs: float) -> None:
    done = master(hits(gap_s), LoudnessTarget(lufs=lufs, peak_dbtp=-1.0, max_limiting_db=40))
    heard = measure_loudness(done.sound)
    assert heard == done.level
    assert heard.lufs == pytest.approx(lufs, abs=0.2)
    assert heard.true_peak_dbtp <= -1.0


def test_hits_are_not_flattened_for_it() -> None:
    done = master(hits(1.0), LoudnessTarget(lufs=-8.0, max_limiting_db=6.0))
    assert done.limiting_db == pytest.approx(6.0)
    assert done.level.true_peak_dbtp <= -1.0
    assert done.level.lufs is not None and done.level.lufs < -9


def test_without_a_loudness_only_peaks_are_lowered() -> None:
    quiet = hits(0.5)
    assert master(quiet, LoudnessTarget(lufs=None)).sound is quiet
    loud = Waveform(samples=quiet.samples * 20, sample_rate=RATE)
    done = master(loud, LoudnessTarget(lufs=None, peak_dbtp=-3.0))
    assert done.level.true_peak_dbtp == pytest.approx(-3.0, abs=0.01)
    assert done.limiting_db == 0


@pytest.mark.parametrize("samples", [0, 1, 4800, 48000])
def test_silence_and_sound_too_short_for_a_loudness_stay(samples: int) -> None:
    silence = Waveform(samples=np.zeros((1, samples), np.float32), sample_rate=RATE)
    assert not master(silence, LoudnessTarget()).sound.read(0, samples).any()


@given(
    cuts=st.lists(st.integers(0, RATE // 2), max_size=6),
    channels=st.integers(1, 2),
    seed=st.integers(0, 20),
    gain=st.floats(1, 30),
)
@settings(max_examples=8)
def test_limited_sound_is_the_same_however_it_is_read(cuts: list[int], channels: int, seed: int, gain: float) -> None:
    sound = hits(0.3, seconds=0.5, channels=channels, seed=seed)
    limited = LimitedSound(Waveform(samples=sound.samples * np.float32(gain), sample_rate=RATE), 0.8)
    whole = limited.read(0, RATE // 2)
    edges = [0, *sorted(cuts), RATE // 2]
    parts = [limited.read(start, stop) for start, stop in itertools.pairwise(edges)]
    assert np.allclose(np.concatenate(parts, axis=1), whole, atol=1e-6)
    assert np.abs(whole).max() <= 0.8 + 1e-6
    assert measure_loudness(Waveform(samples=whole, sample_rate=RATE)).true_peak_dbtp <= 20 * np.log10(0.8) + 0.05


def test_what_is_below_the_ceiling_is_not_touched() -> None:
    quiet = hits(0.5)
    assert np.array_equal(LimitedSound(quiet, 2.0).read(0, quiet.num_samples), quiet.samples)
