"""Silence in a finished sound: its level without gates, and its longest silent stretch."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

import numpy as np

from avlink.core.sound import read_blocks
from avlink.core.values import SoundSource

SILENT_DBFS = -60.0
"""A window whose root mean square is at most this, in the loudest channel, is silent."""

_WINDOWS_A_SECOND = 100
_OFFSET_DB = -0.691


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The level of a sound, and its longest silent stretch, samples [start, stop).

    `level_lufs` is the formula of BS.1770-4 without its filter and gates, -0.691 + 10 log10 of the sum over channels of
    their mean squares, None for digital silence. Unlike gated loudness it is defined for sounds below 0.4 s.
    """

    level_lufs: float | None
    start: int = 0
    stop: int = 0

    def within(self, start: int, stop: int) -> tuple[int, int]:
        """Return what of the silent stretch lies in samples [start, stop), as indices from `start`; (0, 0) if none."""
        begin, end = max(self.start, start), min(self.stop, stop)
        return (begin - start, end - start) if begin < end else (0, 0)


def measure_silence(sound: SoundSource) -> Silence:
    """Return the level and the longest silent stretch of a sound, in windows of 10 ms and constant memory."""
    size = max(1, sound.sample_rate // _WINDOWS_A_SECOND)
    energy, begin = 0.0, 0
    longest = (0, 0)
    # Whole windows in each block, about a second of them.
    for number, block in enumerate(read_blocks(sound, size * _WINDOWS_A_SECOND)):
        squares = np.asarray(block, np.float64) ** 2
        energy += float(squares.sum())
        at = number * size * _WINDOWS_A_SECOND
        for first in range(0, squares.shape[1], size):
            window = squares[:, first : first + size]
            stop = at + first + window.shape[1]
            if window.mean(axis=1).max(initial=0.0) > 10 ** (SILENT_DBFS / 10):
                begin = stop
            elif stop - begin > longest[1] - longest[0]:
                longest = (begin, stop)
    mean = energy / sound.num_samples if sound.num_samples else 0.0
    level = _OFFSET_DB + 10 * log10(mean) if mean > 0 else None
    return Silence(level_lufs=level, start=longest[0], stop=longest[1])
