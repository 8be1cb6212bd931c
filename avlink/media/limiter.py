"""Turning peaks down for as short as can be, so that sound which is mostly quiet may be louder.

The gain follows the true peak (ITU-R BS.1770-5, annex 2). It is the least that is needed within a few milliseconds,
smoothed over as long: never more than is allowed, without steps, and the same however the sound is read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, minimum_filter1d

from avlink.core.values import SoundSource
from avlink.media.resample import Resampler

_REACH_S = 0.01
_OVERSAMPLING = 4
# How far the filter between the samples sees.
_FILTER_SAMPLES = 128


class LimitedSound:
    """A `SoundSource` whose true peak stays below `ceiling`. All channels are turned down alike."""

    def __init__(self, sound: SoundSource, ceiling: float) -> None:
        """`sound`, with peaks of at most `ceiling` (1 is full scale)."""
        self._sound, self._ceiling = sound, ceiling
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, sound.channels, sound.num_samples
        self._reach = max(1, round(_REACH_S * sound.sample_rate))
        window = np.hanning(2 * self._reach + 3)[1:-1]
        self._window = window / window.sum()

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples [start, stop) of shape (channels, samples); indices as in a slice."""
        start, stop, _ = slice(start, stop).indices(self.num_samples)
        if stop <= start:
            return np.zeros((self.channels, 0), np.float32)
        margin = 2 * self._reach + _FILTER_SAMPLES
        begin, end = max(0, start - margin), min(self.num_samples, stop + margin)
        seen = self._sound.read(begin, end)
        needed = self._ceiling / np.maximum(true_peaks(seen, self.sample_rate), self._ceiling)
        least = minimum_filter1d(needed, 2 * self._reach + 1, mode="nearest")
        gain = convolve1d(least, self._window, mode="nearest")
        wanted = slice(start - begin, stop - begin)
        return np.asarray(seen[:, wanted] * gain[wanted], np.float32)


def true_peaks(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """The highest magnitude of any channel at each sample and up to the ones beside it."""
    count = samples.shape[1]
    oversampler = Resampler(sample_rate, sample_rate * _OVERSAMPLING, channels=samples.shape[0])
    dense = np.concatenate([oversampler.push(samples), oversampler.flush()], axis=1)[:, : count * _OVERSAMPLING]
    after = np.abs(dense).max(axis=0).reshape(count, _OVERSAMPLING).max(axis=1)
    # What lies between two samples belongs to both.
    before = np.concatenate([after[:1], after[:-1]])
    return np.maximum(np.maximum(after, before), np.abs(samples).max(axis=0)).astype(np.float64)
