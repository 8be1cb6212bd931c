"""Distances between paired sounds: multi-resolution STFT, log-mel, and the correlation of their levels.

The distances penalise faults that onset scores do not see, such as a wrong timbre or noise. They also penalise
differences that no listener hears, such as another realisation of the same rain; read them beside onset scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from avlink.metrics.bands import band_power, frame_centres_s
from avlink.metrics.levels import FLOOR_DB, level_db

RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512))
"""FFT and hop in samples."""


def multi_resolution_stft(reference: NDArray[np.float32], estimate: NDArray[np.float32]) -> float:
    """Spectral convergence plus mean log-magnitude difference, averaged over three resolutions.

    The auxiliary loss of Parallel WaveGAN (Yamamoto et al. 2020). Takes mono sounds (samples,) of one rate; the longer
    one is cut. 0 for equal sounds.
    """
    a, b = _pair(reference, estimate)
    distances = []
    for fft_samples, hop_samples in RESOLUTIONS:
        left, right = _magnitude(a, fft_samples, hop_samples), _magnitude(b, fft_samples, hop_samples)
        # The floor keeps silence against silence at 0 instead of NaN.
        convergence = np.linalg.norm(left - right) / max(float(np.linalg.norm(left)), 1e-5)
        # Convergence follows the loud bins, the logarithms all of them alike: each hides what the other shows.
        log_difference = np.abs(np.log(left + 1e-5) - np.log(right + 1e-5)).mean()
        distances.append(float(convergence + log_difference))
    return float(np.mean(distances))


def log_mel_distance(reference: NDArray[np.float32], estimate: NDArray[np.float32], sample_rate: int) -> float:
    """Mean absolute difference in decibels of 64 mel bands every 10 ms, from -60 dB of full scale upwards."""
    a, b = _pair(reference, estimate)
    return float(np.abs(log_mel_levels(a, sample_rate) - log_mel_levels(b, sample_rate)).mean())


def envelope_correlation(
    reference: NDArray[np.float32], estimate: NDArray[np.float32], sample_rate: int
) -> float | None:
    """Pearson's r of the levels at 25 Hz, for sounds that last; None where one of the levels is constant."""
    a, b = (level_db(sound, sample_rate) for sound in _pair(reference, estimate))
    return pearson(a, b)


def pearson(a: NDArray[np.floating], b: NDArray[np.floating]) -> float | None:
    """Return the correlation of two series of one length; None if one of them is constant."""
    left, right = a - a.mean(), b - b.mean()
    scale = float(np.linalg.norm(left) * np.linalg.norm(right))
    # Rounding leaves tiny deviations in a constant series, whose correlation would be noise.
    return float(left @ right) / scale if scale > 1e-9 else None


def _pair(
    reference: NDArray[np.float32], estimate: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if reference.ndim != 1 or estimate.ndim != 1:
        raise ValueError(f"two mono sounds are compared, not shapes {reference.shape} and {estimate.shape}")
    length = min(len(reference), len(estimate))
    if not length:
        raise ValueError("an empty sound cannot be compared")
    return reference[:length], estimate[:length]


def _magnitude(sound: NDArray[np.float32], fft_samples: int, hop_samples: int) -> NDArray[np.floating]:
    # Periodic, as torch.hann_window: the symmetric one of numpy is for filters.
    window = np.hanning(fft_samples + 1)[:-1].astype(np.float32)
    # Centred frames, as torch.stft and librosa have them.
    padded = np.pad(sound.astype(np.float32), fft_samples // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, fft_samples)[::hop_samples]
    return np.abs(rfft(frames * window, axis=1))


def log_mel_levels(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Return levels of 64 mel bands, 20 Hz to 8 kHz, every 10 ms: (frames, 64) in dB of full scale, at least -60."""
    power = band_power(
        sound,
        sample_rate,
        centres_s=frame_centres_s(len(sound), sample_rate, 0.010),
        window_s=0.064,
        num_bands=64,
        low_hz=20.0,
        high_hz=8000.0,
    )
    # A full-scale sine has a band power of about 0.25.
    return np.asarray(np.maximum(10.0 * np.log10(4.0 * power + 1e-12), -FLOOR_DB))
