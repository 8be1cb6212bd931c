"""The view of an event: its place in the picture, the motion there, and flashes that light up all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avlink import ChangeMap

_LOOK_S = 0.04
_STRONGEST = 8
_FLASH_LEVELS = 12.0
"""A picture that becomes so much lighter as a whole is lit by a flash."""


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
    rows, cols = weight.shape
    x = float((weight.sum(axis=0) * (np.arange(cols) + 0.5)).sum()) / total / cols
    y = float((weight.sum(axis=1) * (np.arange(rows) + 0.5)).sum()) / total / rows
    return round(x, 3), round(y, 3)
