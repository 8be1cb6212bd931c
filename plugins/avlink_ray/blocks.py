"""Pictures and sounds of any length, a block at a time on their way from one process to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlink import FrameSource, SoundSource, SpooledPictures, SpooledSound

BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Of pictures: `rate` in frames per second, `size` (height, width). Of sound: `rate` in hertz, `size` (channels,).

    `length` counts frames or samples, `step` those in one block.
    """

    rate: Fraction
    size: tuple[int, ...]
    length: int
    step: int

    @property
    def is_sound(self) -> bool:
        """Whether it is sound."""
        return len(self.size) == 1

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return -(-self.length // self.step)


def shape_of(source: FrameSource | SoundSource) -> Shape:
    """The shape of pictures or of sound, in blocks of some 16 MiB."""
    if isinstance(source, FrameSource):
        step = max(1, BLOCK_BYTES // (source.height * source.width * 3))
        return Shape(rate=source.rate, size=(source.height, source.width), length=source.num_frames, step=step)
    step = BLOCK_BYTES // (4 * source.channels)
    return Shape(rate=Fraction(source.sample_rate), size=(source.channels,), length=source.num_samples, step=step)


def blocks_of(source: FrameSource | SoundSource, shape: Shape) -> Iterator[NDArray[Any]]:
    """All blocks, in order."""
    for start in range(0, shape.length, shape.step):
        yield np.ascontiguousarray(source.read(start, min(start + shape.step, shape.length)))


def spool(blocks: Iterator[NDArray[Any]], shape: Shape) -> SpooledSound | SpooledPictures:
    """Blocks as pictures or sound again, in a temporary file."""
    if shape.is_sound:
        return SpooledSound(blocks, sample_rate=int(shape.rate), channels=shape.size[0])
    return SpooledPictures(blocks, rate=shape.rate, height=shape.size[0], width=shape.size[1])


class _Blocks:
    """Blocks that are fetched when they are read; the last one is kept."""

    def __init__(self, shape: Shape, references: Sequence[Any], fetch: Callable[[Any], NDArray[Any]]) -> None:
        self._shape, self._references, self._fetch = shape, references, fetch
        self._at, self._block = -1, np.zeros(0)

    def _read(self, start: int, stop: int, axis: int) -> NDArray[Any]:
        start, stop, _ = slice(start, stop).indices(self._shape.length)
        stop, step, parts = max(start, stop), self._shape.step, []
        # An empty stretch still has the shape of one.
        for at in range(start // step, max(start // step + 1, -(-stop // step))):
            block = self._get(min(at, self._shape.count - 1))
            begin, end = max(0, start - at * step), max(0, stop - at * step)
            parts.append(block[begin:end] if axis == 0 else block[:, begin:end])
        # A copy: what lies in Ray's memory must not be written to, and goes when it is not used any more.
        return np.concatenate(parts, axis=axis)

    def _get(self, at: int) -> NDArray[Any]:
        if at != self._at:
            self._at, self._block = at, self._fetch(self._references[at])
        return self._block


class FarFrames(_Blocks):
    """A `FrameSource`."""

    def __init__(self, shape: Shape, references: Sequence[Any], fetch: Callable[[Any], NDArray[Any]]) -> None:
        super().__init__(shape, references, fetch)
        self.rate, self.num_frames, (self.height, self.width) = shape.rate, shape.length, shape.size

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Frames [start, stop)."""
        return self._read(start, stop, 0)


class FarSound(_Blocks):
    """A `SoundSource`."""

    def __init__(self, shape: Shape, references: Sequence[Any], fetch: Callable[[Any], NDArray[Any]]) -> None:
        super().__init__(shape, references, fetch)
        self.sample_rate, self.num_samples, (self.channels,) = int(shape.rate), shape.length, shape.size

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples [start, stop)."""
        return self._read(start, stop, 1)
