from __future__ import annotations

import numpy as np
import pytest

from avlink.metrics.alignment import av_align, envelope_lag, peak_overlap
from avlink.metrics.levels import clipped_share, dc_offset, silent_share

RATE = 22050


def clicks(*times_s: float, length_s: float = 3.0) -> np.ndarray:
    sound = np.zeros(round(length_s * RATE), np.float32)
    decay = np.exp(-np.arange(2000) / 300) * np.random.default_rng(0).standard_normal(2000) * 0.3
    for time_s in times_s:
        start = round(time_s * RATE)
        sound[start : start + 2000] += decay[: len(sound) - start].astype(np.float32)
    return sound


def test_overlap_counts_each_peak_once() -> None:
    assert peak_overlap([1.0, 2.0], [1.0, 2.0], 0.1) == 1
    assert peak_overlap([1.0, 1.05], [1.02], 0.1) == 0.5
    assert peak_overlap([1.0], [2.0], 0.1) == 0
    assert peak_overlap([1.0], [1.1], 0.1) == 0
    assert peak_overlap([], [1.0], 0.1) == 0
    assert peak_overlap([], [], 0.1) is None


def test_what_flashes_when_it_clicks_aligns() -> None:
    sound, rate = clicks(0.5, 1.5, 2.25), 24
    change = np.zeros(71)
    change[[11, 35, 53]] = 30.0
    assert av_align(sound, change, rate) == 1
    assert av_align(sound, np.roll(change, 6), rate) == 0
    assert av_align(sound, np.full(71, 30.0), rate) == 0
    assert av_align(sound * 0, np.zeros(71), rate) is None


@pytest.mark.parametrize("late_s", [-0.2, 0.0, 0.035, 0.4])
def test_the_lag_is_by_how_much_it_was_moved(late_s: float) -> None:
    times = (0.6, 1.1, 1.25, 2.0)
    found = envelope_lag(clicks(*times), clicks(*(time + late_s for time in times)) * 0.2, RATE)
    assert found is not None
    assert found[0] == pytest.approx(late_s, abs=0.006) and found[1] > 0.8


def test_what_never_rises_has_no_lag() -> None:
    assert envelope_lag(clicks(), clicks(1.0), RATE) is None
    assert envelope_lag(clicks(1.0)[:10], clicks(1.0), RATE) is None


def test_levels_tell_what_is_wrong() -> None:
    sound = clicks(1.0)
    assert silent_share(sound, RATE) > 0.8 and silent_share(sound * 0, RATE) == 1 and silent_share(sound[:0], RATE) == 1
    tone = np.sin(np.arange(RATE) * 0.05).astype(np.float32)
    assert silent_share(tone * 0.1, RATE) == 0
    assert clipped_share(tone * 0.9) == 0 and clipped_share(sound[:0]) == 0
    assert clipped_share(np.clip(tone * 4, -1, 1)) == pytest.approx(1 - 2 / np.pi * np.arcsin(0.25), abs=0.01)
    # Single samples at full scale are peaks.
    lone = np.zeros(100, np.float32)
    lone[::10] = 1
    assert clipped_share(lone) == 0
    assert dc_offset(tone * 0 + 0.25) == pytest.approx(0.25)
