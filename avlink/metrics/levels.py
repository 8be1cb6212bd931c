"""Levels of a sound over time, and faults that need no reference: silence, clipping, a direct-current offset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLOOR_DB = 60.0
"""Levels are compared down to this far below full scale."""

ENVELOPE_HZ = 25.0
FULL_SCALE = 0.999
CLIPPED_SAMPLES = 3
"""A run of so many samples at full scale is clipped; a shorter one may be a peak."""


def level_db(sound: NDArray[np.float32], sample_rate: int, rate_hz: float = ENVELOPE_HZ) -> NDArray[np.float64]:
    """Return levels in decibels of full scale, at least -60, `rate_hz` times a second over twice that span."""
    # Differences of a running sum give the energy of any window at once; float32 would lose quiet ends of long sounds.
    energy = np.concatenate([[0.0], np.cumsum(np.asarray(sound, dtype=np.float64) ** 2)])
    # Windows overlap by half: an attack at the end of one is in the middle of the next.
    centres_s = (np.arange(int(len(sound) / sample_rate * rate_hz)) + 0.5) / rate_hz
    first = np.clip(np.round((centres_s - 1 / rate_hz) * sample_rate).astype(np.int64), 0, len(sound))
    last = np.clip(np.round((centres_s + 1 / rate_hz) * sample_rate).astype(np.int64), 0, len(sound))
    # Windows at the ends are shorter, so each is divided by its own length.
    power = (energy[last] - energy[first]) / np.maximum(last - first, 1)
    return np.asarray(np.maximum(10.0 * np.log10(power + 1e-12), -FLOOR_DB))


def silent_share(sound: NDArray[np.floating], sample_rate: int) -> float:
    """Return the share of a mono sound, 0 to 1, below -60 dB of full scale, sampled 25 times a second."""
    level = level_db(np.asarray(sound, dtype=np.float32), sample_rate)
    return float((level <= -FLOOR_DB).mean()) if len(level) else 1.0


def clipped_share(sound: NDArray[np.floating]) -> float:
    """Return the share of the samples, 0 to 1, in runs of three or more at or above 0.999 of full scale."""
    # False at both ends closes runs that touch the ends of the sound.
    loud = np.concatenate([[False], np.abs(sound) >= FULL_SCALE, [False]])
    edges = np.flatnonzero(loud[1:] != loud[:-1])
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= CLIPPED_SAMPLES].sum() / len(sound)) if len(sound) else 0.0


def dc_offset(sound: NDArray[np.floating]) -> float:
    """Return the mean of the samples, which should be 0."""
    return float(np.mean(sound, dtype=np.float64)) if len(sound) else 0.0
