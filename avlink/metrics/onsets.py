"""When something is struck: an onset detector for foley.

Band-wise rise of level in decibels (spectral flux after Bello et al. 2005, with the frequency-wise maximum of
Boeck and Widmer's SuperFlux 2013 against beating partials), a threshold that follows its surroundings, and a second
look at the waveform for the exact moment. Levels are taken relative to the loudest band of the sound, so the answer
does not depend on gain. Knows nothing of music: no tempo, no whitening over seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, median_filter

from avlink.metrics.bands import band_power, frame_centres_s

WINDOW_S = 0.032
HOP_S = 0.005
LAG_FRAMES = 4
"""Rises are measured over 20 ms: longer than half a window, so that an impulse is seen whole."""

NUM_BANDS = 28
LOW_HZ = 40.0
HIGH_HZ = 8000.0
RANGE_DB = 50.0
"""What lies further below the loudest band is not heard."""

SILENCE_POWER = 1e-9
"""A sound whose loudest band stays 84 dB below a full-scale sine is silence."""

MIN_RISE_DB = 2.0
"""A hit lifts the mean band by this much above the surroundings' usual rise."""

MIN_GAP_S = 0.08
SURROUNDINGS_S = 0.5
EDGE_S = 0.008


@dataclass(frozen=True, slots=True, kw_only=True)
class Onsets:
    """Onset times in seconds, ascending, and their strengths: mean rise over the bands in decibels."""

    times_s: NDArray[np.float64]
    strengths: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.times_s)


def detect_onsets(sound: NDArray[np.float32], sample_rate: int) -> Onsets:
    """Moments at which something is struck in a mono sound of shape (samples,).

    Two onsets are at least 80 ms apart. Silence and steady noise have none. What already sounds in the first 16 ms
    has no onset, so a cut into rain is none. Raises ValueError if `sound` is not one-dimensional or not finite.
    """
    if sound.ndim != 1:
        raise ValueError(f"onsets are detected in a mono sound of shape (samples,), not {sound.shape}")
    if not np.isfinite(sound).all():
        raise ValueError("the sound holds values that are not finite, so no onsets can be found in it")
    wave = np.asarray(sound, dtype=np.float32)
    level_db = band_levels_db(wave, sample_rate)
    if level_db is None:
        return Onsets(times_s=np.zeros(0), strengths=np.zeros(0))
    rise_db = rise_curve(level_db)
    frames = pick_peaks(rise_db)
    times_s = _sharpen(wave, sample_rate, frames.astype(np.float64) * HOP_S)
    order = np.argsort(times_s, kind="stable")
    return Onsets(times_s=times_s[order], strengths=rise_db[frames][order])


def band_levels_db(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64] | None:
    """Levels of shape (frames, bands) in decibels above the audible floor, or None for silence.

    Frame n is centred on n * 5 ms. The floor is 50 dB below the loudest band of the whole sound.
    """
    power = band_power(
        sound,
        sample_rate,
        centres_s=frame_centres_s(len(sound), sample_rate, HOP_S),
        window_s=WINDOW_S,
        num_bands=NUM_BANDS,
        low_hz=LOW_HZ,
        high_hz=HIGH_HZ,
    )
    peak = float(power.max(initial=0.0))
    if peak < SILENCE_POWER:
        return None
    return np.asarray(10.0 * np.log10(power / (peak * 10 ** (-RANGE_DB / 10)) + 1.0))


def rise_curve(level_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean rise of the bands over 20 ms in decibels, of shape (frames,); falling bands count as nothing."""
    # A partial that wanders into the neighbouring band is no hit: compare with the loudest of three bands.
    loudest = maximum_filter1d(level_db, 3, axis=1)
    before = loudest[np.maximum(np.arange(len(level_db)) - LAG_FRAMES, 0)]
    return np.asarray(np.maximum(level_db - before, 0.0).mean(axis=1))


def pick_peaks(rise_db: NDArray[np.float64]) -> NDArray[np.int64]:
    """Frames of the peaks that stand out from the half second around them, strongest first where two are close."""
    usual = median_filter(rise_db, size=round(SURROUNDINGS_S / HOP_S) | 1, mode="mirror")
    local = rise_db >= maximum_filter1d(rise_db, 2 * LAG_FRAMES + 1, mode="nearest")
    candidates = np.flatnonzero(local & (rise_db - 1.5 * usual >= MIN_RISE_DB))
    gap = MIN_GAP_S / HOP_S
    kept: list[int] = []
    for frame in candidates[np.argsort(-rise_db[candidates], kind="stable")]:
        if all(abs(frame - other) >= gap for other in kept):
            kept.append(int(frame))
    return np.array(sorted(kept), dtype=np.int64)


def _sharpen(sound: NDArray[np.float32], sample_rate: int, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move each time to the steepest step of energy within 20 ms, at 1 ms steps.

    The spectral peak sits up to half a window late for sounds that ring and exactly right for impulses; the ratio of
    energy after to energy before a moment peaks at the step itself for both.
    """
    if not len(times_s):
        return times_s
    # The first difference whitens: a click stays visible beside a loud low tail.
    energy = np.concatenate([[0.0], np.cumsum(np.diff(sound, prepend=np.float32(0)).astype(np.float64) ** 2)])
    offsets_s = np.arange(-0.020, 0.0101, 0.001)
    moments = np.clip(np.round((times_s[:, None] + offsets_s) * sample_rate).astype(np.int64), 0, len(sound))
    edge = round(EDGE_S * sample_rate)
    after = energy[np.minimum(moments + edge, len(sound))] - energy[moments]
    # Counting the first quarter again draws the moment up to a lone click, which 8 ms of moments hold alike.
    after += 3.0 * (energy[np.minimum(moments + edge // 4, len(sound))] - energy[moments])
    before = energy[moments] - energy[np.maximum(moments - edge, 0)]
    floor = 1e-3 * (after + before).max(axis=1, keepdims=True) + 1e-12
    ratio = (after + floor) / (before + floor)
    steepest = ratio.shape[1] - 1 - np.argmax(ratio[:, ::-1], axis=1)
    return np.asarray(np.maximum(times_s + offsets_s[steepest], 0.0), dtype=np.float64)
