from __future__ import annotations

import math

import numpy as np
import pytest

from avlink.core.values import Waveform
from avlink.metrics.silence import Silence, measure_silence

RATE = 48000


def wave(*parts: np.ndarray, channels: int = 1) -> Waveform:
    return Waveform(samples=np.tile(np.concatenate(parts).astype(np.float32), (channels, 1)), sample_rate=RATE)


def level(seconds: float, amplitude: float) -> np.ndarray:
    return np.full(round(seconds * RATE), amplitude)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_level_is_the_sum_of_the_mean_squares_of_the_channels(channels: int) -> None:
    found = measure_silence(wave(level(0.05, 0.1), level(0.05, 0.0), channels=channels))
    assert found.level_lufs == pytest.approx(-0.691 + 10 * math.log10(channels * 0.01 / 2), abs=1e-4)
    assert (found.start, found.stop) == (2400, 4800)


def test_the_longest_silent_stretch_is_found_across_blocks_and_at_both_ends() -> None:
    sound = wave(level(0.5, 0), level(0.2, 0.1), level(2.3, 0.0009), level(0.1, 0.1), level(1.005, 0))
    assert measure_silence(sound) == Silence(level_lufs=pytest.approx(-32.0, abs=0.5), start=33600, stop=144000)
    assert (measure_silence(wave(level(1, 0.0011))).start, measure_silence(wave(level(1, 0.0011))).stop) == (0, 0)
    assert measure_silence(wave(level(1.0031, 0))) == Silence(level_lufs=None, start=0, stop=48149)
    assert measure_silence(wave(level(0, 0))) == Silence(level_lufs=None)


def test_one_loud_channel_is_no_silence() -> None:
    samples = np.zeros((2, RATE), np.float32)
    samples[1] = 0.1
    found = measure_silence(Waveform(samples=samples, sample_rate=RATE))
    assert (found.start, found.stop) == (0, 0)


def test_a_stretch_is_cut_to_the_part_that_is_heard() -> None:
    silence = Silence(level_lufs=None, start=100, stop=200)
    assert silence.within(50, 400) == (50, 150)
    assert silence.within(150, 180) == (0, 30)
    assert silence.within(200, 300) == silence.within(0, 100) == (0, 0)
