"""When something happens in a picture, with nothing learned: the peaks of frame difference.

The baseline that a model has to beat, and the eyes that score pictures made from sound.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.signal import find_peaks

MIN_GAP_S = 0.2
MIN_PROMINENCE = 0.05
"""As a share of the largest change. Of 15 pairs this and the gap do best on training clips of the foundry."""

MIN_CHANGE = 0.05
"""In grey levels of 255, averaged over the picture: less is a still picture."""


def frame_difference(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute change from each frame to the next, in grey levels: (frames - 1,) from (frames, h, w, 3)."""
    if frames.ndim != 4:
        raise ValueError(f"frames are (frames, height, width, 3), not of shape {frames.shape}")
    if len(frames) < 2:
        return np.zeros(0)
    # A frame at a time: long clips at full size would not fit in memory as differences.
    changes = [np.abs(after.astype(np.int16) - before).mean() for before, after in pairwise(frames)]
    return np.array(changes, dtype=np.float64)


def frame_difference_events(frames: NDArray[np.uint8], rate: Fraction | float) -> NDArray[np.float64]:
    """Times in seconds at which the picture changes most, from RGB frames (frames, h, w, 3) at `rate` per second.

    A change between two frames is dated at their border. Peaks stand out from the usual change of the second around
    them; a still picture has none.
    """
    return events_of_change(frame_difference(frames), rate)


def events_of_change(change: NDArray[np.float64], rate: Fraction | float) -> NDArray[np.float64]:
    """The same of the change from each frame to the next, as `frame_difference` gives it."""
    if not len(change) or change.max() < MIN_CHANGE:
        return np.zeros(0)
    usual = median_filter(change, size=round(float(rate)) | 1, mode="nearest")
    excess = np.maximum(change - usual, 0.0)
    # A flat edge, so that a change at the first or last pair can be a peak.
    padded = np.concatenate([[0.0], excess, [0.0]])
    distance = max(1.0, MIN_GAP_S * float(rate))
    peaks, _ = find_peaks(padded, prominence=MIN_PROMINENCE * change.max(), distance=distance)
    return np.asarray(peaks / float(rate), dtype=np.float64)
