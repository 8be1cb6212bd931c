"""Mastering: bringing sound to a target loudness by a gain, with a true-peak limiter where peaks stand in the way.

The limiter's gain follows the true peak (ITU-R BS.1770-4, annex 2). It is the smallest reduction needed within a few
milliseconds, smoothed over the same time: peaks stay below the ceiling, gain has no steps, and the result does not
depend on how the sound is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, minimum_filter1d

from avlink.core.sound import AmplifiedSound
from avlink.core.values import SoundSource
from avlink.media.loudness import OVERSAMPLING, PADDING_SAMPLES, Loudness, Oversampler, measure_loudness, pack

# For rounding, and for smoothed gains at peaks between samples.
_CEILING_MARGIN_DB = 0.05
_MAX_ITERATIONS = 6
_MIN_SLOPE = 0.25
_REACH_S = 0.01
# Reach of the oversampling filter to either side, and more.
_FILTER_SAMPLES = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class LoudnessTarget:
    """Target of integrated loudness in LUFS, None to leave it as it is, and maximum true peak in dBTP.

    The defaults are EBU R 128 (2023). `max_limiting_db` is the maximum reduction of single peaks: foley is short hits
    and long quiet, and more would flatten the hits.
    """

    lufs: float | None = -23.0
    peak_dbtp: float = -1.0
    max_limiting_db: float = 6.0
    tolerance_lu: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mastered:
    """A mastered sound with its measured `level`, the gain applied, and the maximum reduction of peaks."""

    sound: SoundSource
    level: Loudness
    gain_db: float
    limiting_db: float


def master(sound: SoundSource, target: LoudnessTarget) -> Mastered:
    """Return `sound` at the target's loudness, or as near as its peaks allow.

    Silence, and sound below 0.4 s, has no loudness: it is only attenuated if its peaks are too high.
    """
    level = measure_loudness(sound)
    room_db = target.peak_dbtp - level.true_peak_dbtp
    if target.lufs is None or level.lufs is None:
        return _amplified(sound, level, min(0.0, room_db), target)
    gain_db = target.lufs - level.lufs
    if gain_db <= room_db:
        return _amplified(sound, level, gain_db, target)
    ceiling = 10 ** ((target.peak_dbtp - _CEILING_MARGIN_DB) / 20)
    most_db = room_db + target.max_limiting_db
    gain_db, slope, before = min(gain_db, most_db), 1.0, None
    for _ in range(_MAX_ITERATIONS):
        limited = LimitedSound(AmplifiedSound(sound, 10 ** (gain_db / 20)), ceiling)
        heard = measure_loudness(limited)
        if heard.lufs is None:
            break
        if before is not None:
            # Secant step: limited sound grows by less than its gain.
            slope = min(1.0, max(_MIN_SLOPE, (heard.lufs - before[1]) / (gain_db - before[0])))
        wanted_db = min(most_db, gain_db + (target.lufs - heard.lufs) / slope)
        if abs(wanted_db - gain_db) * slope <= target.tolerance_lu:
            break
        before, gain_db = (gain_db, heard.lufs), wanted_db
    return Mastered(sound=limited, level=heard, gain_db=gain_db, limiting_db=max(0.0, gain_db - room_db))


def _amplified(sound: SoundSource, level: Loudness, gain_db: float, target: LoudnessTarget) -> Mastered:
    if not gain_db:
        return Mastered(sound=sound, level=level, gain_db=0.0, limiting_db=0.0)
    louder = AmplifiedSound(sound, 10 ** (gain_db / 20))
    return Mastered(sound=louder, level=measure_loudness(louder), gain_db=gain_db, limiting_db=0.0)


class LimitedSound:
    """A `SoundSource` limited to a true peak of `ceiling`, with the same gain on all channels."""

    def __init__(self, sound: SoundSource, ceiling: float) -> None:
        """Limit `sound` to peaks of at most `ceiling` (1 is full scale)."""
        self._sound, self._ceiling = sound, ceiling
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, sound.channels, sound.num_samples
        self._reach = max(1, round(_REACH_S * sound.sample_rate))
        window = np.hanning(2 * self._reach + 3)[1:-1]
        self._window = window / window.sum()

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples [start, stop) of shape (channels, samples); indices as in a slice."""
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
    """Return the highest magnitude of any channel at each sample and up to its neighbours."""
    channels, count = samples.shape
    oversampler = Oversampler(sample_rate=sample_rate, channels=channels)
    packed = np.concatenate([oversampler.push(pack(samples)), oversampler.flush()], axis=1)
    first = PADDING_SAMPLES * OVERSAMPLING
    dense = packed.reshape(-1, channels)[first : first + count * OVERSAMPLING]
    after = np.abs(dense).max(axis=1).reshape(count, OVERSAMPLING).max(axis=1)
    # A peak between two samples counts for both.
    before = np.concatenate([after[:1], after[:-1]])
    return np.maximum(np.maximum(after, before), np.abs(samples).max(axis=0)).astype(np.float64)
