"""Loudness after ITU-R BS.1770-4 and EBU Tech 3341, loudness range after EBU Tech 3342, true peak after BS.1770-4.

libav's `ebur128` filter weights and integrates the sound, and its resampler finds the peaks between samples. Gates and
percentiles are computed here: the filter rounds its own to bins of 0.01 LU, its loudness range is wrong for short
sounds, and its true peak has three digits of full scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import inf, isnan, log10

import av.error
import av.filter
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter.context import FilterContext
from numpy.typing import NDArray

from avlink.core.sound import read_blocks
from avlink.core.values import SoundSource

SILENT_DBTP = -120.0
"""The lowest true peak that is reported; silence is given this."""

_STEPS_A_SECOND = 10
_MOMENTARY_STEPS, _SHORT_TERM_STEPS = 4, 30
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_RANGE_GATE_LU = -20.0
_RANGE_PERCENTILES = (10, 95)
OVERSAMPLING = 4
PADDING_SAMPLES = 64
"""Longer than the resampler's filter: at its ends it would take the sound to go on in its mirror image."""
# Channels in the order of WAV files. libav weights surrounds by 1.41 and ignores the low-frequency channel, as BS.1770
# demands. Other numbers of channels are given without positions, and then each channel has weight 1.
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness:
    """Measured levels of a sound.

    `lufs` is integrated loudness, None for silence and below 0.4 s. `true_peak_dbtp` is at least `SILENT_DBTP`.
    `momentary_lufs` and `short_term_lufs` are the loudest 0.4 s and 3 s, `range_lu` is the loudness range of the 3 s
    windows; None where the sound is shorter, or all silent.
    """

    lufs: float | None
    true_peak_dbtp: float
    momentary_lufs: float | None = None
    short_term_lufs: float | None = None
    range_lu: float | None = None


def measure_loudness(sound: SoundSource) -> Loudness:
    """Measure loudness in LUFS and true peak in dBTP (four times oversampled), in blocks of constant memory."""
    peak, meter = _PeakMeter(sound), _LoudnessMeter(sound)
    for block in read_blocks(sound):
        # libav refuses empty frames.
        if block.shape[1]:
            packed = pack(block)
            peak.push(packed)
            meter.push(packed)
    momentary, short_term = meter.finish()
    return Loudness(
        lufs=_integrated_lufs(momentary),
        true_peak_dbtp=peak.finish(),
        momentary_lufs=_loudest_lufs(momentary),
        short_term_lufs=_loudest_lufs(short_term),
        range_lu=_range_lu(short_term),
    )


def pack(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (channels, samples) as one row with all samples of a moment side by side: libav's packed format.

    Its other format, a plane for each channel, does not work in PyAV with more than eight.
    """
    return np.ascontiguousarray(samples.T, np.float32).reshape(1, -1)


class _PackedFrames:
    """Turns rows of packed samples into libav frames with consecutive times."""

    def __init__(self, *, sample_rate: int, channels: int) -> None:
        self.layout = _LAYOUTS.get(channels, f"{channels}C")
        self.sample_rate = sample_rate
        self._position = 0

    def frame(self, packed: NDArray[np.float32]) -> AudioFrame:
        frame = AudioFrame.from_ndarray(packed, format="flt", layout=self.layout)
        frame.sample_rate, frame.time_base = self.sample_rate, Fraction(1, self.sample_rate)
        frame.pts = self._position
        self._position += frame.samples
        return frame


class _PeakMeter:
    """The highest magnitude at and between the samples."""

    def __init__(self, sound: SoundSource) -> None:
        self._oversampler = Oversampler(sample_rate=sound.sample_rate, channels=sound.channels)
        self._peak = 0.0

    def push(self, packed: NDArray[np.float32]) -> None:
        self._peak = max(self._peak, _magnitude(packed), _magnitude(self._oversampler.push(packed)))

    def finish(self) -> float:
        """Return the true peak in dBTP."""
        peak = max(self._peak, _magnitude(self._oversampler.flush()))
        return max(SILENT_DBTP, 20 * log10(peak)) if peak > 0 else SILENT_DBTP


class Oversampler:
    """Four times oversampling by libav's resampler, as its `ebur128` does for true peaks, of sound between silences.

    Samples go in and out packed, as one row. `PADDING_SAMPLES` of silence are given before the sound and after it.
    """

    def __init__(self, *, sample_rate: int, channels: int) -> None:
        self._frames = _PackedFrames(sample_rate=sample_rate, channels=channels)
        self._resampler = AudioResampler(format="flt", layout=self._frames.layout, rate=sample_rate * OVERSAMPLING)
        self._silence = np.zeros((1, PADDING_SAMPLES * channels), np.float32)
        self._begun = False

    def push(self, packed: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take some more samples; return what is ready."""
        parts = [packed] if self._begun else [self._silence, packed]
        self._begun = True
        return self._resampled([self._frames.frame(part) for part in parts])

    def flush(self) -> NDArray[np.float32]:
        """Return the rest."""
        return np.concatenate([self.push(self._silence), self._resampled([None])], axis=1)

    def _resampled(self, frames: list[AudioFrame | None]) -> NDArray[np.float32]:
        ready = [dense.to_ndarray() for frame in frames for dense in self._resampler.resample(frame)]
        return np.concatenate(ready, axis=1) if ready else np.zeros((1, 0), np.float32)


class _LoudnessMeter:
    """Momentary and short-term loudness in LUFS at every tenth of a second, by libav's `ebur128`."""

    def __init__(self, sound: SoundSource) -> None:
        # libav steps by rate // 10 samples, and its windows are rate * 4 // 10 long: at 11025 Hz two samples more than
        # four steps, so that the first window is lost. Declared as 11020 Hz they fit, and the weighting filters move by
        # 0.05 %, which is less than 0.001 LU.
        self._step_samples = sound.sample_rate // _STEPS_A_SECOND
        sample_rate = self._step_samples * _STEPS_A_SECOND
        self._frames = _PackedFrames(sample_rate=sample_rate, channels=sound.channels)
        self._momentary: list[float] = []
        self._short_term: list[float] = []
        graph = av.filter.Graph()
        self._source = graph.add_abuffer(
            sample_rate=sample_rate,
            format="flt",
            layout=self._frames.layout,
            time_base=Fraction(1, sample_rate),
        )
        # With metadata=1, output frames are tenths of a second that carry the levels of the windows that end there.
        meter, self._sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
        self._source.link_to(meter)
        meter.link_to(self._sink)
        graph.configure()
        self._graph = graph

    def push(self, packed: NDArray[np.float32]) -> None:
        self._source.push(self._frames.frame(packed))
        self._take()

    def finish(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return all momentary and all short-term loudnesses; none if the window is longer than the sound."""
        self._source.push(None)
        self._take()
        # The first values belong to windows that begin before the sound.
        return np.array(self._momentary[_MOMENTARY_STEPS - 1 :]), np.array(self._short_term[_SHORT_TERM_STEPS - 1 :])

    def _take(self) -> None:
        for frame in _pull(self._sink):
            # A shorter last frame repeats the levels before it.
            if frame.samples == self._step_samples:
                self._momentary.append(_level(frame, "lavfi.r128.M"))
                self._short_term.append(_level(frame, "lavfi.r128.S"))


def _pull(sink: FilterContext) -> Iterator[AudioFrame]:
    """Yield the frames that a filter graph can give without more input."""
    while True:
        try:
            frame = sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        if isinstance(frame, AudioFrame):
            yield frame


def _magnitude(samples: NDArray[np.float32]) -> float:
    return float(np.abs(samples).max(initial=0.0))


def _level(frame: AudioFrame, key: str) -> float:
    lufs = float(frame.metadata[key])
    # libav's running sums may end a little below zero in digital silence after sound, and their logarithm is NaN.
    return -inf if isnan(lufs) else lufs


def _above_gates(lufs: NDArray[np.float64], gate_lu: float) -> NDArray[np.float64]:
    """Return the energies of windows above the absolute gate, and above a gate at `gate_lu` from the mean of these."""
    energies = _energy(lufs[lufs > _ABSOLUTE_GATE_LUFS])
    return energies[energies > energies.mean() * 10 ** (gate_lu / 10)] if len(energies) else energies


def _integrated_lufs(momentary: NDArray[np.float64]) -> float | None:
    loud = _above_gates(momentary, _RELATIVE_GATE_LU)
    return _lufs(float(loud.mean())) if len(loud) else None


def _loudest_lufs(lufs: NDArray[np.float64]) -> float | None:
    highest = float(lufs.max(initial=-np.inf))
    return highest if highest > _ABSOLUTE_GATE_LUFS else None


def _range_lu(short_term: NDArray[np.float64]) -> float | None:
    loud = _above_gates(short_term, _RANGE_GATE_LU)
    if not len(loud):
        return None
    low, high = np.percentile(loud, _RANGE_PERCENTILES)
    return _lufs(float(high)) - _lufs(float(low))


def _lufs(energy: float) -> float:
    return -0.691 + 10 * log10(energy)


def _energy(lufs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10 ** ((lufs + 0.691) / 10))
