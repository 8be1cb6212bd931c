"""Peaks that stand out: by how much, of which surroundings, and what never does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from avlink.metrics.peaks import beyond_usual, find_peaks, standing_out

RATE = 60.0


def bumps(at: list[int], heights: list[float], bins: int = 600) -> np.ndarray:
    moments = np.arange(bins)
    return sum(
        height * np.exp(-0.5 * ((moments - place) / 2.0) ** 2) for place, height in zip(at, heights, strict=True)
    )


@given(st.floats(-5, 5), st.floats(0.1, 10))
def test_level_and_scale_of_a_curve_choose_no_other_peaks(level: float, scale: float) -> None:
    curve = bumps([100, 250, 400], [1.0, 0.8, 0.9])
    plain = standing_out(curve, RATE, times=1.0, least=0.0, gap_s=0.1)
    other = standing_out(level + scale * curve, RATE, times=1.0, least=0.0, gap_s=0.1)
    assert [peak.at for peak in plain] == pytest.approx([100, 250, 400], abs=0.1)
    assert [peak.at for peak in other] == pytest.approx([peak.at for peak in plain], abs=1e-3)


def test_a_slow_swell_is_usual_and_a_bump_on_it_is_not() -> None:
    swell = 5 * np.sin(np.linspace(0, 3, 600))
    beyond = beyond_usual(swell + bumps([300], [1.0]), RATE)
    assert beyond[300] > 0.9 and beyond[[100, 200, 400, 500]].max() < 0.05


def test_ripples_below_the_least_height_and_flat_curves_have_no_peaks() -> None:
    ripples = 1e-3 * np.random.default_rng(0).standard_normal(600)
    assert standing_out(ripples, RATE, times=1.0, least=0.05, gap_s=0.1) == []
    assert standing_out(np.full(600, 0.7), RATE, times=1.0, least=0.0, gap_s=0.1) == []
    assert standing_out(np.zeros(0), RATE, times=1.0, least=0.0, gap_s=0.1) == []


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.floats(0.5, 12), st.integers(-1, 5))
def test_peaks_are_those_of_scipy_and_the_ends_can_be_some(levels: list[int], gap: float, least: int) -> None:
    curve = np.array(levels, np.float64)
    padded = np.concatenate([[-np.inf], curve, [-np.inf]])
    # Without ties of height: which of equals stays is an order of sorting.
    padded += np.linspace(0, 0.1, len(padded)) if gap > 1 else 0.0
    found = find_peaks(padded[1:-1], least=least, gap=gap)
    wanted, heights = signal.find_peaks(padded, height=least, distance=max(1.0, gap))
    assert [peak.height for peak in found] == heights["peak_heights"].tolist()
    assert [peak.at for peak in found] == pytest.approx((wanted - 1).tolist(), abs=0.5)


def test_a_plateau_counts_once_in_its_middle() -> None:
    assert [peak.at for peak in find_peaks(np.array([0.0, 1, 1, 1, 0, 2, 2]), least=0.5, gap=1)] == [2, 5.5]
