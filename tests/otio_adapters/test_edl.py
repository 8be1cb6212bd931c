"""An EDL that AVLink writes reads back as the sound that it was written from."""

from __future__ import annotations

import re
import warnings
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
from avlink_otio import edl
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.clock import exact_rate
from avlink.timeline.formats.edl import read_edl
from avlink.timeline.read import read_timeline
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_sounds

Time, Range = otio.opentime.RationalTime, otio.opentime.TimeRange
RATES = [24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 23.976, 29.97, 59.94]

Sound = tuple[str, int, int, int, Fraction]
"""A file, its first frame, its place, its length in frames, and its speed."""


def timeline_of(rate: float, start: int, sounds: list[list[Sound]]) -> otio.schema.Timeline:
    timeline = otio.schema.Timeline("cut", global_start_time=Time(start, rate))
    for number, row in enumerate(sounds, start=1):
        track, end = otio.schema.Track(f"A{number}", kind=otio.schema.TrackKind.Audio), 0
        for url, first, place, length, speed in row:
            if place > end:
                track.append(otio.schema.Gap(source_range=Range(Time(0, rate), Time(place - end, rate))))
            reference = otio.schema.ExternalReference(url)
            clip = otio.schema.Clip("take", reference, Range(Time(first, rate), Time(length, rate)))
            if speed != 1:
                clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(speed)))
            track.append(clip)
            end = place + length
        timeline.tracks.append(track)
    return timeline


def read_back(text: str, rate: float) -> tuple[Fraction, list[tuple[str, str, Fraction, Fraction, Fraction, Fraction]]]:
    """The start of a list in frames, and track, file, first frame, place, length and speed of its events."""
    found = read_edl(text.encode(), rate=exact_rate(rate))
    (timeline,), frames = found.timelines, exact_rate(rate)
    clips = [one for one in list_sounds(timeline) if isinstance(one, ClipRef)]
    return Fraction(timeline.global_start_time.value), [
        (
            one.track,
            one.media[0].url,
            one.source_low_s * frames,
            one.timeline_start_s * frames,
            one.timeline_duration_s * frames,
            one.speed,
        )
        for one in clips
    ]


@st.composite
def drawn(draw: st.DrawFn) -> tuple[float, int, list[list[Sound]]]:
    rate = draw(st.sampled_from(RATES))
    nominal = round(rate)
    # M2 lines have tenths of frames per second, and at NTSC rates whole percents are meant.
    grid = 10 * nominal if rate == nominal else 100
    speeds = st.integers(-4 * grid, 4 * grid).filter(bool).map(lambda count: Fraction(count, grid))
    names = st.sampled_from(["a.wav", "b c.wav", "stems/d%20e.wav", "/sound/Tür.wav", "f#1.wav"])
    tracks = []
    for _ in range(draw(st.integers(1, 3))):
        row: list[Sound] = []
        end = 0
        for _ in range(draw(st.integers(0, 4))):
            end += draw(st.sampled_from([0, 0, 1, 100, 5000]))
            length = draw(st.integers(1, 3000))
            speed = draw(st.just(Fraction(1)) | speeds)
            row.append((draw(names), draw(st.integers(0, 100_000)), end, length, speed))
            end += length
        tracks.append(row)
    return rate, draw(st.sampled_from([0, 3600, 36000, 86390])) * nominal, tracks


@given(drawn())
def test_all_that_is_written_reads_back(cut: tuple[float, int, list[list[Sound]]]) -> None:
    rate, start, tracks = cut
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = edl.write_to_string(timeline_of(rate, start, tracks))
    sounds = [(number, sound) for number, row in enumerate(tracks, start=1) for sound in row]
    if not sounds:
        assert " C " not in text
        return
    begin, found = read_back(text, rate)
    # A list begins with its first event, and timecode names no day.
    lead = min(place for _, (_, _, place, *_) in sounds)
    assert (begin - start - lead) % (86400 * round(rate)) == 0 or exact_rate(rate).denominator == 1001
    wanted = [
        ("A" if number == 1 else f"A{number}", url, first, place - lead, length, speed)
        for number, (url, first, place, length, speed) in sounds
    ]
    assert sorted(found) == sorted(wanted)


def test_the_clip_name_is_that_of_the_stem_and_the_source_file_its_path(tmp_path: Path) -> None:
    timeline = timeline_of(24, 86400, [[(str(tmp_path / "cut.stems" / "one  two.wav"), 0, 0, 48, Fraction(1))]])
    edl.write_to_file(timeline, str(tmp_path / "cut.edl"))
    text = (tmp_path / "cut.edl").read_text()
    assert "* FROM CLIP NAME: one  two.wav\n* SOURCE FILE: cut.stems/one  two.wav\n" in text
    (sound,) = list_sounds(read_timeline(tmp_path / "cut.edl").timeline)
    assert isinstance(sound, ClipRef) and sound.media[0].url == "cut.stems/one  two.wav"


def test_retimed_sound_has_an_m2(recwarn: pytest.WarningsRecorder) -> None:
    row = [("a.wav", 24, 0, 48, Fraction(2)), ("a.wav", 0, 48, 48, Fraction(-1, 2)), ("a.wav", 0, 96, 48, Fraction(0))]
    text = edl.write_to_string(timeline_of(24, 0, [row]))
    assert re.findall(r"^M2.*", text, re.MULTILINE) == [
        "M2   AX             048.0                00:00:01:00",
        "M2   AX             -012.0                00:00:00:00",
    ]
    assert "00:00:01:00 00:00:05:00 00:00:00:00 00:00:02:00" in text
    assert [str(one.message) for one in recwarn] == ["'take' is retimed and is left out"]


def test_a_speed_between_tenths_of_a_frame_is_told() -> None:
    with pytest.warns(UserWarning, match=r"the speed of 'take' is 101\.23 %, of which an EDL says 101\.25 %"):
        edl.write_to_string(timeline_of(24, 0, [[("a.wav", 0, 0, 48, Fraction(10123, 10000))]]))
