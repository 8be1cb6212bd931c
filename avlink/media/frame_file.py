"""Frames on disk as numpy arrays (.npy), written and read a span at a time, never as a whole."""

from __future__ import annotations

import weakref
from fractions import Fraction
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from avlink.core.errors import MediaError
from avlink.core.values import FrameSource

_FRAMES_A_BLOCK = 64


def write_frames(path: Path, frames: FrameSource) -> None:
    """Write the pixels of `frames` as .npy, in constant memory. Raises OSError."""
    shape = (frames.num_frames, frames.height, frames.width, 3)
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, frames.num_frames, _FRAMES_A_BLOCK):
            block = frames.read(start, min(frames.num_frames, start + _FRAMES_A_BLOCK))
            file.write(np.ascontiguousarray(block, np.uint8).tobytes())


class FrameFile:
    """A `FrameSource` over such a file. It is held open, so that it stays readable when the cache is pruned."""

    def __init__(self, path: Path, *, rate: Fraction) -> None:
        """Open the file. Raises MediaError if it does not exist or holds no frames."""
        self.rate = rate
        try:
            self._file = path.open("rb")
            weakref.finalize(self, self._file.close)
            npy.read_magic(self._file)
            shape, in_columns, kind = npy.read_array_header_1_0(self._file)
        except (OSError, ValueError) as error:
            raise MediaError(f"'{path}' holds no frames that can be read: {error}") from error
        if in_columns or kind != np.uint8 or len(shape) != 4 or shape[3] != 3:
            raise MediaError(f"'{path}' holds no frames: {kind} of shape {shape}")
        self.num_frames, self.height, self.width, _ = (int(side) for side in shape)
        self._start = self._file.tell()
        self._lock = Lock()

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return frames [start, stop) as RGB uint8 of shape (frames, height, width, 3); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_frames)
        size = self.height * self.width * 3
        with self._lock:
            self._file.seek(self._start + start * size)
            data = self._file.read(max(0, stop - start) * size)
        return np.frombuffer(data, np.uint8).reshape(-1, self.height, self.width, 3)
