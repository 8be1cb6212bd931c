"""The onset detector of published foley scores: librosa.onset.onset_detect with its defaults, in numpy.

Follows librosa 0.11: mel flux of 128 Slaney bands, FFT 2048, hop 512 at 22050 Hz, then greedy peak picking. It is made
for music and coarse (23 ms), and serves only for comparison with published numbers; use `avlink.metrics.onsets` for
everything else.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

SAMPLE_RATE = 22050
FFT_SAMPLES = 2048
HOP_SAMPLES = 512
NUM_BANDS = 128
TOP_DB = 80.0

# librosa's defaults, 30 ms and 100 ms in whole frames: 0.03 * 22050 // 512 and so on.
PRE_MAX, POST_MAX, PRE_AVG, POST_AVG, WAIT = 1, 1, 4, 5, 1


def music_onsets(sound: NDArray[np.floating], *, delta: float = 0.07) -> NDArray[np.int64]:
    """Return onsets of a mono sound at 22050 Hz, in samples, multiples of 512, ascending.

    `delta` is the least height of a peak above the local mean of the curve, which is scaled to 0..1 over the whole
    sound: the result depends on the loudest onset.
    """
    return pick_onsets(onset_strength(sound), delta=delta)[0] * HOP_SAMPLES


def pick_onsets(
    strength: NDArray[np.float64], *, delta: float, least_db: float = 0.0
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the peaks of what `onset_strength` gave, as frames, and their heights, 0 to 1.

    Heights are parts of the range of the curve, or of `least_db` where the range is smaller.
    """
    curve = strength - strength.min()
    # onset_detect normalises the whole curve, so that one loud onset hides quiet ones.
    curve = curve / max(curve.max() + np.finfo(curve.dtype).tiny, least_db)
    if not curve.any():
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    frames = _pick(curve, delta)
    return frames, curve[frames]


def onset_strength(sound: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean rise of the mel bands in decibels from frame to frame, of shape (1 + samples // 512,)."""
    # librosa centres frames, with zeros at both ends since 0.10.
    padded = np.pad(np.asarray(sound, dtype=np.float64), FFT_SAMPLES // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SAMPLES) / FFT_SAMPLES)
    mel = np.abs(rfft(frames * window, axis=1)) ** 2 @ _mel_bands()
    level_db = 10.0 * np.log10(np.maximum(mel, 1e-10))
    # power_to_db: nothing lies more than 80 dB below the loudest value.
    level_db = np.maximum(level_db, level_db.max() - TOP_DB)
    rise = np.maximum(0.0, np.diff(level_db, axis=0)).mean(axis=1)
    # One frame for the difference, two since a centred window of four hops covers an onset early.
    shift = 1 + FFT_SAMPLES // (2 * HOP_SAMPLES)
    return np.pad(rise, (shift, 0))[: len(level_db)]


def _pick(curve: NDArray[np.float64], delta: float) -> NDArray[np.int64]:
    peaks: list[int] = []
    n = 0
    while n < len(curve):
        # librosa.util.peak_pick: a maximum of its neighbours, above the mean around it, and not too soon.
        highest = curve[max(0, n - PRE_MAX) : n + POST_MAX].max()
        usual = curve[max(0, n - PRE_AVG) : n + POST_AVG].mean()
        if curve[n] == highest and curve[n] >= usual + delta:
            peaks.append(n)
            # With the increment below, librosa's `wait` of one frame: a peak directly after another is none.
            n += WAIT
        n += 1
    return np.array(peaks, dtype=np.int64)


@lru_cache(maxsize=1)
def _mel_bands() -> NDArray[np.float64]:
    """Return bands of Slaney's mel scale (linear below 1 kHz) with area normalisation, of shape (bins, bands)."""
    linear_hz, break_mel, log_step = 200.0 / 3, 15.0, np.log(6.4) / 27.0
    top_mel = break_mel + np.log(SAMPLE_RATE / 2 / 1000.0) / log_step
    mel = np.linspace(0.0, top_mel, NUM_BANDS + 2)
    edges_hz = np.where(mel < break_mel, mel * linear_hz, 1000.0 * np.exp(log_step * (mel - break_mel)))
    bins_hz = np.arange(FFT_SAMPLES // 2 + 1)[:, None] * SAMPLE_RATE / FFT_SAMPLES
    rising = (bins_hz - edges_hz[:-2]) / np.diff(edges_hz)[:-1]
    falling = (edges_hz[2:] - bins_hz) / np.diff(edges_hz)[1:]
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges_hz[2:] - edges_hz[:-2]))
