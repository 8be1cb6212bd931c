"""Traces of speech and of music in a sound, moment by moment: gliding pitch, and partials that hold theirs.

Voices glide: the pitch of speech moves by some cents from one hundredth of a second to the next, and seldom jumps.
Notes hold: their partials stay at one frequency for a sixth of a second and longer. Impacts do neither for long. Both
are measured within a sound, without weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.ndimage import uniform_filter1d

SAMPLE_RATE = 22050
HOP_SAMPLES = 220
HOP_S = HOP_SAMPLES / SAMPLE_RATE

_LOUD_DB = 35.0
"""Moments further below the loudest one count neither for nor against."""

_PITCH_SAMPLES = 1024
_PITCH_HZ = (70, 400)
_VOICED = 0.7
_GLIDE_OCTAVES = (0.004, 0.08)
"""Steps of pitch within a voice, from one moment to the next: above the first no tone that holds, below the second no
jump."""

_SPEECH_S = 0.6
_MUSIC_S = 1.2
"""Time to each side of a moment that its shares are taken of: some syllables, and some notes."""

_PARTIAL_SAMPLES = 4096
_PARTIAL_HZ = (100.0, 5000.0)
_PARTIAL_DB = 9.0
_HOLD_FRAMES = 15
_FLOOR_BINS = 61
_BLOCK_FRAMES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundTraces:
    """Traces of speech and music, of shape (moments,), a moment every `HOP_S` seconds from 0 on.

    `gliding` is whether a voice glides there. `speech` is the share of the loud moments around in which one does, 0 to
    1. `partials` is the mean number of partials that hold around it, and `tonal` their share of all partials, 0 to 1.
    """

    gliding: NDArray[np.bool_]
    speech: NDArray[np.float64]
    partials: NDArray[np.float64]
    tonal: NDArray[np.float64]

    def at(self, time_s: float) -> int:
        """Return the index of the moment at a time."""
        return min(len(self.speech) - 1, max(0, int(time_s / HOP_S)))


def sound_traces(sound: NDArray[np.floating]) -> SoundTraces:
    """Return the traces in a mono sound at 22050 Hz, of shape (samples,)."""
    sound = np.asarray(sound, dtype=np.float32)
    strength, octaves, level_db = _voices(sound)
    loud = level_db > level_db.max(initial=-120.0) - _LOUD_DB
    step = np.abs(np.diff(octaves, prepend=octaves[:1]))
    voiced = loud & (strength > _VOICED)
    before = np.concatenate([[False], voiced[:-1]])
    gliding = voiced & before & (step > _GLIDE_OCTAVES[0]) & (step < _GLIDE_OCTAVES[1])
    held, partials = _partials(sound)
    heard = loud.astype(np.float64)
    return SoundTraces(
        gliding=gliding,
        speech=_share(gliding, heard, _SPEECH_S),
        partials=_share(held * heard, heard, _MUSIC_S),
        tonal=_share(held * heard, partials * heard, _MUSIC_S),
    )


def _share(part: NDArray[np.generic], whole: NDArray[np.float64], around_s: float) -> NDArray[np.float64]:
    size = 2 * round(around_s / HOP_S) + 1
    above, below = (uniform_filter1d(values.astype(np.float64), size, mode="constant") for values in (part, whole))
    # A lone loud moment in silence proves nothing.
    return np.asarray(above / np.maximum(below, 0.05))


def _voices(
    sound: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return how periodic each moment is (0 to 1), its pitch in octaves, and its level in decibels."""
    window = np.hanning(_PITCH_SAMPLES)
    bins_hz = np.fft.rfftfreq(2 * _PITCH_SAMPLES, 1 / SAMPLE_RATE)
    band = (bins_hz > 60) & (bins_hz < 3000)
    own = irfft(np.abs(rfft(window, 2 * _PITCH_SAMPLES)) ** 2)[:_PITCH_SAMPLES]
    short, long = SAMPLE_RATE // _PITCH_HZ[1], SAMPLE_RATE // _PITCH_HZ[0]
    strengths, octaves, levels = [], [], []
    for frames in _framed(sound, _PITCH_SAMPLES):
        frames = (frames - frames.mean(axis=1, keepdims=True)) * window
        power = np.abs(rfft(frames, 2 * _PITCH_SAMPLES, axis=1)) ** 2 * band
        # The autocorrelation of a window falls with the lag, which would make every pitch look high (Boersma 1993).
        alike = irfft(power, axis=1)[:, : long + 1]
        alike = alike / (alike[:, :1] + 1e-12) / (own[: long + 1] / own[0])
        inner = alike[:, short:long]
        peak = (inner >= alike[:, short - 1 : long - 1]) & (inner >= alike[:, short + 1 : long + 1])
        inner = np.where(peak, inner, 0.0)
        best = inner.argmax(axis=1)
        strengths.append(inner[np.arange(len(inner)), best])
        octaves.append(np.log2(SAMPLE_RATE / (best + short)))
        levels.append(10 * np.log10((frames**2).mean(axis=1) + 1e-12))
    return np.concatenate(strengths), np.concatenate(octaves), np.concatenate(levels)


def _partials(sound: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the number of partials of each moment that are still there 75 and 150 ms later, and that of all."""
    bins_hz = np.fft.rfftfreq(_PARTIAL_SAMPLES, 1 / SAMPLE_RATE)
    band = (bins_hz > _PARTIAL_HZ[0]) & (bins_hz < _PARTIAL_HZ[1])
    window = np.hanning(_PARTIAL_SAMPLES)
    blocks = []
    for frames in _framed(sound, _PARTIAL_SAMPLES):
        level_db = 10 * np.log10(np.abs(rfft(frames * window, axis=1)[:, band]) ** 2 + 1e-9)
        floor_db = uniform_filter1d(level_db, _FLOOR_BINS, axis=1)
        higher = (level_db >= np.roll(level_db, 1, axis=1)) & (level_db >= np.roll(level_db, -1, axis=1))
        blocks.append(np.where(higher & (level_db > floor_db + _PARTIAL_DB), level_db, -np.inf).astype(np.float32))
    peaks_db = np.concatenate(blocks)
    peak = peaks_db > peaks_db.max(initial=-120.0) - 60.0
    # One bin, 5 Hz, is allowed for the beating of neighbours.
    wide = peak | np.roll(peak, 1, axis=1) | np.roll(peak, -1, axis=1)
    frames_at = np.arange(len(peak))
    held = peak.copy()
    for later in (_HOLD_FRAMES // 2, _HOLD_FRAMES):
        held &= wide[np.minimum(frames_at + later, len(peak) - 1)]
    return held.sum(axis=1).astype(np.float64), peak.sum(axis=1).astype(np.float64)


def _framed(sound: NDArray[np.float32], size: int) -> list[NDArray[np.float32]]:
    """Return views of overlapping frames, centred on the moments, in blocks of some seconds."""
    padded = np.pad(sound, size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::HOP_SAMPLES]
    return [frames[first : first + _BLOCK_FRAMES] for first in range(0, len(frames), _BLOCK_FRAMES)]
