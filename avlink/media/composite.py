"""The picture of an edit, frame by frame: what lies where, over what, and how it comes and goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlink.core.clock import to_index
from avlink.core.errors import MediaError
from avlink.core.values import ImageSequence, PictureSpec
from avlink.media.frames import open_frames
from avlink.media.pictures import decode_pictures

_HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A stretch of the edit over which a picture comes (`rising`) or goes, evenly; before or after it there is none."""

    start_s: Fraction
    end_s: Fraction
    rising: bool

    def at(self, time_s: Fraction) -> float:
        """How much of the picture is there, 0 to 1."""
        length_s = self.end_s - self.start_s
        done = float((time_s - self.start_s) / length_s) if length_s else float(time_s >= self.start_s)
        return min(1.0, max(0.0, done if self.rising else 1.0 - done))


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What lies in [at_s, at_s + duration_s) of an edit: `path` from media time `start_s` on.

    `speed` is seconds of media per second that is seen: below 0 the stretch of media from `start_s` on is seen
    backwards, at 0 the picture at `start_s` stands still.
    """

    path: Path | ImageSequence
    at_s: Fraction
    duration_s: Fraction
    start_s: Fraction = Fraction(0)
    speed: Fraction = Fraction(1)
    ramps: tuple[Ramp, ...] = ()


OnLost = Callable[[Segment, MediaError], None]
"""Told of a segment whose media cannot be read to its end; it is black from there on."""


def composite_frames(
    segments: Sequence[Segment],
    *,
    duration_s: Fraction,
    rate: Fraction,
    width: int,
    height: int,
    on_lost: OnLost,
) -> Iterator[NDArray[np.uint8]]:
    """The frames of an edit, RGB uint8 (height, width, 3), black where there is nothing.

    Later segments lie over earlier ones. They begin and end at the frame nearest to their exact time. Pictures are
    held where the media is slower; a segment that outlasts its media shows its last picture. Memory stays constant.
    """
    readers = [_Reader(segment, rate, width, height, on_lost) for segment in segments]
    waiting = sorted(range(len(readers)), key=lambda number: readers[number].first, reverse=True)
    shown: list[int] = []
    for index in range(to_index(duration_s, rate)):
        while waiting and readers[waiting[-1]].first <= index:
            shown.append(waiting.pop())
        shown = sorted(number for number in shown if readers[number].last > index)
        picture: NDArray[np.uint8] | None = None
        for number in shown:
            picture = _over(readers[number].read(), readers[number].opacity(index), picture)
        yield np.zeros((height, width, 3), np.uint8) if picture is None else picture


def _over(picture: NDArray[np.uint8], opacity: float, under: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    if opacity >= 1:
        return picture
    mixed = picture.astype(np.float32) * opacity
    if under is not None:
        mixed += under.astype(np.float32) * (1 - opacity)
    return np.rint(mixed).astype(np.uint8)


class _Reader:
    """The pictures of one segment in order, opened when the first of them is wanted. Frames are [first, last)."""

    def __init__(self, segment: Segment, rate: Fraction, width: int, height: int, on_lost: OnLost) -> None:
        self._segment, self._rate, self._on_lost = segment, rate, on_lost
        self._size = (height, width)
        self.first, self.last = to_index(segment.at_s, rate), to_index(segment.at_s + segment.duration_s, rate)
        self._pictures: Iterator[NDArray[np.uint8]] | None = None

    def opacity(self, index: int) -> float:
        time_s = (index + _HALF) / self._rate
        seen = 1.0
        for ramp in self._segment.ramps:
            seen *= ramp.at(time_s)
        return seen

    def read(self) -> NDArray[np.uint8]:
        black = np.zeros((*self._size, 3), np.uint8)
        if self._pictures is None:
            self._pictures = self._retimed() if self._segment.speed != 1 else self._played()
        try:
            return next(self._pictures, black)
        except MediaError as error:
            self._pictures = iter(())
            self._on_lost(self._segment, error)
            return black

    def _retimed(self) -> Iterator[NDArray[np.uint8]]:
        segment, (height, width) = self._segment, self._size
        spec = PictureSpec(rate=self._rate, width=width, height=height)
        frames = open_frames(
            segment.path, start_s=segment.start_s, duration_s=segment.duration_s, spec=spec, speed=segment.speed
        )
        for index in range(self.last - self.first):
            # The edges are rounded by themselves, so there may be one frame more than the length alone gives.
            at = min(index, frames.num_frames - 1)
            yield frames.read(at, at + 1)[0]

    def _played(self) -> Iterator[NDArray[np.uint8]]:
        segment, (height, width) = self._segment, self._size
        stop_s = segment.start_s + segment.duration_s
        pictures = decode_pictures(segment.path, start_s=segment.start_s, stop_s=stop_s, width=width, height=height)
        seen, following = None, next(pictures, None)
        for index in range(self.first, self.last):
            # The picture seen in the middle of each output frame, so that rounded times do not matter.
            time_s = segment.start_s + max(Fraction(0), (index + _HALF) / self._rate - segment.at_s)
            while following is not None and (seen is None or seen.end_s <= time_s):
                seen, following = following, next(pictures, None)
            yield np.zeros((height, width, 3), np.uint8) if seen is None else seen.pixels
