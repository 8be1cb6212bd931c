"""Hits that are heard: to the sample, once each, whatever the gain and the place, and none of speech and music."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from avlink.core.hits import Hit
from avlink.core.values import Waveform
from avlink.metrics.guide import MIN_GAP_S, guide_hits, is_silent
from avlink.metrics.sync import match_onsets

sys.path.insert(0, str(Path(__file__).parent))
from guide_sounds import RATE, impacts, music, pictures, speech, wave

TIMES_S = [0.4, 1.13, 1.9, 2.31, 3.07, 3.7, 4.42]


def _samples(hits: tuple[Hit, ...]) -> list[int]:
    return [round(hit.time_s * RATE) for hit in hits]


@pytest.mark.parametrize("kind", ["noise", "wood", "thud"])
def test_blows_are_heard_to_the_sample(kind: str) -> None:
    hits = guide_hits(wave(impacts(TIMES_S, 5.0, kind=kind)))
    assert len(hits) == len(TIMES_S)
    for hit, time_s in zip(hits, TIMES_S, strict=True):
        assert abs(float(hit.time_s) - time_s) < 0.001
        assert hit.source == "guide" and hit.heard and hit.kind == "hit" and hit.place is None
    assert max(hit.strength for hit in hits) == 1.0 and min(hit.strength for hit in hits) < 0.95
    early = [abs(sample - round(time_s * RATE)) for sample, time_s in zip(_samples(hits), TIMES_S, strict=True)]
    assert np.median(early) <= 2


@pytest.mark.parametrize("shift", [1, 333, 1024, 20_000])
def test_a_guide_that_is_shifted_gives_shifted_hits(shift: int) -> None:
    sound = impacts(TIMES_S, 5.0)
    room = np.random.default_rng(9).standard_normal(shift) * 1e-4
    before, after = guide_hits(wave(sound)), guide_hits(wave(np.concatenate([room, sound])))
    assert len(before) == len(after)
    for one, other in zip(_samples(before), _samples(after), strict=True):
        assert abs(other - one - shift) <= 0.001 * RATE
    assert [hit.strength for hit in after] == pytest.approx([hit.strength for hit in before], abs=0.1)


@pytest.mark.parametrize("gain", [0.01, 0.25, 3.0])
def test_gain_changes_nothing(gain: float) -> None:
    sound = impacts(TIMES_S, 5.0)
    plain, other = guide_hits(wave(sound)), guide_hits(wave(sound * gain))
    assert _samples(plain) == _samples(other)
    assert [hit.strength for hit in plain] == [hit.strength for hit in other]


def test_nothing_is_heard_twice_in_a_long_guide() -> None:
    rng = np.random.default_rng(4)
    times_s = np.cumsum(rng.uniform(0.3, 1.1, 100)).tolist()
    hits = guide_hits(wave(impacts(times_s, times_s[-1] + 1, floor=1e-5)))
    gaps = np.diff([float(hit.time_s) for hit in hits])
    assert (gaps >= MIN_GAP_S).all()
    assert len(hits) <= len(times_s)
    score = match_onsets(times_s, [float(hit.time_s) for hit in hits], 0.002)
    assert score.precision == 1.0 and score.recall >= 0.97


@pytest.mark.parametrize("seed", range(3))
def test_speech_gives_nearly_no_hits(seed: int) -> None:
    talk = wave(speech(10.0, seed=seed))
    # Some forty syllables, each with an onset.
    assert len(guide_hits(talk)) <= 2
    assert len(guide_hits(talk, pictures(10.0))) <= 3


@pytest.mark.parametrize("beat", [False, True])
def test_music_gives_nearly_no_hits(beat: bool) -> None:
    tune = wave(music(10.0, beat=beat))
    assert len(guide_hits(tune)) <= 1
    assert len(guide_hits(tune, pictures(10.0))) <= 3


def test_a_blow_is_heard_through_talk() -> None:
    talk = speech(8.0)
    shot_s = [2.2, 5.4]
    blows = impacts(shot_s, 8.0, floor=0)
    mixed = 0.15 * talk / np.abs(talk).max() + blows / np.abs(blows).max()
    found = [float(hit.time_s) for hit in guide_hits(wave(mixed))]
    assert match_onsets(shot_s, found, 0.005).recall == 1.0
    assert len(found) <= 4, found


def test_what_is_no_clear_transient_needs_motion() -> None:
    rng = np.random.default_rng(1)
    sound = rng.standard_normal(5 * RATE) * 0.02
    # Swells of 40 ms, nine decibels above the room.
    for time_s in TIMES_S:
        start = round(time_s * RATE)
        t = np.arange(round(0.2 * RATE)) / RATE
        sound[start : start + len(t)] += 0.06 * rng.standard_normal(len(t)) * np.minimum(1, t / 0.04) * np.exp(-t / 0.1)
    still, moving = guide_hits(wave(sound)), guide_hits(wave(sound), pictures(5.0, TIMES_S))
    assert len(still) < len(moving)
    assert match_onsets(TIMES_S, [float(hit.time_s) for hit in moving], 0.05).recall >= 0.85
    assert all(hit.place is not None for hit in moving)


def test_music_that_is_seen_being_played_is_heard() -> None:
    rng = np.random.default_rng(2)
    times_s = np.cumsum(rng.uniform(0.35, 0.7, 16)).tolist()
    length_s = times_s[-1] + 0.7
    sound = np.random.default_rng(0).standard_normal(round(length_s * RATE)) * 3e-3
    for number, time_s in enumerate(times_s):
        t = np.arange(round(0.6 * RATE)) / RATE
        hz = 220 * 2 ** (number % 5 / 6)
        bar = sum(np.sin(2 * np.pi * hz * k * t) * np.exp(-t / 0.3) for k in (1, 2, 3, 4, 5)) * 0.1
        start = round(time_s * RATE)
        sound[start : start + len(bar)] += bar[: len(sound) - start]
    played = guide_hits(wave(sound), pictures(length_s, times_s))
    foreign = guide_hits(wave(sound), pictures(length_s, [time_s + 0.31 for time_s in times_s[::-3][::-1]]))
    assert match_onsets(times_s, [float(hit.time_s) for hit in played], 0.05).f1 > 0.8
    assert len(foreign) < len(played) / 2


def test_silence_and_steady_sound_have_no_hits() -> None:
    rng = np.random.default_rng(3)
    steady = rng.standard_normal(4 * RATE) * 0.1
    assert guide_hits(wave(np.zeros(RATE))) == () and guide_hits(wave(np.zeros(0))) == ()
    assert guide_hits(wave(steady)) == ()
    # It has begun before its first sample: nobody knows what was before.
    assert all(hit.time_s < 0.1 and hit.confidence <= 0.3 for hit in guide_hits(wave(steady), pictures(4.0)))
    assert is_silent(wave(np.zeros(10))) and is_silent(wave(steady * 1e-5)) and not is_silent(wave(steady))


def test_what_is_no_guide_is_refused() -> None:
    with pytest.raises(ValueError, match="mono at 44100 Hz"):
        guide_hits(Waveform(samples=np.zeros((1, 10), np.float32), sample_rate=48000))
    with pytest.raises(ValueError, match="mono"):
        guide_hits(Waveform(samples=np.zeros((2, 10), np.float32), sample_rate=RATE))
    with pytest.raises(ValueError, match="finite"):
        guide_hits(wave(np.full(RATE, np.nan)))
