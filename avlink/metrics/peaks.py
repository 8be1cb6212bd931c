"""Peaks of a curve, with times between its samples."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

USUAL_S = 1.0
"""The usual value of a curve is the median of so long a time around a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """A local maximum, at `at` samples from the first one; fractions lie between two."""

    at: float
    height: float


def find_peaks(curve: NDArray[np.float64], *, least: float, gap: float) -> list[Peak]:
    """Return the local maxima of at least `least`, in order of time, none nearer than `gap` samples to a higher one.

    Each is refined by the parabola through it and its neighbours. A plateau counts once, in its middle.
    """
    found = _local_maxima(curve)
    return [_refined(curve, index) for index in _apart(curve, found[curve[found] >= least], gap)]


def beyond_usual(curve: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Return a curve of `rate` values a second above its median over `USUAL_S` around each; 0 where it is below."""
    if not len(curve):
        return curve
    usual = median_filter(curve, size=int(USUAL_S * rate) | 1, mode="nearest")
    return np.asarray(np.maximum(curve - usual, 0.0))


def standing_out(curve: NDArray[np.float64], rate: float, *, times: float, least: float, gap_s: float) -> list[Peak]:
    """Return the peaks of a curve that stand out of what is usual around them, in order of time.

    They are at least `times` the curve's own spread and `least` above it, and `gap_s` apart. Their heights are those of
    the curve itself. A curve without spread has none.
    """
    beyond = beyond_usual(curve, rate)
    spread = float(beyond.std()) if len(beyond) else 0.0
    if spread <= 0:
        return []
    found = find_peaks(beyond, least=max(times * spread, least), gap=gap_s * rate)
    return [Peak(at=peak.at, height=float(curve[round(peak.at)])) for peak in found]


def _local_maxima(curve: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the places of all local maxima, of a plateau its middle; the first and the last sample can be one."""
    # Not scipy.signal, whose import takes longer than reading a short clip.
    if not len(curve):
        return np.zeros(0, np.intp)
    ends = np.flatnonzero(np.diff(curve))
    first, last = np.concatenate([[0], ends + 1]), np.concatenate([ends, [len(curve) - 1]])
    # Lower values around both ends.
    levels = np.concatenate([[-np.inf], curve[first], [-np.inf]])
    higher = (levels[1:-1] > levels[:-2]) & (levels[1:-1] > levels[2:])
    return (first[higher] + last[higher]) // 2


def _apart(curve: NDArray[np.float64], places: NDArray[np.intp], gap: float) -> list[int]:
    """Return those of `places`, in order, of which none is nearer than `gap` to a higher one that is kept."""
    kept: list[int] = []
    # From the highest down; of equal ones the later first.
    for place in places[np.argsort(curve[places], kind="stable")][::-1].tolist():
        at = bisect.bisect(kept, place)
        if all(abs(place - other) >= gap for other in kept[max(0, at - 1) : at + 1]):
            kept.insert(at, place)
    return kept


def _refined(curve: NDArray[np.float64], index: int) -> Peak:
    if not 0 < index < len(curve) - 1:
        return Peak(at=float(index), height=float(curve[index]))
    before, here, after = (float(curve[index + step]) for step in (-1, 0, 1))
    bend = before - 2 * here + after
    shift = 0.5 * (before - after) / bend if bend else 0.0
    return Peak(at=index + min(0.5, max(-0.5, shift)), height=here)
