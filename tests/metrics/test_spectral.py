from __future__ import annotations

import numpy as np
import pytest

from avlink.metrics.spectral import envelope_correlation, level_db, log_mel_distance, multi_resolution_stft

RATE = 16000


def test_equal_sounds_have_no_distance(modal_sound):
    sound = modal_sound([0.5, 1.0])
    assert multi_resolution_stft(sound, sound) == 0.0
    assert log_mel_distance(sound, sound, RATE) == 0.0
    assert envelope_correlation(sound, sound, RATE) == pytest.approx(1.0)


def test_distances_grow_with_noise(modal_sound):
    sound = modal_sound([0.5, 1.0, 2.5])
    hiss = np.random.default_rng(0).standard_normal(len(sound)).astype(np.float32)
    noisy = [sound + np.float32(level) * hiss for level in (0.001, 0.01, 0.1)]
    for distance in (multi_resolution_stft, lambda a, b: log_mel_distance(a, b, RATE)):
        values = [distance(sound, other) for other in noisy]
        assert values == sorted(values)
        assert values[0] > 0


def test_half_the_amplitude_is_6_db_apart():
    noise = np.random.default_rng(1).standard_normal(RATE).astype(np.float32) * 0.3
    assert log_mel_distance(noise, noise / 2, RATE) == pytest.approx(6.02, abs=0.2)
    assert level_db(noise, RATE).mean() - level_db(noise / 2, RATE).mean() == pytest.approx(6.02, abs=0.01)


def test_swelling_at_the_same_time_correlates_and_at_the_opposite_time_does_not():
    rng = np.random.default_rng(2)
    swell = (1.1 + np.sin(np.arange(4 * RATE) / RATE * 4)) / 2.2
    one, same, other = (
        (rng.standard_normal(4 * RATE) * level).astype(np.float32) for level in (swell, swell, 1.1 - swell)
    )
    assert envelope_correlation(one, same, RATE) > 0.95
    assert envelope_correlation(one, 0.1 * same, RATE) > 0.95
    assert envelope_correlation(one, other, RATE) < -0.5


def test_correlation_with_silence_is_not_defined(modal_sound):
    sound = modal_sound([0.5])
    assert envelope_correlation(sound, np.zeros_like(sound), RATE) is None


def test_the_longer_sound_is_cut_and_empty_ones_are_refused(modal_sound):
    sound = modal_sound([0.5])
    assert log_mel_distance(sound, sound[:-500], RATE) == 0.0
    with pytest.raises(ValueError, match="empty"):
        multi_resolution_stft(sound, sound[:0])
    with pytest.raises(ValueError, match="mono"):
        log_mel_distance(sound[None], sound[None], RATE)
