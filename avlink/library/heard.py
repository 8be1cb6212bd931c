"""Views of a sound in one channel, and its level over time, in blocks of constant memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avlink.core.errors import MediaError
from avlink.core.sound import read_blocks
from avlink.core.values import SoundSource

HOP_S = 0.005
"""The level is measured in steps of this, those of long sounds in longer ones."""

_MOST_STEPS = 720_000
"""Sounds of more than an hour are measured in longer steps, so that memory stays bounded."""

_BLOCK_SAMPLES = 1 << 16
_CANCELLED = 0.25
"""Channels whose mean has less than this part of their power cancel each other: the loudest is heard alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The level of a sound in steps of `step_s` seconds, `hop` samples: mean squares of one channel, of shape (steps,).

    `channel` is the channel that stands for all, None for their mean. `peak` is the sample peak over all channels.
    """

    hop: int
    step_s: float
    power: NDArray[np.float32]
    channel: int | None
    peak: float


def measure_levels(sound: SoundSource, name: object) -> Levels:
    """Measure the level of a sound, reading it twice. Raises MediaError for values that are no numbers."""
    energies, mean_energy, peak = np.zeros(sound.channels), 0.0, 0.0
    for block in read_blocks(sound):
        if not np.isfinite(block).all():
            raise MediaError(f"the sound of '{name}' holds values that are no numbers; export it again")
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        energies += np.square(block, dtype=np.float64).sum(axis=1)
        mean_energy += float(np.square(block.mean(axis=0), dtype=np.float64).sum())
    channel = int(np.argmax(energies)) if mean_energy < _CANCELLED * float(energies.mean()) else None
    hop = max(1, round(HOP_S * sound.sample_rate), -(-sound.num_samples // _MOST_STEPS))
    rows = [np.zeros(0, np.float32)]
    for block in read_blocks(ChosenChannel(sound, channel), hop * max(1, _BLOCK_SAMPLES // hop)):
        steps = np.pad(block[0], (0, -block.shape[1] % hop)).reshape(-1, hop)
        rows.append(np.square(steps).mean(axis=1))
    power = np.concatenate(rows)
    return Levels(hop=hop, step_s=hop / sound.sample_rate, power=power, channel=channel, peak=peak)


class ChosenChannel:
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
