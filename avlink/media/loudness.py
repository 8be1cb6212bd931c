"""Loudness and true peak after ITU-R BS.1770-4 and EBU Tech 3341; loudness range after EBU Tech 3342."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10, pi, tan

import numpy as np
from numpy.typing import NDArray

from avlink.core.sound import read_blocks
from avlink.core.values import SoundSource
from avlink.media.resample import Resampler

SILENT_DBTP = -120.0
"""What is given as the true peak of sound that is quieter than this, or silent."""

_BLOCK_S = 0.4
_STEPS_A_BLOCK = 4
_STEPS_A_SHORT_TERM = 30
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_RANGE_GATE_LU = -20.0
_RANGE_PERCENTILES = (10, 95)
_OVERSAMPLING = 4
# Left, right, centre, low frequencies, surrounds (the order of WAV files). The low frequency channel does not count.
_CHANNEL_WEIGHTS = {
    1: (1.0,),
    2: (1.0, 1.0),
    3: (1.0, 1.0, 1.0),
    4: (1.0, 1.0, 1.41, 1.41),
    5: (1.0, 1.0, 1.0, 1.41, 1.41),
    6: (1.0, 1.0, 1.0, 0.0, 1.41, 1.41),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness:
    """`lufs` is integrated loudness, None for silence and below 0.4 s. `true_peak_dbtp` is at least `SILENT_DBTP`.

    `momentary_lufs` and `short_term_lufs` are the loudest 0.4 s and 3 s, `range_lu` what lies between the quiet and the
    loud 3 s; None where the sound is shorter, or all silent.
    """

    lufs: float | None
    true_peak_dbtp: float
    momentary_lufs: float | None = None
    short_term_lufs: float | None = None
    range_lu: float | None = None


def measure_loudness(sound: SoundSource) -> Loudness:
    """Loudness in LUFS and true peak in dBTP (four times oversampled), with ten numbers a second in memory."""
    peak, energies = _PeakMeter(sound), _EnergyMeter(sound)
    for block in read_blocks(sound):
        peak.push(block)
        energies.push(block)
    short = _sliding(energies.steps, _STEPS_A_SHORT_TERM)
    return Loudness(
        lufs=_integrated_lufs(energies.steps),
        true_peak_dbtp=peak.dbtp(),
        momentary_lufs=_loudest_lufs(_sliding(energies.steps, _STEPS_A_BLOCK)),
        short_term_lufs=_loudest_lufs(short),
        range_lu=_range_lu(short),
    )


class _PeakMeter:
    """The peak at and between the samples."""

    def __init__(self, sound: SoundSource) -> None:
        rate = sound.sample_rate
        self._oversampler = Resampler(rate, rate * _OVERSAMPLING, channels=sound.channels)
        self._peak = 0.0

    def push(self, block: NDArray[np.float32]) -> None:
        self._peak = max(self._peak, _peak(block), _peak(self._oversampler.push(block)))

    def dbtp(self) -> float:
        peak = max(self._peak, _peak(self._oversampler.flush()))
        return max(SILENT_DBTP, 20 * log10(peak)) if peak > 0 else SILENT_DBTP


class _EnergyMeter:
    """`steps`: weighted mean squares of the K-weighted sound over whole steps of 100 ms."""

    def __init__(self, sound: SoundSource) -> None:
        self.steps: list[float] = []
        self._step_samples = round(_BLOCK_S / _STEPS_A_BLOCK * sound.sample_rate)
        self._weights = np.array(_CHANNEL_WEIGHTS.get(sound.channels, (1.0,) * sound.channels))
        self._sections = _k_weighting(sound.sample_rate)
        self._state = np.zeros((len(self._sections), sound.channels, 2))
        self._rest = np.zeros((sound.channels, 0))

    def push(self, block: NDArray[np.float32]) -> None:
        # It takes longer to load than all else, and plans measure nothing.
        from scipy.signal import sosfilt

        filtered, self._state = sosfilt(self._sections, block.astype(np.float64), axis=1, zi=self._state)
        squares = np.concatenate((self._rest, np.square(filtered)), axis=1)
        whole = squares.shape[1] // self._step_samples
        cut = whole * self._step_samples
        self._rest = squares[:, cut:]
        means = squares[:, :cut].reshape(squares.shape[0], whole, self._step_samples).mean(axis=2)
        self.steps += (self._weights @ means).tolist()


def _peak(samples: NDArray[np.float32]) -> float:
    return float(np.abs(samples).max()) if samples.size else 0.0


def _sliding(energies: list[float], steps: int) -> NDArray[np.float64]:
    """Means over every stretch of `steps`; none where there are fewer."""
    if len(energies) < steps:
        return np.zeros(0)
    return np.convolve(energies, np.ones(steps), mode="valid") / steps


def _above(energies: NDArray[np.float64], gate_lu: float) -> NDArray[np.float64]:
    """What is left after the absolute gate, and one that lies `gate_lu` from the mean of that."""
    audible = energies[energies > _energy(_ABSOLUTE_GATE_LUFS)]
    return audible[audible > audible.mean() * 10 ** (gate_lu / 10)] if len(audible) else audible


def _integrated_lufs(energies: list[float]) -> float | None:
    loud = _above(_sliding(energies, _STEPS_A_BLOCK), _RELATIVE_GATE_LU)
    return _lufs(float(loud.mean())) if len(loud) else None


def _loudest_lufs(energies: NDArray[np.float64]) -> float | None:
    highest = float(energies.max()) if len(energies) else 0.0
    return _lufs(highest) if highest > _energy(_ABSOLUTE_GATE_LUFS) else None


def _range_lu(energies: NDArray[np.float64]) -> float | None:
    loud = _above(energies, _RANGE_GATE_LU)
    if not len(loud):
        return None
    low, high = np.percentile(loud, _RANGE_PERCENTILES)
    return _lufs(float(high)) - _lufs(float(low))


def _lufs(energy: float) -> float:
    return -0.691 + 10 * log10(energy)


def _energy(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


def _k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """The head's shelf and the high-pass as two biquads.

    BS.1770 gives coefficients for 48 kHz alone; these are the analogue filters behind them (De Man, "Evaluation of
    implementations of the EBU R128 loudness measurement", 2018), which give the same numbers there.
    """
    shelf = _Analogue(frequency_hz=1681.974450955533, quality=0.7071752369554196)
    k, a0 = shelf.warped(sample_rate)
    high = 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    head = [
        (high + middle * k / shelf.quality + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - middle * k / shelf.quality + k * k) / a0,
    ]
    low_cut = _Analogue(frequency_hz=38.13547087602444, quality=0.5003270373238773)
    return np.array([head + shelf.denominator(sample_rate), [1.0, -2.0, 1.0, *low_cut.denominator(sample_rate)]])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Analogue:
    """A second-order analogue filter, brought to a sample rate by the bilinear transform."""

    frequency_hz: float
    quality: float

    def warped(self, sample_rate: int) -> tuple[float, float]:
        k = tan(pi * self.frequency_hz / sample_rate)
        return k, 1 + k / self.quality + k * k

    def denominator(self, sample_rate: int) -> list[float]:
        k, a0 = self.warped(sample_rate)
        return [1.0, 2 * (k * k - 1) / a0, (1 - k / self.quality + k * k) / a0]
