"""Visual events without a learned model: the peaks of frame difference.

They are the baseline that a model has to beat, and they score pictures that are generated from sound.
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
"""As a share of the largest change. The best of 15 pairs of gap and prominence on training clips of the foundry."""

MIN_CHANGE = 0.05
"""In grey levels of 255, averaged over the picture; a smaller largest change means a still picture."""


def frame_difference(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean absolute change between frames, in grey levels: (frames - 1,) from (frames, h, w, 3)."""
    if frames.ndim != 4:
        raise ValueError(f"frames are (frames, height, width, 3), not of shape {frames.shape}")
    if len(frames) < 2:
        return np.zeros(0)
    # One frame at a time: the differences of long clips at full size would not fit in memory.
    changes = [np.abs(after.astype(np.int16) - before).mean() for before, after in pairwise(frames)]
    return np.array(changes, dtype=np.float64)


def frame_difference_events(frames: NDArray[np.uint8], rate: Fraction | float) -> NDArray[np.float64]:
    """Return the times in seconds at which the picture changes most, from RGB frames (frames, h, w, 3) at `rate`.

    A change between two frames is assigned to their border. Peaks stand out from the median change of the second
    around them; a still picture has none.
    """
    return change_events(frame_difference(frames), rate)


def change_events(change: NDArray[np.float64], rate: Fraction | float) -> NDArray[np.float64]:
    """Return the events of changes that `frame_difference` gave; see `frame_difference_events`."""
    if not len(change) or change.max() < MIN_CHANGE:
        return np.zeros(0)
    # An odd size of about a second; steady motion is no event.
    usual = median_filter(change, size=round(float(rate)) | 1, mode="nearest")
    excess = np.maximum(change - usual, 0.0)
    # find_peaks never returns the first or last value; zeros around them let those be peaks.
    padded = np.concatenate([[0.0], excess, [0.0]])
    # find_peaks takes no distance below one frame.
    distance = max(1.0, MIN_GAP_S * float(rate))
    # Index k of `padded` is the change into frame k, which begins k / rate seconds in.
    peaks, _ = find_peaks(padded, prominence=MIN_PROMINENCE * change.max(), distance=distance)
    return np.asarray(peaks / float(rate), dtype=np.float64)
