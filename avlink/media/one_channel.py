"""One channel of sounds that have several, for what listens and does not play."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from avlink.core.sound import read_blocks
from avlink.core.values import SoundSource

_OUT_OF_PHASE = 0.5
"""Channels cancel each other where their sum has less than this share of the energy of the loudest."""


class OneChannel:
    """The mean of the channels of a sound, or its loudest channel where they cancel each other (a `SoundSource`)."""

    channels = 1

    def __init__(self, sound: SoundSource) -> None:
        self._sound = sound
        self.sample_rate, self.num_samples = sound.sample_rate, sound.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (1, samples); indices as in a slice."""
        heard = self._sound.read(start, stop)
        chosen = self._loudest
        return heard.mean(axis=0, keepdims=True) if chosen is None else heard[chosen : chosen + 1]

    @cached_property
    def _loudest(self) -> int | None:
        each, whole = np.zeros(self._sound.channels), 0.0
        for block in read_blocks(self._sound):
            each += (block.astype(np.float64) ** 2).sum(axis=1)
            whole += float((block.sum(axis=0, dtype=np.float64) ** 2).sum())
        return None if whole >= _OUT_OF_PHASE * float(each.max(initial=0.0)) else int(np.argmax(each))
