"""An onset detector for foley.

The band-wise rise of level in decibels (spectral flux, Bello et al. 2005, with the maximum filter over frequency of
SuperFlux, Böck and Widmer 2013, against beating partials) is compared with an adaptive threshold, and the waveform then
gives the exact time. Levels are relative to the loudest band of the sound, so that the result does not depend on gain.
Unlike detectors for music it has no tempo model and no whitening over seconds.

Sounds are read in blocks that overlap by the context of a frame: memory does not grow with the sound, and the result
does not depend on the block size, but for the last bits of a strength.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, median_filter

from avlink.core.values import SoundSource, Waveform
from avlink.metrics.bands import power_at, window_starts

WINDOW_S = 0.032
HOP_S = 0.005
LAG_FRAMES = 4
"""Rises are measured over 20 ms: longer than half a window, so that the whole rise of an impulse is seen."""

NUM_BANDS = 28
LOW_HZ = 40.0
HIGH_HZ = 8000.0
RANGE_DB = 50.0
"""Levels further below the loudest band are cut off."""

SILENCE_POWER = 1e-9
"""A sound whose loudest band stays 84 dB below a full-scale sine is silence."""

MIN_RISE_DB = 2.0
"""The least rise of an onset, averaged over the bands, above one and a half times the local median."""

MIN_GAP_S = 0.08
SURROUNDINGS_S = 0.5
EDGE_S = 0.008

BLOCK_FRAMES = 2000
"""Ten seconds: most clips of an edit are one block, whose power is computed only once."""

_AROUND_FRAMES = round(SURROUNDINGS_S / HOP_S) // 2
Power = Callable[[int, int], NDArray[np.float64]]
"""Returns the powers of the bands in frames [first, last)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Onsets:
    """Onset times in seconds, ascending, and their strengths: mean rise over the bands in decibels."""

    times_s: NDArray[np.float64]
    strengths: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.times_s)


def detect_onsets(sound: NDArray[np.float32], sample_rate: int) -> Onsets:
    """Return the onsets of a mono sound of shape (samples,), at least 80 ms apart.

    Silence and steady noise have none. A sound that has begun before the first 16 ms gives none there, so that a cut
    into rain is no onset. Raises ValueError if `sound` is not one-dimensional or not finite.
    """
    if sound.ndim != 1:
        raise ValueError(f"onsets are detected in a mono sound of shape (samples,), not {sound.shape}")
    return find_onsets(Waveform(samples=np.asarray(sound, dtype=np.float32)[None], sample_rate=sample_rate))


def find_onsets(sound: SoundSource, *, block_frames: int = BLOCK_FRAMES) -> Onsets:
    """Return the onsets of a sound of any length that is read in blocks; channels are averaged. See `detect_onsets`."""
    num_frames = int(sound.num_samples / (HOP_S * sound.sample_rate)) + 1
    power = _power_of(sound)
    blocks = [(first, min(first + block_frames, num_frames)) for first in range(0, num_frames, block_frames)]
    # Levels are relative to the loudest band of the whole sound, so a first pass must find it.
    loudest = max(float(power(*_around(block, num_frames)).max(initial=0.0)) for block in blocks)
    # Relative levels would turn the noise of a silent recording into onsets.
    if loudest < SILENCE_POWER:
        return Onsets(times_s=np.zeros(0), strengths=np.zeros(0))
    heard = [_peaks(power, block, num_frames, loudest) for block in blocks]
    # Lists of blocks in order of time, so that frames ascend.
    frames, rises_db = (np.concatenate(parts) for parts in zip(*heard, strict=True))
    # Between blocks, too: a peak at a border is judged with those of the next block.
    kept = strongest_apart(frames, rises_db, round(MIN_GAP_S / HOP_S))
    times_s = np.array([_sharpened(sound, frame * HOP_S) for frame in frames[kept]], dtype=np.float64)
    # Refinement may swap two near onsets.
    order = np.argsort(times_s, kind="stable")
    return Onsets(times_s=times_s[order], strengths=rises_db[kept][order])


def rise_curve(level_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean rise of the bands over 20 ms in decibels, of shape (frames,); falling bands count as 0."""
    # A partial that glides into the next band is no onset: compare with the loudest of three bands (SuperFlux).
    loudest = maximum_filter1d(level_db, 3, axis=1)
    # Frames before the lag compare with the first frame, so that a sound that has begun does not rise.
    before = loudest[np.maximum(np.arange(len(level_db)) - LAG_FRAMES, 0)]
    return np.asarray(np.maximum(level_db - before, 0.0).mean(axis=1))


def strongest_apart(frames: NDArray[np.int64], rises_db: NDArray[np.float64], gap: int) -> NDArray[np.int64]:
    """Return the indices of peaks in order of strength that are at least `gap` frames from every stronger kept one."""
    kept: list[int] = []
    for index in np.argsort(-rises_db, kind="stable").tolist():
        place = bisect_left(kept, index)
        # Frames ascend, so the nearest kept peaks are the neighbours in the list.
        if all(abs(frames[index] - frames[other]) >= gap for other in kept[max(0, place - 1) : place + 1]):
            insort(kept, index)
    return np.array(kept, dtype=np.int64)


def _power_of(sound: SoundSource) -> Power:
    """Return a function for the powers of a sound's bands. Frame n is centred on n * 5 ms."""

    # Both passes over a sound of one block ask for the same frames.
    @lru_cache(maxsize=1)
    def power(first: int, last: int) -> NDArray[np.float64]:
        rate = sound.sample_rate
        centres_s = np.arange(first, last, dtype=np.float64) * HOP_S
        starts = window_starts(sound.num_samples, rate, centres_s=centres_s, window_s=WINDOW_S)
        window_samples = round(WINDOW_S * rate)
        # Only the samples of these frames are read.
        heard = _mono(sound, int(starts[0]), int(starts[-1]) + window_samples)
        return power_at(
            np.pad(heard, (0, max(0, window_samples - len(heard)))),
            rate,
            starts=starts - starts[0],
            window_s=WINDOW_S,
            num_bands=NUM_BANDS,
            low_hz=LOW_HZ,
            high_hz=HIGH_HZ,
        )

    return power


def _around(block: tuple[int, int], num_frames: int) -> tuple[int, int]:
    """Return the frames that the peaks of a block depend on."""
    return max(0, block[0] - _AROUND_FRAMES - LAG_FRAMES), min(num_frames, block[1] + _AROUND_FRAMES)


def _peaks(
    power: Power, block: tuple[int, int], num_frames: int, loudest: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the frames of a block that stand out from the half second around them, and their rises in decibels."""
    first, last = _around(block, num_frames)
    # Plus one under the logarithm: bands far below the loudest end in 0 dB, softly.
    level_db = 10.0 * np.log10(power(first, last) / (loudest * 10 ** (-RANGE_DB / 10)) + 1.0)
    rise_db = rise_curve(level_db)
    # The median is not moved by the few onsets among the frames.
    usual = median_filter(rise_db, size=2 * _AROUND_FRAMES + 1, mode="mirror")
    local = rise_db >= maximum_filter1d(rise_db, 2 * LAG_FRAMES + 1, mode="nearest")
    frames = np.flatnonzero(local & (rise_db - 1.5 * usual >= MIN_RISE_DB)) + first
    frames = frames[(frames >= block[0]) & (frames < block[1])]
    return frames, rise_db[frames - first]


def _sharpened(sound: SoundSource, time_s: float) -> float:
    """Return a time moved to the steepest step of energy, up to 20 ms earlier or 10 ms later, in steps of 1 ms.

    The spectral peak is up to half a window late for ringing sounds and exact for impulses; the ratio of energy after
    to energy before a time is largest at the step itself for both.
    """
    rate, length = sound.sample_rate, sound.num_samples
    # The spectral peak is seldom early, so there is less to search after it.
    offsets_s = np.arange(-0.020, 0.0101, 0.001)
    moments = np.clip(np.round((time_s + offsets_s) * rate).astype(np.int64), 0, length)
    edge = round(EDGE_S * rate)
    first, last = max(0, int(moments[0]) - edge), min(length, int(moments[-1]) + edge)
    heard = _mono(sound, max(0, first - 1), last)
    # The first difference whitens: a click stands out from a loud low tail. Before the sound is silence.
    steps = np.diff(heard, prepend=np.float32(0)) if first == 0 else np.diff(heard)
    # A running sum gives the energy of any window as one difference; in float64, since both terms may be large and
    # nearly equal.
    energy = np.concatenate([[0.0], np.cumsum(steps.astype(np.float64) ** 2)])
    at = moments - first
    after = energy[np.minimum(at + edge, last - first)] - energy[at]
    # A lone click is in `after` for all times up to 8 ms before it; more weight on the first 2 ms favours the nearest.
    after += 3.0 * (energy[np.minimum(at + edge // 4, last - first)] - energy[at])
    before = energy[at] - energy[np.maximum(at - edge, 0)]
    # Without a floor, the ratio would be largest in the quietest place.
    floor = 1e-3 * (after + before).max() + 1e-12
    ratio = (after + floor) / (before + floor)
    # The last of equal ratios: all times shortly before a click have the same one.
    steepest = len(ratio) - 1 - int(np.argmax(ratio[::-1]))
    return max(time_s + float(offsets_s[steepest]), 0.0)


def _mono(sound: SoundSource, start: int, stop: int) -> NDArray[np.float32]:
    heard = sound.read(start, stop)
    if not np.isfinite(heard).all():
        raise ValueError("the sound holds values that are not finite, so no onsets can be found in it")
    return heard[0] if len(heard) == 1 else heard.mean(axis=0)
