"""Pictures of one rate shown at another: held, not blended, each frame what is seen in its middle."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
from numpy.typing import NDArray

from avlink.core.values import FrameSource


class HeldFrames:
    """A `FrameSource` of exactly `num_frames` frames at `rate`, which shows another one from `first_s` on.

    Frame n shows what the other has at `first_s + (n + 1/2) / rate` seconds, so that rounded edges do not matter:
    a picture that lasts a whole number of frames is shown that long, wherever it begins within one. Before its start
    and after its end its first and last picture stand still.
    """

    def __init__(
        self, frames: FrameSource, *, rate: Fraction, num_frames: int, first_s: Fraction = Fraction(0)
    ) -> None:
        self._frames, self._first_s = frames, first_s
        self.rate, self.num_frames = rate, num_frames
        self.height, self.width = frames.height, frames.width

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Frames [start, stop) as RGB uint8 of shape (frames, height, width, 3); indices as in a slice."""
        shown = [self._shown(index) for index in range(*slice(start, stop).indices(self.num_frames))]
        if not shown:
            return np.zeros((0, self.height, self.width, 3), np.uint8)
        pixels = self._frames.read(shown[0], shown[-1] + 1)
        return pixels[np.array(shown) - shown[0]]

    def _shown(self, index: int) -> int:
        seen = floor((self._first_s + (index + Fraction(1, 2)) / self.rate) * self._frames.rate)
        return min(max(seen, 0), self._frames.num_frames - 1)
