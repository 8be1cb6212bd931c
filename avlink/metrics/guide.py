"""Hits that are heard in a guide track: onsets of anything but speech and music, judged with the picture.

Onsets are found as published foley scores find them (`avlink.metrics.music_onsets`) and moved to the step of the
waveform. An onset among speech or music counts where it stands out from what is around it, and one of music also where
the picture is seen to be played to it. What is no clear transient needs some motion in the picture.

Sounds are read in stretches that are judged alone, so that memory stays constant and one loud moment of a film hides
nothing in the rest of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from avlink.core.hits import Hit
from avlink.core.values import FrameSource, SoundSource
from avlink.metrics import music_onsets as music
from avlink.metrics.attacks import first_sample
from avlink.metrics.seen_motion import RATE, SeenMotion, seen_motion
from avlink.metrics.speech_music import SoundTraces, sound_traces

SAMPLE_RATE = 2 * music.SAMPLE_RATE
"""Sounds are taken at this rate, 44100 Hz."""

VERSION = 1
"""Raised when the same sound and pictures give other hits, so that cached ones are found anew."""

SILENCE_PEAK = 1e-4
"""A sound whose peak is below -80 dBFS is silent."""

MIN_GAP_S = 0.03

_DELTA = 0.1
_LEAST_RISE_DB = 6.0
"""Onsets are compared with the largest of their stretch, but with this at least: steady noise has none."""

_STRETCH_S, _AROUND_S = 10.0, 3.0
_BIN_SAMPLES = 110
_BIN_S = _BIN_SAMPLES / music.SAMPLE_RATE
_BEGIN_S, _BEGIN_RISE_DB, _BEGIN_CONFIDENCE = 0.1, 6.0, 0.3
_STANDS_OUT_DB = 12.0
_PLAIN_EASE_DB = 6.0
_QUIET_EASE_DB = 11.0
_CLEAR_RISE_DB = 12.0
_STRUCK_RISE_DB = 16.0
"""A ringing sound that begins out of near silence was struck; within music there is sound before each note."""

_SPEECH_SHARE, _SPEECH_SHARE_BEFORE_VOICE, _VOICE_SHARE = 0.30, 0.22, 0.3
_NO_SPEECH_TONAL = 0.2
_MUSIC_PARTIALS, _MUSIC_TONAL = 2.0, 0.13
"""Thresholds that were set on recorded and synthetic speech and on music of several kinds, and on impacts."""

_LOUDNESS_RANGE_DB = 40.0
"""A hit so far below the loudest of its clip has the least strength."""


_Place: TypeAlias = "tuple[float, float] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class _JudgedOnset:
    onset: _Onset
    confidence: float
    place: _Place


@dataclass(frozen=True, slots=True, kw_only=True)
class _Onset:
    """An onset in a stretch. `height` is its part of the largest rise, `level_db` the energy of its first moments.

    `above_db` is that level over what is usual in the seconds around it, with the treble raised or, plus 6 dB, as it
    is, whichever is less: consonants and cymbals are loud in treble alone. `rise_db` is the level with the treble
    raised over that of the tenth of a second before; `from_quiet_db` is the same or, plus 11 dB, that of the level as
    it is, whichever is less.
    """

    sample: int
    height: float
    level_db: float
    above_db: float
    rise_db: float
    from_quiet_db: float
    spoken: bool
    tonal: float
    """Share of partials that hold, where there is music; else 0."""

    @property
    def stands_out(self) -> bool:
        return self.above_db >= _STANDS_OUT_DB

    @property
    def clear(self) -> bool:
        """Return True for a transient that needs no motion in the picture."""
        return self.rise_db >= _CLEAR_RISE_DB and (self.stands_out or not (self.spoken or self.tonal))


def guide_hits(sound: SoundSource, frames: FrameSource | None = None) -> tuple[Hit, ...]:
    """Return the hits in a mono sound at 44100 Hz, in order of time, at least 30 ms apart.

    `frames` are the pictures from the first sample on, at `avlink.metrics.seen_motion.RATE`; None means that nothing
    moves. Times count from the first sample. The loudest hit has a strength of 1, one 40 dB below it 0.05. A sound that
    has begun before its first sample may give a hit there, with a confidence of at most 0.3.

    Raises ValueError for another rate or more channels, and for values that are not finite.
    """
    if sound.sample_rate != SAMPLE_RATE or sound.channels != 1:
        raise ValueError(f"a guide is mono at {SAMPLE_RATE} Hz, not {sound.channels} channels at {sound.sample_rate}")
    found: list[_JudgedOnset] = []
    for start, first, last, stop in _stretches(sound.num_samples):
        samples = sound.read(start, stop)[0]
        if not np.isfinite(samples).all():
            raise ValueError("the guide holds values that are not finite, so nothing can be found in it")
        if np.abs(samples).max(initial=0.0) < SILENCE_PEAK:
            continue
        motion = None
        if frames is not None:
            # Stretches begin at whole pictures, or nearly: a fiftieth of a picture is not seen.
            begin = round(start / SAMPLE_RATE * RATE)
            motion = seen_motion(frames, begin, begin + round((stop - start) / SAMPLE_RATE * RATE) + 1)
        heard, curve = _onsets(samples)
        for one in _judged(heard, curve, motion):
            sample = start + one.onset.sample
            if first <= sample < last:
                found.append(replace(one, onset=replace(one.onset, sample=sample)))
    return _hits(found)


def is_silent(sound: SoundSource) -> bool:
    """Return whether the peak of a sound is below -80 dBFS; it is read in blocks."""
    block = 1 << 18
    return all(
        np.abs(sound.read(start, start + block)).max(initial=0.0) < SILENCE_PEAK
        for start in range(0, sound.num_samples, block)
    )


def _stretches(num_samples: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (start, first, last, stop): samples [start, stop) are heard, and onsets in [first, last) count."""
    # Whole hops of the detector, so that neighbours see the same frames.
    hop = 2 * music.HOP_SAMPLES
    step, around = (round(length_s * SAMPLE_RATE / hop) * hop for length_s in (_STRETCH_S, _AROUND_S))
    if num_samples <= step + 2 * around:
        yield 0, 0, num_samples, num_samples
        return
    for first in range(0, num_samples, step):
        last = min(num_samples, first + step)
        # The last one may be short, and is heard with as much as the others.
        yield max(0, min(first, num_samples - step) - around), first, last, min(num_samples, last + around)


def _onsets(samples: NDArray[np.float32]) -> tuple[list[_Onset], NDArray[np.float64]]:
    """Return the onsets of a stretch, and the curve that they are peaks of, every 23 ms."""
    # Scaled, so that no fixed floor of the detector depends on the gain.
    samples = samples / np.abs(samples).max()
    half = resample_poly(samples, 1, 2).astype(np.float32)
    curve = music.onset_strength(half)
    frames, heights = music.pick_onsets(curve, delta=_DELTA, least_db=_LEAST_RISE_DB)
    traces, levels = sound_traces(half), (_levels(np.diff(half, prepend=half[:1])), _levels(half))
    energy = np.concatenate([[0.0], np.cumsum(np.diff(samples, prepend=samples[:1]).astype(np.float64) ** 2)])
    moments = [first_sample(energy, int(frame) * 2 * music.HOP_SAMPLES, SAMPLE_RATE) for frame in frames]
    onsets = [_onset(sample, height, traces, levels) for sample, height in zip(moments, heights, strict=True)]
    return onsets, curve


def _levels(half: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the energy of a sound every 5 ms, in decibels."""
    bins = max(1, len(half) // _BIN_SAMPLES)
    energy = np.resize(half.astype(np.float64) ** 2, bins * _BIN_SAMPLES)
    return np.asarray(10 * np.log10(energy.reshape(bins, _BIN_SAMPLES).mean(axis=1) + 1e-12))


def _onset(
    sample: int, height: float, traces: SoundTraces, levels: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> _Onset:
    """Return what is known of an onset; `levels` are those of the first difference, and of the sound itself.

    The first difference raises the treble: clicks stand out from loud low tails.
    """
    time_s = sample / SAMPLE_RATE
    at = min(len(levels[0]) - 1, int(time_s / _BIN_S))
    treble, plain = (_peak(level_db, at) for level_db in levels)
    moment = traces.at(time_s)
    share, voice = float(traces.speech[moment]), traces.gliding[moment + 1 : moment + 20]
    voiced = bool(voice.size) and float(voice.mean()) >= _VOICE_SHARE
    music_there = traces.partials[moment] >= _MUSIC_PARTIALS and traces.tonal[moment] >= _MUSIC_TONAL
    return _Onset(
        sample=sample,
        height=height,
        level_db=treble,
        above_db=min(treble - _usual(levels[0], at), plain - _usual(levels[1], at) + _PLAIN_EASE_DB),
        rise_db=treble - _before(levels[0], at),
        from_quiet_db=min(treble - _before(levels[0], at), plain - _before(levels[1], at) + _QUIET_EASE_DB),
        spoken=share >= (_SPEECH_SHARE_BEFORE_VOICE if voiced else _SPEECH_SHARE)
        and traces.tonal[moment] < _NO_SPEECH_TONAL,
        tonal=float(traces.tonal[moment]) if music_there else 0.0,
    )


def _peak(level_db: NDArray[np.float64], at: int) -> float:
    return float(level_db[max(0, at - 3) : at + 8].max())


def _before(level_db: NDArray[np.float64], at: int) -> float:
    return float(np.percentile(level_db[max(0, at - 20) : max(1, at - 2)], 80))


def _usual(level_db: NDArray[np.float64], at: int) -> float:
    """Return the level that the loud moments of the seconds around have: of words, not of the pauses between them."""
    far, near = round(1.5 / _BIN_S), round(0.15 / _BIN_S)
    around = np.concatenate([level_db[max(0, at - far) : max(0, at - near)], level_db[at + near : at + far]])
    return float(np.percentile(around, 85)) if around.size else float(level_db[at])


def _judged(onsets: list[_Onset], curve: NDArray[np.float64], motion: SeenMotion | None) -> Iterator[_JudgedOnset]:
    """Yield the onsets of a stretch that are hits."""
    hop_s = music.HOP_SAMPLES / music.SAMPLE_RATE
    agreement = 0.0 if motion is None else motion.agreement(curve, hop_s=hop_s)
    for onset in onsets:
        # The more a sound is music, the better the picture has to go with it.
        time_s = onset.sample / SAMPLE_RATE
        seen = motion is not None and motion.moves(time_s)
        played = agreement >= 0.2 + 4.0 * onset.tonal or (seen and onset.from_quiet_db >= _STRUCK_RISE_DB)
        if not onset.stands_out and (onset.spoken or (onset.tonal and not played)):
            continue
        if not (seen or onset.clear):
            continue
        sure = 0.6 + 0.4 * min(1.0, (onset.height - _DELTA) / 0.4)
        if onset.spoken or onset.tonal:
            sure *= 0.75 if onset.stands_out else 0.5
        if time_s < _BEGIN_S and onset.rise_db < _BEGIN_RISE_DB:
            # A sound that has begun rises from the silence that the detector puts before it.
            sure = _BEGIN_CONFIDENCE
        place = motion.place(time_s) if motion is not None and seen else None
        yield _JudgedOnset(onset=onset, confidence=sure if seen else 0.6 * sure, place=place)


def _hits(found: list[_JudgedOnset]) -> tuple[Hit, ...]:
    loudest_db = max((one.onset.level_db for one in found), default=0.0)
    hits: list[Hit] = []
    for one in sorted(found, key=lambda one: one.onset.sample):
        time_s = Fraction(one.onset.sample, SAMPLE_RATE)
        if hits and time_s - hits[-1].time_s < MIN_GAP_S:
            # Both were moved to one step, or a border of stretches lay between them.
            continue
        below = (loudest_db - one.onset.level_db) / _LOUDNESS_RANGE_DB
        hits.append(
            Hit(
                time_s=time_s,
                strength=round(min(1.0, max(0.05, 1.0 - below)), 2),
                confidence=round(max(0.0, min(1.0, one.confidence)), 3),
                place=one.place,
                source="guide",
                heard=True,
            )
        )
    return tuple(hits)
