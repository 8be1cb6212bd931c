"""Bringing finished sound to a loudness: a gain, and a limiter where its peaks stand in the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, minimum_filter1d

from avlink.core.sound import AmplifiedSound
from avlink.core.values import SoundSource
from avlink.media.loudness import OVERSAMPLING, PADDING_SAMPLES, Loudness, Oversampler, measure_loudness, pack

# Rounding, and what the meter's own oversampling sees otherwise than the limiter's.
_CEILING_MARGIN_DB = 0.05
_TRIES = 6
_LEAST_SLOPE = 0.25
_REACH_S = 0.01
# How far the filter between the samples sees.
_FILTER_SAMPLES = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class LoudnessTarget:
    """Integrated loudness in LUFS, None to leave it as it is, and the highest true peak in dBTP that is let through.

    EBU R 128 (2023): -23 LUFS, -1 dBTP. `max_limiting_db` is how far single peaks may be turned down for it: foley
    is short hits and long quiet, and more would flatten the hits.
    """

    lufs: float | None = -23.0
    peak_dbtp: float = -1.0
    max_limiting_db: float = 6.0
    tolerance_lu: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mastered:
    """A sound at its loudness. `level` is measured, `gain_db` was added, peaks turned down by `limiting_db` at most."""

    sound: SoundSource
    level: Loudness
    gain_db: float
    limiting_db: float


def master(sound: SoundSource, target: LoudnessTarget) -> Mastered:
    """`sound` at the target's loudness, or as near as its peaks allow.

    Silence, and sound below 0.4 s that has no loudness, is only turned down where it peaks too high.
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
    for _ in range(_TRIES):
        limited = LimitedSound(AmplifiedSound(sound, 10 ** (gain_db / 20)), ceiling)
        heard = measure_loudness(limited)
        if heard.lufs is None:
            break
        if before is not None:
            # What is limited grows less than the gain does.
            slope = min(1.0, max(_LEAST_SLOPE, (heard.lufs - before[1]) / (gain_db - before[0])))
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
    channels, count = samples.shape
    oversampler = Oversampler(sample_rate=sample_rate, channels=channels)
    packed = np.concatenate([oversampler.push(pack(samples)), oversampler.flush()], axis=1)
    first = PADDING_SAMPLES * OVERSAMPLING
    dense = packed.reshape(-1, channels)[first : first + count * OVERSAMPLING]
    after = np.abs(dense).max(axis=1).reshape(count, OVERSAMPLING).max(axis=1)
    # What lies between two samples belongs to both.
    before = np.concatenate([after[:1], after[:-1]])
    return np.maximum(np.maximum(after, before), np.abs(samples).max(axis=0)).astype(np.float64)
