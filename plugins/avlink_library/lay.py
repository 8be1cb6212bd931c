"""Sounds laid on a clip: their sum, block by block, held below full scale where many meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

CEILING = 0.98
_BLOCK = 1 << 16
_WINDOW = 240
"""Samples on each side over which the limiter turns down and up again."""


class Playable(Protocol):
    """A sound of one channel with a known length."""

    @property
    def num_samples(self) -> int:
        """Number of samples."""
        ...

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop), which lie within it."""
        ...


class InMemory:
    """A sound in memory, of shape (samples,)."""

    def __init__(self, samples: NDArray[np.float32]) -> None:
        self._samples, self.num_samples = samples, len(samples)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop)."""
        return self._samples[start:stop]


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A sound whose first sample lies on sample `start` of a clip, which may be before it, times `gain`."""

    start: int
    sound: Playable
    gain: float = 1.0

    @property
    def stop(self) -> int:
        """The sample after its last one."""
        return self.start + self.sound.num_samples


def lay(items: Sequence[Laid], num_samples: int, *, block: int = _BLOCK) -> Iterator[NDArray[np.float32]]:
    """Yield the sum of sounds in blocks (1, samples), of `num_samples` samples in all; what is outside is left out.

    Where the sum is beyond full scale it is turned down within 10 ms around, and nowhere else.
    """
    waiting = sorted(items, key=lambda item: (item.start, item.stop))
    next_one, playing = 0, list[Laid]()
    margin = 2 * _WINDOW
    for begin in range(0, num_samples, block):
        end = min(begin + block, num_samples)
        first, last = begin - margin, end + margin
        while next_one < len(waiting) and waiting[next_one].start < last:
            playing.append(waiting[next_one])
            next_one += 1
        playing = [item for item in playing if item.stop > first]
        total = np.zeros(last - first, np.float64)
        for item in playing:
            # What lies outside of the clip is not heard, and does not turn down what is.
            low, high = max(item.start, first, 0), min(item.stop, last, num_samples)
            if low < high:
                heard = item.sound.read(low - item.start, high - item.start)
                total[low - first : high - first] += item.gain * heard.astype(np.float64)
        kept = total[margin : margin + end - begin]
        if np.abs(total).max(initial=0.0) > CEILING:
            kept = kept * _gain(total)[margin : margin + end - begin]
        yield kept[None].astype(np.float32)


def _gain(total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a smooth gain that brings every sample to the ceiling at most."""
    from scipy import ndimage

    needed = CEILING / np.maximum(np.abs(total), CEILING)
    size = 2 * _WINDOW + 1
    # Each mean is over values of which none is above what its middle needs.
    lowest = ndimage.minimum_filter1d(needed, size, mode="nearest")
    return np.asarray(ndimage.convolve1d(lowest, np.full(size, 1 / size), mode="nearest"))
