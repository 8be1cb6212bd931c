"""Alignment in time: AV-Align between sound and picture, and the lag between two sounds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avlink.metrics.levels import level_db
from avlink.metrics.music_onsets import SAMPLE_RATE, music_onsets

ENVELOPE_HZ = 200.0
MAX_LAG_S = 0.5
MIN_PEAK = 0.1
"""In grey levels of 255; AV-Align uses 0.1 pixels of optical flow."""


def peak_overlap(sound_s: ArrayLike, picture_s: ArrayLike, window_s: float) -> float | None:
    """Intersection over union of peaks in sound and picture, 0 to 1 (AV-Align, Yariv et al. 2023).

    For each peak of the sound in order of time, the first unmatched peak of the picture less than `window_s` away
    counts as shared: shared / (sound + picture - shared). None where there are no peaks at all, for which the paper's
    script ends with an error.
    """
    heard, seen = (np.sort(np.asarray(times, dtype=np.float64).reshape(-1)) for times in (sound_s, picture_s))
    if not len(heard) and not len(seen):
        return None
    # Greedy and in order, as in the paper's script: not the best matching, but the published one.
    free = list(seen)
    shared = 0
    for time_s in heard:
        index = next((i for i, other in enumerate(free) if abs(other - time_s) < window_s), None)
        if index is not None:
            del free[index]
            shared += 1
    return shared / (len(heard) + len(seen) - shared)


def av_align(sound: NDArray[np.floating], change: NDArray[np.float64], rate: Fraction | float) -> float | None:
    """AV-Align of a mono sound at 22050 Hz and the `change` from each frame to the next at `rate` frames a second.

    Follows the paper's script, except that motion is the mean difference of frames instead of Farnebäck's optical
    flow: values are not comparable with published ones. Peaks of the sound are librosa's onsets with its defaults,
    peaks of the picture are all local maxima of at least 0.1, and the window is one frame.
    """
    inner = change[1:-1]
    # Strictly above both neighbours: a plateau has no peak.
    peaks = np.flatnonzero((inner > change[:-2]) & (inner > change[2:]) & (inner >= MIN_PEAK)) + 1
    # A change lies between two frames; the paper's script assigns it to the later one.
    return peak_overlap(music_onsets(sound) / SAMPLE_RATE, (peaks + 1) / float(rate), 1.0 / float(rate))


def envelope_lag(
    reference: NDArray[np.floating], estimate: NDArray[np.floating], sample_rate: int
) -> tuple[float, float] | None:
    """Return the lag of `estimate` behind `reference` in seconds, and Pearson's r of their attacks at that lag.

    Attacks are the rises of the level, 200 times a second. The lag is the best one within half a second; outside of
    the sounds is silence. None where one of them never rises.
    """
    # A longer sound has attacks that no lag could match.
    length = min(len(reference), len(estimate))
    rises = []
    for sound in (reference, estimate):
        # Decibels: a quiet attack counts as much as a loud one.
        level = level_db(np.asarray(sound[:length], dtype=np.float32), sample_rate, ENVELOPE_HZ)
        # Decays last longer than attacks, and would make every lag look alike.
        rise = np.maximum(np.diff(level), 0.0)
        if not rise.size or not rise.any():
            return None
        rises.append(rise)
    a, b = rises
    most = min(round(MAX_LAG_S * ENVELOPE_HZ), len(a) - 1)
    # argmax takes the first of equals: shortest lags first.
    lags = sorted(range(-most, most + 1), key=abs)
    scores = [_correlation(a, b, lag) for lag in lags]
    best = int(np.argmax(scores))
    return lags[best] / ENVELOPE_HZ, scores[best]


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64], lag: int) -> float:
    left = a[max(0, -lag) : len(a) - max(0, lag)]
    right = b[max(0, lag) : len(b) - max(0, -lag)]
    # Normalised by the whole of both, as few frames overlap at long lags and may correlate by chance.
    centred = (left - a.mean()) @ (right - b.mean())
    scale = float(np.linalg.norm(a - a.mean()) * np.linalg.norm(b - b.mean()))
    return float(centred) / scale if scale > 0 else 0.0
