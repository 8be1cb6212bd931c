"""When something is struck: an onset detector for foley.

Band-wise rise of level in decibels (spectral flux after Bello et al. 2005, with the frequency-wise maximum of
Boeck and Widmer's SuperFlux 2013 against beating partials), a threshold that follows its surroundings, and a second
look at the waveform for the exact moment. Levels are taken relative to the loudest band of the sound, so the answer
does not depend on gain. Knows nothing of music: no tempo, no whitening over seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len, rfft
from scipy.ndimage import maximum_filter1d, median_filter

WINDOW_S = 0.032
HOP_S = 0.005
LAG_FRAMES = 4
"""Rises are measured over 20 ms: longer than half a window, so that an impulse is seen whole."""

NUM_BANDS = 28
LOW_HZ = 40.0
HIGH_HZ = 8000.0
RANGE_DB = 50.0
"""What lies further below the loudest band is not heard."""

SILENCE_RMS = 1e-4
"""A sound whose loudest 32 ms stay below -80 dBFS is silence."""

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

    Two onsets are at least 80 ms apart. Silence and steady noise have none. What already sounds in
    the first 16 ms has no onset, so a cut into rain is none. Raises ValueError if `sound` is not one-dimensional or not finite.
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
    times_s = _sharpen(wave, sample_rate, frames * HOP_S)
    order = np.argsort(times_s, kind="stable")
    return Onsets(times_s=times_s[order], strengths=rise_db[frames][order])


def band_levels_db(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32] | None:
    """Levels of shape (frames, bands) in decibels above the audible floor, or None for silence.

    Frame n is centred on n * 5 ms. The floor is 50 dB below the loudest band of the whole sound.
    """
    window_samples = round(WINDOW_S * sample_rate)
    num_frames = int(len(sound) / (HOP_S * sample_rate)) + 1
    padded = np.pad(sound, (0, max(0, window_samples - len(sound))))
    centres = np.round(np.arange(num_frames) * HOP_S * sample_rate).astype(np.int64)
    # Windows never hang over an end: a sound that is cut while it lasts neither starts nor ends with a click.
    starts = np.clip(centres - window_samples // 2, 0, len(padded) - window_samples)
    size = next_fast_len(window_samples, real=True)
    window, bands = _analysis(sample_rate, window_samples, size)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window_samples)[starts] * window
    spectrum = rfft(frames, n=size, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2) @ bands
    frame_rms = np.sqrt(np.mean(frames**2, axis=1).max(initial=0.0))
    peak = float(power.max(initial=0.0))
    if frame_rms < SILENCE_RMS or peak <= 0.0:
        return None
    floor = peak * 10 ** (-RANGE_DB / 10)
    return cast("NDArray[np.float32]", 10.0 * np.log10(power / floor + 1.0).astype(np.float32))


def rise_curve(level_db: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean rise of the bands over 20 ms in decibels, of shape (frames,); falling bands count as nothing."""
    # A partial that wanders into the neighbouring band is no hit: compare with the loudest of three bands.
    loudest = maximum_filter1d(level_db, 3, axis=1)
    before = loudest[np.maximum(np.arange(len(level_db)) - LAG_FRAMES, 0)]
    return cast("NDArray[np.float64]", np.maximum(level_db - before, 0.0).mean(axis=1).astype(np.float64))


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
    return np.maximum(times_s + offsets_s[steepest], 0.0)


@lru_cache(maxsize=8)
def _analysis(sample_rate: int, window_samples: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hann window and triangular bands (bins, bands), evenly spaced in mel, each at least three bins wide."""
    high = min(HIGH_HZ, sample_rate / 2)
    edges = _hz(np.linspace(_mel(LOW_HZ), _mel(high), NUM_BANDS + 2))
    bins = np.arange(size // 2 + 1) * sample_rate / size
    width = 1.5 * sample_rate / window_samples
    centres = edges[1:-1]
    low = np.minimum(edges[:-2], centres - width)
    top = np.maximum(edges[2:], centres + width)
    rising = (bins[:, None] - low) / (centres - low)
    falling = (top - bins[:, None]) / (top - centres)
    bands = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    window = np.hanning(window_samples + 1)[:-1].astype(np.float32)
    return window, bands


def _mel(hz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hz / 700.0))


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
