"""Maps of local change: how much each place of a picture changes from frame to frame. Plain numpy, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from avlink import FrameSource

ROWS, COLS = 9, 16
"""Places of the map."""

_SOFT_LEVELS = 6.0
"""Changes of fewer grey levels of 255 are noise of the camera and of compression."""

_LOOK_S = 0.04
_STRONGEST = 8
_FLASH_LEVELS = 12.0
"""A picture that becomes so much lighter as a whole is lit by a flash."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The view of an event: its place in the picture, the motion there, and a flash that lights up all of it.

    `place` is (x, y), each 0 to 1 from the upper left corner, None where nothing moves; `motion` is in grey levels.
    """

    place: tuple[float, float] | None
    motion: float
    flash: bool


def look(changes: ChangeMap, time_s: float, rate: float) -> Sight:
    """Return the view of some 80 ms around a moment; `rate` is that of the frames, per second."""
    at = time_s * rate - 0.5
    reach = max(1.0, _LOOK_S * rate)
    first, last = max(0, round(at - reach)), round(at + reach) + 1
    near, light = changes.places[first:last], changes.light[first:last]
    if not len(near):
        return Sight(place=None, motion=0.0, flash=False)
    usual = changes.usual
    more = np.maximum(near.mean(axis=0) - usual, 0.0)
    flash = float(light.max()) >= _FLASH_LEVELS and float(np.median(near.max(axis=0) - usual)) >= _FLASH_LEVELS / 2
    return Sight(place=_centre(more), motion=float(np.sort(more, axis=None)[-_STRONGEST:].mean()), flash=flash)


def _centre(weight: NDArray[np.float32]) -> tuple[float, float] | None:
    # The strongest places alone: a mean over all that moves would lie between two things.
    weight = np.maximum(weight - 0.5 * weight.max(), 0.0)
    total = float(weight.sum())
    if total <= 0:
        return None
    x = float((weight.sum(axis=0) * (np.arange(COLS) + 0.5)).sum()) / total / COLS
    y = float((weight.sum(axis=1) * (np.arange(ROWS) + 0.5)).sum()) / total / ROWS
    return round(x, 3), round(y, 3)


def _pooled(moved: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means over places; pixels beyond a whole number of rows or columns belong to the nearest place."""
    row_edges = np.linspace(0, moved.shape[1], ROWS + 1).astype(int)[:-1]
    col_edges = np.linspace(0, moved.shape[2], COLS + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(moved, row_edges, axis=1), col_edges, axis=2)
    heights = np.diff(np.append(row_edges, moved.shape[1]))
    widths = np.diff(np.append(col_edges, moved.shape[2]))
    return (sums / (heights[:, None] * widths[None])).astype(np.float32)
