"""Spans of video at a model's rate and size, in a temporary file: any length in constant memory.

Retimes are applied: faster, slower, backwards, or held.
"""

from __future__ import annotations

import tempfile
import weakref
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import IO

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from avlink.core.clock import to_index
from avlink.core.disk import temporary_file_error
from avlink.core.errors import MediaError, OutputError
from avlink.core.spool import close_quietly
from avlink.core.values import FrameSource, ImageSequence, PictureSpec
from avlink.media.pictures import decode_pictures
from avlink.media.probe import VideoInfo, check_visible
from avlink.media.scale import DecodedPicture, Scaler

_NORMAL = Fraction(1)
# A frozen frame is looked for a little after its time: clocks of 90 kHz or milliseconds may round its start up.
_INSTANT_S = Fraction(1, 1_000_000)
_AFTER_ITS_START_S = Fraction(1, 500)
# Timelines of 24 frames per second over faster media ask for up to two frames of their own that it does not have.
_HELD_FRAMES, _HELD_S = 2, Fraction(1, 10)


class SpooledFrames:
    """Frames in an unlinked temporary file (a `FrameSource`); the file is removed with this object.

    The file has frames in the order of media time. They are given last first if `backwards`; if `frozen`, the file has
    one frame, which is repeated.
    """

    def __init__(
        self,
        file: IO[bytes],
        *,
        rate: Fraction,
        num_frames: int,
        height: int,
        width: int,
        backwards: bool = False,
        frozen: bool = False,
    ) -> None:
        self.rate = rate
        self.num_frames = num_frames
        self.height = height
        self.width = width
        self._file = file
        self._backwards = backwards
        self._frozen = frozen
        self._lock = Lock()
        weakref.finalize(self, close_quietly, file)

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return frames [start, stop) as RGB uint8 of shape (frames, height, width, 3); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_frames)
        stop = max(start, stop)
        if self._frozen:
            return np.repeat(self._stored(0, 1), stop - start, axis=0)
        if self._backwards:
            return np.ascontiguousarray(self._stored(self.num_frames - stop, self.num_frames - start)[::-1])
        return self._stored(start, stop)

    def _stored(self, start: int, stop: int) -> NDArray[np.uint8]:
        frame_bytes = self.height * self.width * 3
        with self._lock:
            self._file.seek(start * frame_bytes)
            data = self._file.read((stop - start) * frame_bytes)
        return np.frombuffer(bytearray(data), np.uint8).reshape(-1, self.height, self.width, 3)


def open_frames(
    path: Path | ImageSequence,
    *,
    start_s: Fraction,
    duration_s: Fraction,
    spec: PictureSpec,
    speed: Fraction = _NORMAL,
    matte: bool = False,
) -> FrameSource:
    """Return `duration_s` seconds of a video or an image sequence as played at `speed`, in the format `spec`.

    Media time 0 is the first picture. `speed` is media time per output time: the span is
    [start_s, start_s + duration_s * abs(speed)) of media time, played backwards from its end below 0. At 0 the picture
    at `start_s` is held. There are round(duration_s * rate) frames, at least one. Each is the average of the media over
    its interval: motion blur where the source has a higher rate, held pictures where it has a lower one. With `matte`
    the alpha channels of these frames are returned as grey levels.

    Raises MediaError if the span ends later than two frames or 0.1 s after the picture, or the file cannot be decoded;
    OutputError if there is no space for the temporary file.
    """
    path = path if isinstance(path, ImageSequence) else Path(path)
    if start_s < 0 or duration_s <= 0:
        raise MediaError(
            f"the stretch of '{path}' from {float(start_s):.3f} s, {float(duration_s):.3f} s long, cannot be read: "
            "it must start at 0 or later and be longer than 0"
        )
    num_frames = max(1, to_index(duration_s, spec.rate))
    frozen = speed == 0
    # Media time per output frame. A frozen picture is stored once, as an instant.
    step_s = _INSTANT_S if frozen else abs(speed) / spec.rate
    stored = 1 if frozen else num_frames
    used_s = duration_s * abs(speed)
    # Backwards, the grid of output frames is aligned to the end of the span, where playing begins.
    first_s = start_s if speed > 0 else start_s + used_s - num_frames * step_s
    if frozen:
        first_s = start_s + _AFTER_ITS_START_S
    file = tempfile.TemporaryFile(prefix="avlink-frames-")  # noqa: SIM115 (closed with the frames that read it)
    spool = _BoxAverage(file, start_s=first_s, num_frames=stored, step_s=step_s)
    frames = SpooledFrames(
        file,
        rate=spec.rate,
        num_frames=num_frames,
        height=spec.height,
        width=spec.width,
        backwards=speed < 0,
        frozen=frozen,
    )
    begin_s = max(first_s, Fraction(0))
    last: DecodedPicture | None = None
    try:
        for last in decode_pictures(
            path, start_s=begin_s, stop_s=spool.end_s, width=spec.width, height=spec.height, matte=matte
        ):
            spool.add(last.pixels, begin_s=last.begin_s, end_s=last.end_s)
            if spool.done:
                break
        else:
            _hold_last(path, spool, last, stop_s=start_s + used_s, pace=max(_NORMAL, abs(speed)))
        file.flush()
    except OSError as error:
        raise _no_room(error) from error
    return frames


def longest_hold(rate: Fraction) -> Fraction:
    """Return the longest time for which a last picture at `rate` pictures per second is held, in seconds."""
    return max(_HELD_FRAMES / rate, _HELD_S)


def fit_frames(frames: FrameSource, *, spec: PictureSpec) -> FrameSource:
    """Return pictures in the format `spec`, converted as `open_frames` converts a whole file.

    Raises MediaError if there are none or they are too small to show anything; OutputError if there is no space for
    the temporary file.
    """
    if not frames.num_frames:
        raise MediaError("there are no pictures to make a sound for")
    info = VideoInfo(
        rate=frames.rate,
        width=frames.width,
        height=frames.height,
        rotation=0,
        start_s=Fraction(0),
        timecode=None,
        codec="rawvideo",
    )
    check_visible(Path("the frames"), info)
    scaler = Scaler(info, width=spec.width, height=spec.height)
    num_frames = max(1, to_index(frames.num_frames / frames.rate, spec.rate))
    file = tempfile.TemporaryFile(prefix="avlink-frames-")  # noqa: SIM115 (closed with the frames that read it)
    spool = _BoxAverage(file, start_s=Fraction(0), num_frames=num_frames, step_s=1 / spec.rate)
    pixels = None
    try:
        for index in range(frames.num_frames):
            picture = np.ascontiguousarray(frames.read(index, index + 1)[0])
            pixels = scaler.scale(VideoFrame.from_ndarray(picture, format="rgb24"))
            spool.add(pixels, begin_s=index / frames.rate, end_s=(index + 1) / frames.rate)
        if not spool.done and pixels is not None:
            spool.add(pixels, begin_s=frames.num_frames / frames.rate, end_s=spool.end_s)
        file.flush()
    except OSError as error:
        raise _no_room(error) from error
    return SpooledFrames(file, rate=spec.rate, num_frames=num_frames, height=spec.height, width=spec.width)


def _no_room(error: OSError) -> OutputError:
    return temporary_file_error(error, "pictures")


def _hold_last(
    path: Path | ImageSequence,
    spool: _BoxAverage,
    last: DecodedPicture | None,
    *,
    stop_s: Fraction,
    pace: Fraction,
) -> None:
    """Hold the last picture over a span that ends little after it; timelines are often off by a frame or two.

    At double speed (`pace` 2), one frame of the timeline is two of the media.
    """
    if last is None or last.end_s + longest_hold(1 / (last.end_s - last.begin_s)) * pace < stop_s:
        end = "at once" if last is None else f"at {float(last.end_s):.3f} s"
        raise MediaError(
            f"'{path}' has no picture up to {float(stop_s):.3f} s: it ends {end}; trim the clip or relink it"
        )
    spool.add(last.pixels, begin_s=last.end_s, end_s=spool.end_s)


class _BoxAverage:
    """Writes the average picture of each output interval to a file, from contiguous pictures."""

    def __init__(self, file: IO[bytes], *, start_s: Fraction, num_frames: int, step_s: Fraction) -> None:
        self._file = file
        self._start_s = start_s
        self._num_frames = num_frames
        self._step_s = step_s
        self._written = 0
        self._filled = Fraction(0)
        self._sum: NDArray[np.float32] | None = None

    @property
    def end_s(self) -> Fraction:
        return self._start_s + self._num_frames * self._step_s

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
