"""Pictures at the size and rate of another generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avlink import FrameSource, PictureSpec, to_index


class AdaptedFrames:
    """A `FrameSource` at another size and rate: frames are held or dropped, and pixels are the nearest ones."""

    def __init__(self, frames: FrameSource, spec: PictureSpec) -> None:
        self._frames = frames
        self.rate, self.width, self.height = spec.rate, spec.width, spec.height
        self.num_frames = max(1, to_index(frames.num_frames / frames.rate, spec.rate))

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return frames [start, stop) as RGB uint8 of shape (frames, height, width, 3); indices as in a slice."""
        wanted = range(*slice(start, stop).indices(self.num_frames))
        shown = [min(int(index / self.rate * self._frames.rate), self._frames.num_frames - 1) for index in wanted]
        if not shown:
            return np.zeros((0, self.height, self.width, 3), np.uint8)
        pixels = self._frames.read(shown[0], shown[-1] + 1)[np.array(shown) - shown[0]]
        rows = _nearest(self.height, self._frames.height)
        return pixels[:, rows][:, :, _nearest(self.width, self._frames.width)]


def _nearest(count: int, there: int) -> NDArray[np.int64]:
    return np.asarray((np.arange(count) + 0.5) * there / count, np.int64)
