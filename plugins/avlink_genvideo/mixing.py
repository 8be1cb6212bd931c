"""Upmixing a sound to more channels, and adding two sounds; both are read a block at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from avlink import SoundSource

_FRONT = 2


class UpmixedSound:
    """A mono `SoundSource` on several channels: on the two front channels, all others are silent."""

    def __init__(self, sound: SoundSource, channels: int) -> None:
        """`sound` on `channels` channels; a sound that has as many is passed through."""
        self._sound, self.channels = sound, channels
        self.sample_rate, self.num_samples = sound.sample_rate, sound.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice."""
        block = self._sound.read(start, stop)
        if block.shape[0] == self.channels:
            return block
        mono = block.mean(axis=0, keepdims=True, dtype=np.float32)
        upmixed = np.zeros((self.channels, block.shape[1]), np.float32)
        upmixed[:_FRONT] = mono
        return upmixed


class LayeredSound:
    """The sum of two `SoundSource`s of the same rate and channels, as long as the first."""

    def __init__(self, first: SoundSource, second: SoundSource) -> None:
        """Raises ValueError for sounds of different rates or channels."""
        if (first.sample_rate, first.channels) != (second.sample_rate, second.channels):
            raise ValueError("sounds of different rates or channels cannot be mixed")
        self._first, self._second = first, second
        self.sample_rate, self.channels, self.num_samples = first.sample_rate, first.channels, first.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice."""
        # `astype` copies, so that the sum does not change a block that the source keeps.
        mixed = self._first.read(start, stop).astype(np.float32)
        added = self._second.read(start, stop)[:, : mixed.shape[1]]
        mixed[:, : added.shape[1]] += added
        return mixed
