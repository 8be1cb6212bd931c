"""Sound on more channels, and two sounds as one; both are read a stretch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from avlink import SoundSource

_FRONT = 2


class UpmixedSound:
    """A `SoundSource` of one channel on several: on both front speakers, the others stay silent."""

    def __init__(self, sound: SoundSource, channels: int) -> None:
        """`sound` on `channels` channels; one that has as many stays as it is."""
        self._sound, self.channels = sound, channels
        self.sample_rate, self.num_samples = sound.sample_rate, sound.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples [start, stop) of shape (channels, samples); indices as in a slice."""
        seen = self._sound.read(start, stop)
        if seen.shape[0] == self.channels:
            return seen
        mono = seen.mean(axis=0, keepdims=True, dtype=np.float32)
        spread = np.zeros((self.channels, seen.shape[1]), np.float32)
        spread[:_FRONT] = mono
        return spread


class LayeredSound:
    """Two `SoundSource`s of the same rate and channels together, as long as the first, the second times `factor`."""

    def __init__(self, first: SoundSource, second: SoundSource, factor: float) -> None:
        """`first` with `second` under it."""
        if (first.sample_rate, first.channels) != (second.sample_rate, second.channels):
            raise ValueError("sounds of different rates or channels cannot be mixed")
        self._first, self._second, self._factor = first, second, np.float32(factor)
        self.sample_rate, self.channels, self.num_samples = first.sample_rate, first.channels, first.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples [start, stop) of shape (channels, samples); indices as in a slice."""
        mixed = self._first.read(start, stop).astype(np.float32)
        added = self._second.read(start, stop)[:, : mixed.shape[1]] * self._factor
        mixed[:, : added.shape[1]] += added
        return mixed
