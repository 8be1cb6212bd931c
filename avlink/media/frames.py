"""A stretch of a video at a model's rate and size, in a temporary file: any length in constant memory."""

from __future__ import annotations

import tempfile
import weakref
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import IO

import numpy as np
from numpy.typing import NDArray

from avlink.core.clock import to_index
from avlink.core.errors import MediaError, OutputError
from avlink.core.values import FrameSource, PictureSpec
from avlink.media.pictures import Picture, decode_pictures


class SpooledFrames:
    """Frames in an unlinked temporary file (a `FrameSource`); the file goes when this object does."""

    def __init__(self, file: IO[bytes], *, rate: Fraction, num_frames: int, height: int, width: int) -> None:
        self.rate = rate
        self.num_frames = num_frames
        self.height = height
        self.width = width
        self._file = file
        self._lock = Lock()
        weakref.finalize(self, file.close)

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Frames [start, stop) as RGB uint8 of shape (frames, height, width, 3); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_frames)
        frame_bytes = self.height * self.width * 3
        with self._lock:
            self._file.seek(start * frame_bytes)
            data = self._file.read(max(0, stop - start) * frame_bytes)
        return np.frombuffer(bytearray(data), np.uint8).reshape(-1, self.height, self.width, 3)


def open_frames(path: Path, *, start_s: Fraction, duration_s: Fraction, spec: PictureSpec) -> FrameSource:
    """Decode [start_s, start_s + duration_s) of a video's media time to the rate and size of `spec`.

    Media time 0 is the first picture. Gives round(duration_s * rate) frames, at least one. Each is the average of what
    is seen during its own interval: motion blur where the source is faster, held pictures where it is slower.

    Raises MediaError if the stretch lies outside the picture by more than one frame, or the file cannot be decoded;
    OutputError if there is no space for the temporary file.
    """
    path = Path(path)
    if start_s < 0 or duration_s <= 0:
        raise MediaError(
            f"the stretch of '{path}' from {float(start_s):.3f} s, {float(duration_s):.3f} s long, cannot be read: "
            "it must start at 0 or later and be longer than 0"
        )
    num_frames = max(1, to_index(duration_s, spec.rate))
    file = tempfile.TemporaryFile(prefix="avlink-frames-")  # noqa: SIM115 (closed with the frames that read it)
    spool = _BoxAverage(file, start_s=start_s, num_frames=num_frames, rate=spec.rate)
    stop_s = start_s + Fraction(num_frames) / spec.rate
    last: Picture | None = None
    frames = SpooledFrames(file, rate=spec.rate, num_frames=num_frames, height=spec.height, width=spec.width)
    try:
        for last in decode_pictures(path, start_s=start_s, stop_s=stop_s, width=spec.width, height=spec.height):
            spool.add(last.pixels, begin_s=last.begin_s, end_s=last.end_s)
            if spool.done:
                break
        else:
            _hold_last(path, spool, last, start_s=start_s, duration_s=duration_s, spec=spec)
        file.flush()
    except OSError as error:
        raise OutputError(
            f"no temporary file of pictures can be written in '{tempfile.gettempdir()}' ({error.strerror}); "
            "free some space or set TMPDIR"
        ) from error
    return frames


def _hold_last(
    path: Path, spool: _BoxAverage, last: Picture | None, *, start_s: Fraction, duration_s: Fraction, spec: PictureSpec
) -> None:
    """Hold the last picture over a stretch that ends up to one frame after it; timelines are often off by one."""
    stop_s = start_s + duration_s
    if last is None or last.end_s + (last.end_s - last.begin_s) < stop_s:
        end = "at once" if last is None else f"at {float(last.end_s):.3f} s"
        raise MediaError(
            f"'{path}' has no picture up to {float(stop_s):.3f} s: it ends {end}; trim the clip or relink it"
        )
    spool.add(last.pixels, begin_s=last.end_s, end_s=stop_s + 1 / spec.rate)


class _BoxAverage:
    """Writes the average picture of each output interval to a file, from pictures that follow without holes."""

    def __init__(self, file: IO[bytes], *, start_s: Fraction, num_frames: int, rate: Fraction) -> None:
        self._file = file
        self._start_s = start_s
        self._num_frames = num_frames
        self._step_s = 1 / rate
        self._written = 0
        self._filled = Fraction(0)
        self._sum: NDArray[np.float32] | None = None

    @property
    def done(self) -> bool:
        return self._written == self._num_frames

    def add(self, pixels: NDArray[np.uint8], *, begin_s: Fraction, end_s: Fraction) -> None:
        if self._written == 0 and not self._filled:
            begin_s = min(begin_s, self._start_s)
        while not self.done:
            left_s = self._start_s + self._written * self._step_s
            right_s = left_s + self._step_s
            seen = (min(end_s, right_s) - max(begin_s, left_s)) / self._step_s
            if seen >= 1:
                self._write(pixels)
            elif seen > 0:
                part = pixels.astype(np.float32) * float(seen)
                self._sum = part if self._sum is None else self._sum + part
                self._filled += seen
            if end_s < right_s:
                return
            if self._sum is not None:
                assert self._filled == 1, "pictures follow each other without holes"
                self._write(np.rint(self._sum).astype(np.uint8))

    def _write(self, pixels: NDArray[np.uint8]) -> None:
        self._file.write(pixels.tobytes())
        self._written += 1
        self._sum = None
        self._filled = Fraction(0)
