"""Power of a sound in mel bands over time, from which the other metrics are computed."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len, rfft


def band_power(
    sound: NDArray[np.float32],
    sample_rate: int,
    *,
    centres_s: NDArray[np.float64],
    window_s: float,
    num_bands: int,
    low_hz: float,
    high_hz: float,
) -> NDArray[np.float64]:
    """Return the power in `num_bands` mel bands around each time of `centres_s`, of shape (times, bands).

    Windows are shifted to lie within the sound: with padding, a sound that is cut while it lasts would start and end
    with a click. `high_hz` is capped at half the sample rate. A full-scale sine has a power of about 0.25.
    """
    window_samples = round(window_s * sample_rate)
    # A sound shorter than one window is padded with silence, so that it has one frame at least.
    padded = np.pad(np.asarray(sound, dtype=np.float32), (0, max(0, window_samples - len(sound))))
    starts = window_starts(len(sound), sample_rate, centres_s=centres_s, window_s=window_s)
    return power_at(
        padded, sample_rate, starts=starts, window_s=window_s, num_bands=num_bands, low_hz=low_hz, high_hz=high_hz
    )


def window_starts(
    num_samples: int, sample_rate: int, *, centres_s: NDArray[np.float64], window_s: float
) -> NDArray[np.int64]:
    """Return the first samples of the windows of `band_power` in a sound of that length; all windows lie within it."""
    window_samples = round(window_s * sample_rate)
    starts = np.round(centres_s * sample_rate).astype(np.int64) - window_samples // 2
    # Rounded from absolute times: a rounded hop would drift over a long sound.
    return np.clip(starts, 0, max(0, num_samples - window_samples))


def power_at(
    sound: NDArray[np.float32],
    sample_rate: int,
    *,
    starts: NDArray[np.int64],
    window_s: float,
    num_bands: int,
    low_hz: float,
    high_hz: float,
) -> NDArray[np.float64]:
    """Return `band_power` of windows that begin at `starts` and lie within the sound."""
    window_samples = round(window_s * sample_rate)
    # Windows are milliseconds at any rate, so their lengths in samples are often slow for an FFT.
    fft_samples = next_fast_len(window_samples, real=True)
    window, bands = _analysis(
        sample_rate, window_samples, fft_samples, num_bands, low_hz, min(high_hz, sample_rate / 2)
    )
    # A view: overlapping frames would be many times the size of the sound.
    frames = np.lib.stride_tricks.sliding_window_view(sound, window_samples)[starts] * window
    spectrum = rfft(frames, n=fft_samples, axis=1)
    # (times, bins) @ (bins, bands). Squares of both parts: an absolute value would take a root first.
    return np.asarray((spectrum.real**2 + spectrum.imag**2) @ bands, dtype=np.float64)


def frame_centres_s(num_samples: int, sample_rate: int, hop_s: float) -> NDArray[np.float64]:
    """Return times every `hop_s` seconds from 0 to the end of a sound."""
    return np.arange(int(num_samples / (hop_s * sample_rate)) + 1, dtype=np.float64) * hop_s


# Metrics ask for the same few analyses for every clip.
@lru_cache(maxsize=32)
def _analysis(
    sample_rate: int, window_samples: int, fft_samples: int, num_bands: int, low_hz: float, high_hz: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a Hann window of unit sum, and triangular bands (bins, bands), even in mel (O'Shaughnessy 1987)."""
    edges = _hz(np.linspace(_mel(low_hz), _mel(high_hz), num_bands + 2))
    bins = np.arange(fft_samples // 2 + 1) * sample_rate / fft_samples
    # No band is narrower than the resolution of the window: it could fall between two bins and stay empty.
    width = 1.5 * sample_rate / window_samples
    centres = edges[1:-1]
    low = np.minimum(edges[:-2], centres - width)
    top = np.maximum(edges[2:], centres + width)
    # Triangles of height 1, not of area 1: a sine has the same power in wide and narrow bands.
    rising = (bins[:, None] - low) / (centres - low)
    falling = (top - bins[:, None]) / (top - centres)
    bands = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    window = np.hanning(window_samples + 1)[:-1]
    # A window of unit sum keeps levels independent of the window length.
    return (window / window.sum()).astype(np.float32), bands


def _mel(hz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hz / 700.0))


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0), dtype=np.float64)
