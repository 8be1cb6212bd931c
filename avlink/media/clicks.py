"""Clicks at exact samples, to hear where something was marked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PEAK = 10 ** (-12 / 20)
"""-12 dBFS."""

_TONE_HZ = 2000.0
_LENGTH_S = 0.012
_DECAY_S = 0.003


class ClickTrack:
    """A mono sound of clicks (a `SoundSource`), whose loudest sample is the first one, at -12 dBFS.

    Clicks that overlap follow each other without being added, so that none is louder than another.
    """

    channels = 1

    def __init__(self, samples: Sequence[int], *, sample_rate: int, num_samples: int) -> None:
        """Put a click at each of `samples`. Those outside of the sound are left out."""
        self.sample_rate, self.num_samples = sample_rate, num_samples
        self._starts = sorted({start for start in samples if 0 <= start < num_samples})
        self._click = click(sample_rate)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (1, samples); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        heard = np.zeros((1, max(0, stop - start)), np.float32)
        for begin in self._starts[
            bisect_left(self._starts, start - len(self._click)) : bisect_left(self._starts, stop)
        ]:
            low, high = max(start, begin), min(stop, begin + len(self._click))
            if low < high:
                heard[0, low - start : high - start] = self._click[low - begin : high - begin]
        return heard


def click(sample_rate: int) -> NDArray[np.float32]:
    """Return one click, of shape (samples,): a decaying tone of 2 kHz that begins at its peak."""
    times_s = np.arange(max(1, round(_LENGTH_S * sample_rate))) / sample_rate
    tone = np.cos(2 * np.pi * min(_TONE_HZ, sample_rate / 4) * times_s) * np.exp(-times_s / _DECAY_S)
    return (PEAK * tone).astype(np.float32)
