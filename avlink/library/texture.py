"""Brightness and noise of a sound, from the spectra of its loud moments."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.fft import rfft

from avlink.core.values import SoundSource
from avlink.library.heard import ChosenChannel, Levels

WINDOW_S = 0.046
_MOST_FRAMES = 200
_LOUD_DB = 20.0
"""Moments less than this below the loudest one count."""

_LOW_HZ, _HIGH_HZ, _BANDS = 60.0, 16000.0, 24
_LEAST_BINS = 6
_WHITE = 0.5614594835668851
"""The flatness of the spectrum of white noise in one window: exp(-Euler's constant)."""


def measure_texture(sound: SoundSource, levels: Levels) -> tuple[float, float]:
    """Return brightness in hertz and noise in [0, 1].

    Brightness is the centre of the power spectrum. Noise is the spectral flatness (Gray and Markel 1974) within bands,
    weighted by their power, in which the colour of a noise does not count. Up to 200 loud moments are measured.
    """
    rate, heard = sound.sample_rate, ChosenChannel(sound, levels.channel)
    size = 1 << max(6, round(np.log2(WINDOW_S * rate)))
    loud = np.flatnonzero(levels.power > float(levels.power.max(initial=0.0)) * 10 ** (-_LOUD_DB / 10))
    chosen = loud[np.linspace(0, len(loud) - 1, min(len(loud), _MOST_FRAMES)).astype(int)] if len(loud) else loud
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    hertz = np.arange(size // 2 + 1) * rate / size
    edges = _band_edges(size, rate)
    total = np.zeros(len(hertz))
    flat = weight = 0.0
    for step in chosen.tolist():
        # From the step on: a window around a transient would be half silence.
        start = min(step * levels.hop, max(0, sound.num_samples - size))
        frame = heard.read(start, start + size)[0]
        spectrum = rfft(np.pad(frame, (0, size - len(frame))) * window)
        power = spectrum.real.astype(np.float64) ** 2 + spectrum.imag.astype(np.float64) ** 2
        total += power
        for low, high in edges:
            band = power[low:high]
            mean = float(band.mean())
            if mean > 0:
                flat += mean * len(band) * float(np.exp(np.mean(np.log(band + 1e-9 * mean))) / mean)
                weight += mean * len(band)
    whole = float(total[1:].sum())
    brightness = float((total[1:] * hertz[1:]).sum() / whole) if whole > 0 else 0.0
    return brightness, float(np.clip(flat / weight / _WHITE, 0.0, 1.0)) if weight > 0 else 0.0


@lru_cache(maxsize=32)
def _band_edges(size: int, rate: int) -> tuple[tuple[int, int], ...]:
    """Return bands [low, high) of bins, even in the logarithm of frequency, each wide enough for a flatness."""
    high_hz = min(_HIGH_HZ, 0.48 * rate)
    bins = np.unique(np.round(np.geomspace(_LOW_HZ, high_hz, _BANDS + 1) * size / rate).astype(int))
    edges: list[tuple[int, int]] = []
    low = int(bins[0])
    for high in bins[1:].tolist():
        if high - low >= _LEAST_BINS:
            edges.append((low, high))
            low = high
    return tuple(edges)
