"""What is wrong with a sound as such: silence, clipping, an offset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avlink.metrics.spectral import FLOOR_DB, level_db

FULL_SCALE = 0.999
CLIPPED_SAMPLES = 3
"""So many samples at full scale in a row are no peak, but a cut."""


def silent_share(sound: NDArray[np.floating], sample_rate: int) -> float:
    """Share of a mono sound, 0 to 1, that is quieter than -60 dB of full scale, looked at 25 times a second."""
    level = level_db(np.asarray(sound, dtype=np.float32), sample_rate)
    return float((level <= -FLOOR_DB).mean()) if len(level) else 1.0


def clipped_share(sound: NDArray[np.floating]) -> float:
    """Share of the samples, 0 to 1, in runs of three or more at 0.999 of full scale or beyond."""
    loud = np.concatenate([[False], np.abs(sound) >= FULL_SCALE, [False]])
    edges = np.flatnonzero(loud[1:] != loud[:-1])
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= CLIPPED_SAMPLES].sum() / len(sound)) if len(sound) else 0.0


def offset(sound: NDArray[np.floating]) -> float:
    """Mean of the samples: direct current, which should be 0."""
    return float(np.mean(sound, dtype=np.float64)) if len(sound) else 0.0
