"""Pictures and sounds of any length as blocks, to be sent from one process to another."""

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
class BlockLayout:
    """The format of pictures or sound and their division into blocks.

    Pictures: `rate` in frames per second, `size` (height, width). Sound: `rate` in hertz, `size` (channels,).
    `length` counts frames or samples, `block_length` those in one block; the last one may be shorter.
    """

    rate: Fraction
    size: tuple[int, ...]
    length: int
    block_length: int

    @property
    def is_sound(self) -> bool:
        """True for sound, False for pictures."""
        return len(self.size) == 1

    @property
    def count(self) -> int:
        """The number of blocks."""
        return -(-self.length // self.block_length)


def layout_of(source: FrameSource | SoundSource) -> BlockLayout:
    """Return the layout of pictures or sound in blocks of about 16 MiB."""
    if isinstance(source, FrameSource):
        step = max(1, BLOCK_BYTES // (source.height * source.width * 3))
        return BlockLayout(
            rate=source.rate, size=(source.height, source.width), length=source.num_frames, block_length=step
        )
    step = BLOCK_BYTES // (4 * source.channels)
    return BlockLayout(
        rate=Fraction(source.sample_rate), size=(source.channels,), length=source.num_samples, block_length=step
    )


def blocks_of(source: FrameSource | SoundSource, layout: BlockLayout) -> Iterator[NDArray[Any]]:
    """Yield all blocks, in order."""
    for start in range(0, layout.length, layout.block_length):
        yield np.ascontiguousarray(source.read(start, min(start + layout.block_length, layout.length)))


def spool(blocks: Iterator[NDArray[Any]], layout: BlockLayout) -> SpooledSound | SpooledPictures:
    """Return pictures or sound from their blocks, kept in a temporary file."""
    if layout.is_sound:
        return SpooledSound(blocks, sample_rate=int(layout.rate), channels=layout.size[0])
    return SpooledPictures(blocks, rate=layout.rate, height=layout.size[0], width=layout.size[1])


class _Blocks:
    """Blocks that are fetched when they are read; the last one is kept for the next read."""

    def __init__(self, layout: BlockLayout, references: Sequence[Any], fetch: Callable[[Any], NDArray[Any]]) -> None:
        self._layout, self._references, self._fetch = layout, references, fetch
        self._at, self._block = -1, np.zeros(0)

    def _read(self, start: int, stop: int, axis: int) -> NDArray[Any]:
        start, stop, _ = slice(start, stop).indices(self._layout.length)
        stop, step, parts = max(start, stop), self._layout.block_length, []
        # An empty range needs one block too, for its shape.
        for at in range(start // step, max(start // step + 1, -(-stop // step))):
            block = self._get(min(at, self._layout.count - 1))
            begin, end = max(0, start - at * step), max(0, stop - at * step)
            parts.append(block[begin:end] if axis == 0 else block[:, begin:end])
        # A copy: arrays in Ray's object store are read-only, and freed when nothing refers to them.
        return np.concatenate(parts, axis=axis)

    def _get(self, at: int) -> NDArray[Any]:
        if at != self._at:
            self._at, self._block = at, self._fetch(self._references[at])
        return self._block


class RayFrames(_Blocks):
    """A `FrameSource` whose frames are in Ray's object store."""

    def __init__(self, layout: BlockLayout, references: Sequence[Any], fetch: Callable[[Any], NDArray[Any]]) -> None:
        super().__init__(layout, references, fetch)
        self.rate, self.num_frames, (self.height, self.width) = layout.rate, layout.length, layout.size

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return frames [start, stop)."""
        return self._read(start, stop, 0)


class RaySound(_Blocks):
    """A `SoundSource` whose samples are in Ray's object store."""

    def __init__(self, layout: BlockLayout, references: Sequence[Any], fetch: Callable[[Any], NDArray[Any]]) -> None:
        super().__init__(layout, references, fetch)
        self.sample_rate, self.num_samples, (self.channels,) = int(layout.rate), layout.length, layout.size

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop)."""
        return self._read(start, stop, 1)
