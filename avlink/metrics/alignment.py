"""Sound against picture, and sound against sound, in time: matched peaks, and the lag between two envelopes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avlink.metrics.music_onsets import SAMPLE_RATE, music_onsets
from avlink.metrics.spectral import level_db

ENVELOPE_HZ = 200.0
MAX_LAG_S = 0.5
MIN_PEAK = 0.1
"""In grey levels of 255, where AV-Align asks for 0.1 pixels of flow."""


def peak_overlap(sound_s: ArrayLike, picture_s: ArrayLike, window_s: float) -> float | None:
    """AV-Align's intersection over union of peaks in sound and picture (Yariv et al. 2023), 0 to 1.

    For each peak of the sound in time, the first peak of the picture less than `window_s` away that is still free
    counts as shared: shared / (sound + picture - shared). None where there are no peaks at all, for which the script
    of the paper ends with an error.
    """
    heard, seen = (np.sort(np.asarray(times, dtype=np.float64).reshape(-1)) for times in (sound_s, picture_s))
    if not len(heard) and not len(seen):
        return None
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

    As the paper's script, but that movement is the mean difference of the frames and not Farnebäck's flow, which no
    package here computes: the figure is its own and not to be put beside published ones. Peaks of the sound are
    librosa's onsets with its defaults, peaks of the picture all local maxima of at least 0.1, the window is a frame.
    """
    inner = change[1:-1]
    peaks = np.flatnonzero((inner > change[:-2]) & (inner > change[2:]) & (inner >= MIN_PEAK)) + 1
    # A change lies between two frames; the script dates it at the later one.
    return peak_overlap(music_onsets(sound) / SAMPLE_RATE, (peaks + 1) / float(rate), 1.0 / float(rate))


def envelope_lag(
    reference: NDArray[np.floating], estimate: NDArray[np.floating], sample_rate: int
) -> tuple[float, float] | None:
    """By how many seconds `estimate` comes after `reference` where their attacks agree best, and Pearson's r there.

    Attacks are the rises of the level 200 times a second; lags are sought within half a second. Before and after the
    sounds lies silence. None where one of them never rises.
    """
    length = min(len(reference), len(estimate))
    rises = []
    for sound in (reference, estimate):
        level = level_db(np.asarray(sound[:length], dtype=np.float32), sample_rate, ENVELOPE_HZ)
        rise = np.maximum(np.diff(level), 0.0)
        if not rise.size or not rise.any():
            return None
        rises.append(rise)
    a, b = rises
    most = min(round(MAX_LAG_S * ENVELOPE_HZ), len(a) - 1)
    # Of equals the shortest lag.
    lags = sorted(range(-most, most + 1), key=abs)
    scores = [_correlation(a, b, lag) for lag in lags]
    best = int(np.argmax(scores))
    return lags[best] / ENVELOPE_HZ, scores[best]


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64], lag: int) -> float:
    left = a[max(0, -lag) : len(a) - max(0, lag)]
    right = b[max(0, lag) : len(b) - max(0, -lag)]
    # Against the whole of both: a few frames that agree by chance at the longest lags are no agreement.
    centred = (left - a.mean()) @ (right - b.mean())
    scale = float(np.linalg.norm(a - a.mean()) * np.linalg.norm(b - b.mean()))
    return float(centred) / scale if scale > 0 else 0.0
