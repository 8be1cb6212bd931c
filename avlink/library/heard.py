"""Views of a sound in one channel, and its level over time, in blocks of constant memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avlink.core.errors import MediaError
from avlink.core.sound import read_blocks
from avlink.core.values import SoundSource

HOP_S = 0.005
"""The level is measured in steps of this."""

_STEPS_A_BLOCK = 400
_CANCELLED = 0.25
"""Channels whose mean has less than this part of their power cancel each other: the loudest is heard alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The level of a sound in steps of `hop` samples: mean squares and peaks in one channel, of shape (steps,).

    `channel` is the channel that stands for all, None for their mean. `peak` is the sample peak over all channels.
    """

    hop: int
    power: NDArray[np.float32]
    peaks: NDArray[np.float32]
    channel: int | None
    peak: float


def measure_levels(sound: SoundSource, name: object) -> Levels:
    """Measure the level of a sound, reading it once. Raises MediaError for values that are no numbers."""
    hop = max(1, round(HOP_S * sound.sample_rate))
    energies = np.zeros(sound.channels)
    mean_energy = peak = 0.0
    rows: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    for block in read_blocks(sound, hop * _STEPS_A_BLOCK):
        if not np.isfinite(block).all():
            raise MediaError(f"the sound of '{name}' holds values that are no numbers; export it again")
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        energies += np.square(block, dtype=np.float64).sum(axis=1)
        # All channels and, last, their mean: the choice is known at the end only.
        heard = np.concatenate((block, block.mean(axis=0, keepdims=True)))
        mean_energy += float(np.square(heard[-1], dtype=np.float64).sum())
        steps = np.pad(heard, ((0, 0), (0, -heard.shape[1] % hop))).reshape(len(heard), -1, hop)
        rows.append((np.square(steps).mean(axis=2), np.abs(steps).max(axis=2)))
    cancels = mean_energy < _CANCELLED * float(energies.mean())
    channel = int(np.argmax(energies)) if cancels else None
    row = -1 if channel is None else channel
    empty = np.zeros((sound.channels + 1, 0), np.float32)
    power = np.concatenate([empty, *(power for power, _ in rows)], axis=1)[row]
    peaks = np.concatenate([empty, *(peaks for _, peaks in rows)], axis=1)[row]
    return Levels(hop=hop, power=power, peaks=peaks, channel=channel, peak=peak)


class OneChannel:
    """A `SoundSource` of one channel of another, or of the mean of all, after a time of silence."""

    def __init__(self, sound: SoundSource, channel: int | None, *, silence: int = 0) -> None:
        """Take `channel` of `sound`, or the mean for None, after `silence` samples of silence."""
        self._sound, self._channel, self._silence = sound, channel, silence
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, 1, sound.num_samples + silence

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (1, samples); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        block = self._sound.read(max(0, start - self._silence), max(0, stop - self._silence))
        heard = block.mean(axis=0, keepdims=True) if self._channel is None else block[self._channel : self._channel + 1]
        missing = max(0, stop - start) - heard.shape[1]
        return np.pad(heard, ((0, 0), (missing, 0))) if missing else heard
