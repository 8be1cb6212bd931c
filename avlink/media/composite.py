"""Compositing the picture of an edit frame by frame: layers of media segments with fades."""

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
    """A linear fade in (`rising`) or out over a span of an edit; opacity is 0 before a fade in and after a fade out."""

    start_s: Fraction
    end_s: Fraction
    rising: bool

    def at(self, time_s: Fraction) -> float:
        """Return the opacity at a time of the edit, 0 to 1."""
        length_s = self.end_s - self.start_s
        done = float((time_s - self.start_s) / length_s) if length_s else float(time_s >= self.start_s)
        return min(1.0, max(0.0, done if self.rising else 1.0 - done))


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment of media in [at_s, at_s + duration_s) of an edit: `path` from media time `start_s` on.

    `speed` is media time per time of the edit: below 0 the span from `start_s` on is played backwards, at 0 the picture
    at `start_s` is held. A `transparent` one has an alpha channel, through which what lies under it is seen.
    """

    path: Path | ImageSequence
    at_s: Fraction
    duration_s: Fraction
    start_s: Fraction = Fraction(0)
    speed: Fraction = Fraction(1)
    ramps: tuple[Ramp, ...] = ()
    transparent: bool = False


OnLost = Callable[[Segment, MediaError], None]
"""Callback for a segment whose media cannot be read to its end; it is black from there on."""


def composite_frames(
    segments: Sequence[Segment],
    *,
    duration_s: Fraction,
    rate: Fraction,
    width: int,
    height: int,
    on_lost: OnLost,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of an edit, RGB uint8 (height, width, 3), black where there is no segment, in constant memory.

    Later segments lie over earlier ones. Segments begin and end at the frame nearest to their exact time. Frames are
    held where the media has a lower rate; a segment that outlasts its media holds its last picture.
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
            reader = readers[number]
            picture = _over(reader.read(), reader.opacity(index), reader.matte(), picture)
        yield np.zeros((height, width, 3), np.uint8) if picture is None else picture


def _over(
    picture: NDArray[np.uint8], opacity: float, matte: NDArray[np.uint8] | None, under: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    if opacity >= 1 and matte is None:
        return picture
    share = np.float32(opacity) if matte is None else matte.astype(np.float32) * np.float32(opacity / 255)
    mixed = picture.astype(np.float32) * share
    if under is not None:
        mixed += under.astype(np.float32) * (1 - share)
    return np.rint(mixed).astype(np.uint8)


class _Reader:
    """The frames [first, last) of one segment in order. Media is opened when the first of them is read."""

    def __init__(self, segment: Segment, rate: Fraction, width: int, height: int, on_lost: OnLost) -> None:
        self._segment, self._rate, self._on_lost = segment, rate, on_lost
        self._size = (height, width)
        self.first, self.last = to_index(segment.at_s, rate), to_index(segment.at_s + segment.duration_s, rate)
        self._pictures: Iterator[NDArray[np.uint8]] | None = None
        self._mattes: Iterator[NDArray[np.uint8]] | None = None

    def opacity(self, index: int) -> float:
        time_s = (index + _HALF) / self._rate
        seen = 1.0
        for ramp in self._segment.ramps:
            seen *= ramp.at(time_s)
        return seen

    def read(self) -> NDArray[np.uint8]:
        if self._pictures is None:
            self._pictures = self._opened(matte=False)
        try:
            return next(self._pictures, self._blank(0))
        except MediaError as error:
            self._pictures = self._mattes = iter(())
            self._on_lost(self._segment, error)
            return self._blank(0)

    def matte(self) -> NDArray[np.uint8] | None:
        """Return the alpha channel of the picture that was read last, as grey levels; None for an opaque segment."""
        if not self._segment.transparent:
            return None
        if self._mattes is None:
            self._mattes = self._opened(matte=True)
        try:
            return next(self._mattes, self._blank(255))
        except MediaError:
            # The same fault that ends the pictures, which is told of them.
            self._mattes = iter(())
            return self._blank(255)

    def _blank(self, level: int) -> NDArray[np.uint8]:
        return np.full((*self._size, 3), level, np.uint8)

    def _opened(self, *, matte: bool) -> Iterator[NDArray[np.uint8]]:
        return self._retimed(matte=matte) if self._segment.speed != 1 else self._played(matte=matte)

    def _retimed(self, *, matte: bool) -> Iterator[NDArray[np.uint8]]:
        segment, (height, width) = self._segment, self._size
        spec = PictureSpec(rate=self._rate, width=width, height=height)
        frames = open_frames(
            segment.path,
            start_s=segment.start_s,
            duration_s=segment.duration_s,
            spec=spec,
            speed=segment.speed,
            matte=matte,
        )
        for index in range(self.last - self.first):
            # Both edges are rounded absolutely, so there may be one frame more than the rounded length.
            at = min(index, frames.num_frames - 1)
            yield frames.read(at, at + 1)[0]

    def _played(self, *, matte: bool) -> Iterator[NDArray[np.uint8]]:
        segment, (height, width) = self._segment, self._size
        stop_s = segment.start_s + segment.duration_s
        pictures = decode_pictures(
            segment.path, start_s=segment.start_s, stop_s=stop_s, width=width, height=height, matte=matte
        )
        seen, following = None, next(pictures, None)
        for index in range(self.first, self.last):
            # Sampled in the middle of output frames, where rounded timestamps cannot tip to the neighbour.
            time_s = segment.start_s + max(Fraction(0), (index + _HALF) / self._rate - segment.at_s)
            while following is not None and (seen is None or seen.end_s <= time_s):
                seen, following = following, next(pictures, None)
            yield self._blank(255 if matte else 0) if seen is None else seen.pixels
