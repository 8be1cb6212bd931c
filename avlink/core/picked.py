"""Pictures at another rate and of another size."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from avlink.core.clock import to_index
from avlink.core.values import FrameSource

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PickedFrames:
    """Pictures at another rate (a `FrameSource`): at each moment the one that is seen then, and no mixture.

    There are as many as fit to the nearest whole number, or `num_frames`; beyond the end the last one is seen.
    """

    def __init__(self, frames: FrameSource, rate: Fraction, num_frames: int | None = None) -> None:
        self.rate = rate
        self.num_frames = num_frames or max(1, to_index(frames.num_frames / frames.rate, rate))
        self.height, self.width = frames.height, frames.width
        self._frames = frames

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Frames [start, stop), indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_frames)
        if stop <= start:
            return np.zeros((0, self.height, self.width, 3), np.uint8)
        last = self._frames.num_frames - 1
        wanted = [min(last, int(index * self._frames.rate / self.rate)) for index in range(start, stop)]
        found = self._frames.read(wanted[0], wanted[-1] + 1)
        return found[np.array(wanted) - wanted[0]]


def size_within(width: int, height: int, side: int) -> tuple[int, int]:
    """The size in the same shape whose shorter side has `side` pixels; that of smaller pictures as it is."""
    scale = min(Fraction(1), Fraction(side, min(width, height)))
    return max(1, to_index(width * scale, 1)), max(1, to_index(height * scale, 1))
