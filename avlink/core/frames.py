"""Frame sources of any length in constant memory: spooled to a temporary file, or read at another frame rate."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import floor
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from avlink.core.clock import to_index
from avlink.core.spool import SpoolFile
from avlink.core.values import FrameSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IN_MEMORY_BYTES = 1 << 24
AT_START, AT_MIDDLE = Fraction(0), Fraction(1, 2)
"""The moment of an output frame at which `ResampledFrames` samples its source, as a share of the frame."""


class SpooledPictures:
    """A `FrameSource` in a temporary file, or in memory while it is short. The file goes when this object does."""

    def __init__(self, blocks: Iterable[NDArray[np.uint8]], *, rate: Fraction, height: int, width: int) -> None:
        """Take RGB uint8 `blocks` of shape (frames, height, width, 3), one after the other.

        Raises OutputError if the temporary file cannot be written.
        """
        self.rate, self.height, self.width, self.num_frames = rate, height, width, 0
        self._file, self._lock = SpoolFile("pictures", in_memory_bytes=_IN_MEMORY_BYTES), Lock()
        for block in blocks:
            self._file.write(self.num_frames * height * width * 3, np.ascontiguousarray(block, np.uint8).tobytes())
            self.num_frames += block.shape[0]

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return frames [start, stop) as RGB uint8 of shape (frames, height, width, 3); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_frames)
        size = self.height * self.width * 3
        with self._lock:
            data = self._file.read(start * size, max(0, stop - start) * size)
        return np.frombuffer(data, np.uint8).reshape(-1, self.height, self.width, 3)


class ResampledFrames:
    """A `FrameSource` at another frame rate by sample and hold: frames are repeated or dropped, never blended.

    Output frame n shows the frame that the source shows at `first_s + (n + sample_at) / rate` seconds. Sampling in the
    middle of output frames does not depend on how edges were rounded: a picture that lasts a whole number of output
    frames is shown that long, wherever it begins within one. Before the start and after the end of the source its
    first and last frame are held.
    """

    def __init__(
        self,
        frames: FrameSource,
        *,
        rate: Fraction,
        num_frames: int | None = None,
        first_s: Fraction = Fraction(0),
        sample_at: Fraction = AT_START,
    ) -> None:
        """Without `num_frames`, the output lasts as long as the source, to the nearest frame, and at least one."""
        self._frames, self._first_s, self._sample_at = frames, first_s, sample_at
        self.rate = rate
        self.num_frames = num_frames or max(1, to_index(frames.num_frames / frames.rate, rate))
        self.height, self.width = frames.height, frames.width

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return frames [start, stop) as RGB uint8 of shape (frames, height, width, 3); indices as in a slice."""
        shown = [self._source_index(index) for index in range(*slice(start, stop).indices(self.num_frames))]
        if not shown:
            return np.zeros((0, self.height, self.width, 3), np.uint8)
        pixels = self._frames.read(shown[0], shown[-1] + 1)
        return pixels[np.array(shown) - shown[0]]

    def _source_index(self, index: int) -> int:
        seen = floor((self._first_s + (index + self._sample_at) / self.rate) * self._frames.rate)
        return min(max(seen, 0), self._frames.num_frames - 1)


def fit_shorter_side(width: int, height: int, side: int) -> tuple[int, int]:
    """Return the size of the same shape whose shorter side has `side` pixels; a smaller size comes back unchanged."""
    scale = min(Fraction(1), Fraction(side, min(width, height)))
    return max(1, to_index(width * scale, 1)), max(1, to_index(height * scale, 1))
