from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.metrics.bands import band_power, frame_centres_s, window_starts

RATE = 16000


def _power(sound: np.ndarray, centres_s: np.ndarray) -> np.ndarray:
    return band_power(sound, RATE, centres_s=centres_s, window_s=0.064, num_bands=64, low_hz=20.0, high_hz=8000.0)


@pytest.mark.parametrize("hz", [200.0, 1000.0, 3000.0])
def test_a_full_scale_sine_has_a_quarter_in_the_band_at_its_frequency(hz: float) -> None:
    sound = np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)
    power = _power(sound, np.array([0.5]))[0]
    mel = 2595 * np.log10(1 + np.array([20.0, 8000.0, hz]) / 700)
    assert np.argmax(power) == pytest.approx(65 * (mel[2] - mel[0]) / (mel[1] - mel[0]) - 1, abs=1.5)
    assert power.max() == pytest.approx(0.25, rel=0.5)
    np.testing.assert_allclose(_power(sound / 10, np.array([0.5]))[0], power / 100, rtol=1e-4, atol=1e-9)


@given(st.integers(1, 5000), st.floats(0, 1))
def test_windows_lie_within_the_sound(num_samples: int, centre_s: float) -> None:
    (start,) = window_starts(num_samples, RATE, centres_s=np.array([centre_s]), window_s=0.032)
    assert 0 <= start <= max(0, num_samples - 512)


def test_a_sound_that_is_cut_while_it_lasts_begins_and_ends_without_a_click() -> None:
    hiss = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1
    power = _power(hiss, frame_centres_s(len(hiss), RATE, 0.01)).sum(axis=1)
    assert power[0] == pytest.approx(power[3:-3].mean(), rel=0.5)
    assert power[-1] == pytest.approx(power[3:-3].mean(), rel=0.5)
    assert _power(np.zeros(0, np.float32), np.array([0.0])).shape == (1, 64)
