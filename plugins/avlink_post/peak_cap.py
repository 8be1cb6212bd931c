"""A cap on the true peak: one gain of at most 1 for the whole sound, so that its dynamics stay.

The true peak is the highest magnitude at and between the samples, measured by four-fold oversampling as in ITU-R
BS.1770-5, annex 2, with a longer filter than the one given there: within 0.1 dB up to 0.45 of the sample rate.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from avlink import AmplifiedSound, read_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from avlink import SoundSource
    from avlink_post.options import PeakCapOptions

OVERSAMPLING = 4
_HALF_TAPS = 16
# Rounding must not make a capped sound exceed the cap, or a second pass would change it again.
_TOLERANCE = 1.0 + 1e-5


def cap_peak(sound: SoundSource, options: PeakCapOptions) -> SoundSource:
    """Return `sound` with a true peak of at most `peak_dbtp`; unchanged if it is lower already."""
    cap = 10.0 ** (options.peak_dbtp / 20.0)
    peak = true_peak(sound)
    return sound if peak <= cap * _TOLERANCE else AmplifiedSound(sound, cap / peak)


def true_peak(sound: SoundSource) -> float:
    """Return the highest magnitude at and between the samples of all channels; 0 for an empty sound."""
    peak, phases = 0.0, _phases()
    # Silence on both ends lets the filter ring out; each block is preceded by the end of the one before.
    silence = before = np.zeros((sound.channels, phases.shape[1] - 1), np.float32)
    for block in itertools.chain(read_blocks(sound), [silence]):
        seen = np.concatenate((before, block), axis=1)
        before = seen[:, 1 - phases.shape[1] :]
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        for channel in seen.astype(np.float64):
            for phase in phases:
                peak = max(peak, float(np.abs(np.convolve(channel, phase, mode="valid")).max(initial=0.0)))
    return peak


def _phases() -> NDArray[np.float64]:
    """Return windowed-sinc filters for the values at 1/4, 2/4 and 3/4 between two samples, of shape (3, taps)."""
    offsets = np.arange(1 - _HALF_TAPS, _HALF_TAPS + 1)
    fractions = np.arange(1, OVERSAMPLING)[:, None] / OVERSAMPLING
    distance = offsets - fractions
    window = np.i0(9.0 * np.sqrt(np.clip(1.0 - (distance / _HALF_TAPS) ** 2, 0.0, None))) / np.i0(9.0)
    taps = np.sinc(distance) * window
    normalised: NDArray[np.float64] = taps / taps.sum(axis=1, keepdims=True)
    return normalised
