"""Mixing placed sounds, a span at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avlink.core.sound import AmplifiedSound, read_blocks
from avlink.core.values import SoundSource


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSound:
    """A sound in a mix: its samples from `first` on, `num_samples` of them, start at sample `at` of the mix."""

    sound: SoundSource
    at: int
    num_samples: int
    first: int = 0


class Mixdown:
    """The sum of placed sounds of one sample rate (a `SoundSource`); mono ones go to all channels."""

    def __init__(self, parts: Sequence[PlacedSound], *, sample_rate: int, channels: int, num_samples: int) -> None:
        self._parts = sorted(parts, key=lambda part: part.at)
        self.sample_rate, self.channels, self.num_samples = sample_rate, channels, num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        mix = np.zeros((self.channels, max(0, stop - start)), np.float32)
        for part in self._parts:
            low, high = max(start, part.at), min(stop, part.at + part.num_samples)
            if low < high:
                heard = part.sound.read(part.first + low - part.at, part.first + high - part.at)
                mix[:, low - start : low - start + heard.shape[1]] += heard
        return mix


def within_full_scale(sound: SoundSource) -> SoundSource:
    """Return the sound, attenuated as a whole if it exceeds full scale."""
    loudest = max((float(np.abs(block).max(initial=0.0)) for block in read_blocks(sound)), default=0.0)
    return AmplifiedSound(sound, 1 / loudest) if loudest > 1 else sound
