"""The kind of a sound: one shot, several hits, a loop, or a bed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avlink.library.heard import Levels
from avlink.library.single_hits import smoothed_db
from avlink.library.values import SoundHit, SoundKind

_STEADY_DB = 14.0
"""Nine tenths of a continuous sound lie within this, in windows of 100 ms."""

_WINDOW_S = 0.1
_CONTINUOUS_S = 1.0
"""Shorter sounds are no texture, but an event."""

_LONGEST_LOOP_S = 10.0
"""A continuous sound that is longer is a bed, unless it says that it is a loop."""

_JOIN_DB = 6.0
"""A loop is as loud at its ends as in its middle, up to this."""

_LONE_DB = 12.0
"""A hit this far above all others is the only one; the others belong to its tail."""

_MOST_SHOT_S = 8.0


def kind_of(levels: Levels, hits: tuple[SoundHit, ...], *, says_loop: bool) -> SoundKind:
    """Return the kind of a sound by its level over time and its hits.

    `says_loop` tells that its name or its tags call it a loop, which decides where it goes on to its end.
    """
    size = max(1, round(_WINDOW_S / levels.step_s))
    windows = _window_db(levels.power, size)
    length_s = len(levels.power) * levels.step_s
    continuous = length_s >= _CONTINUOUS_S and _spread_db(windows) <= _STEADY_DB and not _decays(windows)
    joins = length_s >= _CONTINUOUS_S / 2 and _joins(levels.power, size)
    if says_loop and joins:
        return "loop"
    lone = _is_lone(hits)
    if continuous and not (len(hits) > 1 and _stand_out(levels.power, hits)):
        return "loop" if joins and length_s <= _LONGEST_LOOP_S else "bed"
    if lone and length_s <= _MOST_SHOT_S:
        return "one-shot"
    if len(hits) > 1:
        return "hits"
    return "one-shot" if hits or length_s <= _MOST_SHOT_S else "bed"


def _window_db(power: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    size = min(size, max(1, len(power)))
    whole = power[: len(power) // size * size].reshape(-1, size).mean(axis=1, dtype=np.float64)
    return np.asarray(10 * np.log10(whole + 1e-12))


def _spread_db(windows: NDArray[np.float64]) -> float:
    if not len(windows):
        return 0.0
    low, high = np.percentile(windows, (10, 95))
    return float(high - low)


def _decays(windows: NDArray[np.float64]) -> bool:
    """Return whether the sound only falls: the tail of a bell is steady, and no texture."""
    if len(windows) < 4:
        return False
    quarter = max(1, len(windows) // 4)
    means = [float(windows[at : at + quarter].mean()) for at in range(0, quarter * 4, quarter)]
    return means[0] - means[3] > _JOIN_DB and means[0] >= max(means)


def _joins(power: NDArray[np.float32], size: int) -> bool:
    """Return whether the sound goes on at both ends, so that its end can be followed by its start."""
    level = smoothed_db(power)
    size = min(len(level), size)
    middle = float(np.median(level)) if size else 0.0
    return bool(size) and all(abs(float(np.median(end)) - middle) <= _JOIN_DB for end in (level[:size], level[-size:]))


def _is_lone(hits: tuple[SoundHit, ...]) -> bool:
    """Return whether the sound has at most one hit that can be used alone."""
    if len(hits) < 2:
        return True
    peaks = sorted((hit.peak_db for hit in hits), reverse=True)
    return peaks[0] - peaks[1] >= _LONE_DB


def _stand_out(power: NDArray[np.float32], hits: tuple[SoundHit, ...]) -> bool:
    """Return whether hits rise out of the sound, as drops of rain do not."""
    usual = 10 * np.log10(float(np.median(power)) + 1e-12)
    return float(np.median([hit.peak_db for hit in hits])) - usual > 24.0
