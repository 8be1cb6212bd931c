"""Maps of local change: how much each place of a picture changes from frame to frame. Plain numpy, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from avlink.core.values import FrameSource
from avlink.metrics.peaks import beyond_usual

ROWS, COLS = 9, 16
"""Places of the map."""

_SOFT_LEVELS = 6.0
"""Changes of fewer grey levels of 255 are noise of the camera and of compression."""

_SMOOTH_S = 0.02
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_BLOCK_FRAMES = 64


@dataclass(frozen=True, kw_only=True)
class ChangeMap:
    """Changes between neighbouring frames: entry n is that from frame n to frame n + 1.

    `places` (frames - 1, rows, cols) is the mean change of a place in grey levels; `light` (frames - 1,) is the change
    of the brightness of the whole picture, above 0 where it becomes lighter.
    """

    places: NDArray[np.float32]
    light: NDArray[np.float32]

    @cached_property
    def usual(self) -> NDArray[np.float32]:
        """The usual change of each place (rows, cols): its median."""
        return np.median(self.places, axis=0) if len(self.places) else np.zeros((ROWS, COLS), np.float32)

    def novelty(self, rate: float) -> NDArray[np.float64]:
        """Return what changes beyond the usual of the second around (frames - 1,), in grey levels: mean over places.

        `rate` is that of the frames, per second.
        """
        mean = self.places.mean(axis=(1, 2), dtype=np.float64)
        if not len(mean):
            return mean
        return beyond_usual(gaussian_filter1d(mean, _SMOOTH_S * rate, mode="nearest"), rate)


def change_map(frames: FrameSource) -> ChangeMap:
    """Return the changes of pictures of any length, read in blocks of a few seconds."""
    places = [np.zeros((0, ROWS, COLS), np.float32)]
    light = [np.zeros(0, np.float32)]
    for start in range(0, max(0, frames.num_frames - 1), _BLOCK_FRAMES):
        # One frame more than a block, so that blocks join without a gap.
        grey = frames.read(start, start + _BLOCK_FRAMES + 1).astype(np.float32) @ _LUMA
        moved = np.diff(grey, axis=0)
        light.append(moved.mean(axis=(1, 2)))
        places.append(_pooled(np.maximum(np.abs(moved) - _SOFT_LEVELS, 0.0)))
    return ChangeMap(places=np.concatenate(places), light=np.concatenate(light))


def _pooled(moved: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means over places; pixels beyond a whole number of rows or columns belong to the nearest place."""
    row_edges = np.linspace(0, moved.shape[1], ROWS + 1).astype(int)[:-1]
    col_edges = np.linspace(0, moved.shape[2], COLS + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(moved, row_edges, axis=1), col_edges, axis=2)
    heights = np.diff(np.append(row_edges, moved.shape[1]))
    widths = np.diff(np.append(col_edges, moved.shape[2]))
    return (sums / (heights[:, None] * widths[None])).astype(np.float32)
