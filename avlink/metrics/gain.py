"""The gain of found times over chance: F1 against true times, less its mean over circular shifts of what was found.

F1 alone misleads: where many things sound, a metronome scores half. Shifted times are as many and as regular as those
that were found, and know nothing of the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHIFTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class OnsetGain:
    """F1 of one clip, and of the same times after `SHIFTS` circular shifts, which is chance. Both are 0 to 1."""

    f1: float
    chance: float

    @property
    def gain(self) -> float:
        """F1 less chance."""
        return self.f1 - self.chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean and the bounds within which it lies for 90 of 100 draws of the same number of clips."""

    mean: float
    low: float
    high: float


def onset_gain(true_s: Sequence[float], found_s: Sequence[float], *, length_s: float, window_s: float) -> OnsetGain:
    """Score times that were found in a clip of `length_s` against true ones, each matched at most once.

    Times outside of the clip do not count. Two empty lists score 1.
    """
    true, found = sorted(true_s), sorted(time_s for time_s in found_s if 0 <= time_s < length_s)
    shifted = (
        sorted((time_s + length_s * step / (SHIFTS + 1)) % length_s for time_s in found)
        for step in range(1, SHIFTS + 1)
    )
    chance = sum(matched_f1(true, moved, window_s) for moved in shifted) / SHIFTS
    return OnsetGain(f1=matched_f1(true, found, window_s), chance=chance)


def matched_f1(true_s: Sequence[float], found_s: Sequence[float], window_s: float) -> float:
    """Return F1 of the matching of `matched_count`; 1 for two empty lists."""
    if not true_s or not found_s:
        return float(len(true_s) == len(found_s))
    return 2 * matched_count(true_s, found_s, window_s) / (len(true_s) + len(found_s))


def matched_count(true_s: Sequence[float], found_s: Sequence[float], window_s: float) -> int:
    """Return the pairs in the largest one-to-one matching within +-`window_s` of times in ascending order.

    Going through both lists in order of time finds it: with one window for all, no pairing across others matches more.
    """
    here = there = matched = 0
    while here < len(true_s) and there < len(found_s):
        apart_s = true_s[here] - found_s[there]
        if abs(apart_s) <= window_s:
            matched += 1
        # A pair is used up; of two that do not match, the earlier one can match nothing that follows.
        here, there = here + (apart_s <= window_s), there + (apart_s >= -window_s)
    return matched


def bootstrap_mean(values: Sequence[float] | NDArray[np.float64], *, draws: int = 2000, seed: int = 0) -> Interval:
    """Return the mean of values, one a clip, and its 90 % interval over `draws` bootstrap samples of the clips.

    Raises ValueError without values.
    """
    rows = np.asarray(values, dtype=np.float64)
    if not len(rows):
        raise ValueError("no values have no mean")
    rng = np.random.default_rng(seed)
    means = rows[rng.integers(0, len(rows), (draws, len(rows)))].mean(axis=1)
    low, high = np.quantile(means, (0.05, 0.95))
    return Interval(mean=float(rows.mean()), low=float(low), high=float(high))
