"""Pictures of any length in constant memory: kept in a temporary file, read a stretch at a time."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable
from fractions import Fraction
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from avlink.core.errors import OutputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IN_MEMORY_BYTES = 1 << 24


class SpooledPictures:
    """A `FrameSource` in a temporary file, or in memory while it is short. The file goes when this object does."""

    def __init__(self, blocks: Iterable[NDArray[np.uint8]], *, rate: Fraction, height: int, width: int) -> None:
        """Take RGB uint8 `blocks` of shape (frames, height, width, 3), one after the other.

        Raises OutputError if the temporary file cannot be written.
        """
        self.rate, self.height, self.width, self.num_frames = rate, height, width, 0
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, prefix="avlink-made-")  # noqa: SIM115
        self._lock = Lock()
        weakref.finalize(self, self._file.close)
        for block in blocks:
            try:
                self._file.write(np.ascontiguousarray(block, np.uint8).tobytes())
            except OSError as error:
                raise OutputError(
                    f"no temporary file of pictures can be written in '{tempfile.gettempdir()}' ({error.strerror}); "
                    "free some space or set TMPDIR"
                ) from error
            self.num_frames += block.shape[0]

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Frames [start, stop) as RGB uint8 of shape (frames, height, width, 3); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_frames)
        size = self.height * self.width * 3
        with self._lock:
            self._file.seek(start * size)
            data = self._file.read(max(0, stop - start) * size)
        return np.frombuffer(data, np.uint8).reshape(-1, self.height, self.width, 3)
