"""Times in OTIO files that are no numbers: told in words, and never taken for 0."""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan
from pathlib import Path

import opentimelineio as otio
import pytest

from avlink.timeline.read import read_timeline
from avlink.timeline.resolve import Unresolved, find_media
from avlink.timeline.select import select_clips
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.walk import list_clips

Time = otio.opentime.RationalTime
NO_TIMES = [(nan, 24), (inf, 24), (-inf, 24), (5, 0), (5, nan), (5, -24)]


def _span(start: Time) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(start, Time(48, 24))


def _clip(name: str, start: Time) -> otio.schema.Clip:
    return otio.schema.Clip(name, otio.schema.ExternalReference(f"{name}.mp4"), _span(start))


@pytest.mark.parametrize("value, rate", NO_TIMES)
def test_a_clip_that_begins_at_no_time_keeps_its_place_and_gets_no_sound(value: float, rate: float) -> None:
    timeline = otio.schema.Timeline("cut")
    clips = [_clip("a", Time(0, 24)), _clip("lost", Time(value, rate)), _clip("b", Time(12, 24))]
    timeline.tracks.append(otio.schema.Track("V1", clips))
    a, lost, b = select_clips(list_clips(timeline))
    assert isinstance(a, ClipRef) and isinstance(b, ClipRef) and b.timeline_start_s == 4
    assert isinstance(lost, Skip) and lost.reason.startswith("begins at no time (") and f"{value:g}" in lost.reason
    assert (lost.timeline_start_s, lost.timeline_duration_s, lost.opaque) == (2, 2, True)


def test_zero_is_zero_at_any_rate() -> None:
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("V1", [_clip("a", Time(0, 0))]))
    (clip,) = list_clips(timeline)
    assert isinstance(clip, ClipRef) and clip.source_start_s == 0


@pytest.mark.parametrize("value, rate", NO_TIMES)
def test_a_nested_sequence_that_begins_at_no_time_is_one_skip(value: float, rate: float) -> None:
    nest = otio.schema.Stack("nest", [otio.schema.Track("in", [_clip("a", Time(0, 24))])], _span(Time(value, rate)))
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("V1", [nest]))
    (lost,) = list_clips(timeline)
    assert isinstance(lost, Skip) and lost.name == "nest" and "begins at no time" in lost.reason


@pytest.mark.parametrize("value, rate", NO_TIMES)
def test_media_whose_range_begins_at_no_time_is_passed_over(tmp_path: Path, value: float, rate: float) -> None:
    clip = _clip("a", Time(24, 24))
    clip.media_reference.available_range = _span(Time(value, rate))
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("V1", [clip]))
    (tmp_path / "a.mp4").touch()
    (found,) = list_clips(timeline)
    assert isinstance(found, ClipRef)
    with pytest.raises(Unresolved, match="the range of its media begins at no time") as error:
        find_media(found, tmp_path)
    assert error.value.failed
    (tmp_path / "proxy.mp4").touch()
    proxy = otio.schema.ExternalReference("proxy.mp4", _span(Time(0, 24)))
    clip.set_media_references({"DEFAULT_MEDIA": clip.media_reference, "proxy": proxy}, "DEFAULT_MEDIA")
    (found,) = list_clips(timeline)
    assert isinstance(found, ClipRef) and find_media(found, tmp_path)[1] == tmp_path / "proxy.mp4"


@pytest.mark.parametrize("value, rate", NO_TIMES)
def test_a_timeline_that_starts_at_no_time_says_so(tmp_path: Path, value: float, rate: float) -> None:
    timeline = otio.schema.Timeline("cut", global_start_time=Time(value, rate))
    timeline.tracks.append(otio.schema.Track("V1", [_clip("a", Time(0, 24))]))
    timeline.tracks.source_range = _span(Time(value, rate))
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    file = read_timeline(tmp_path / "cut.otio")
    assert [note.partition(" as the start of ")[2][:12] for note in file.notes] == ["its timecode", "the range th"]
    (clip,) = list_clips(file.timeline)
    assert isinstance(clip, ClipRef) and clip.timeline_duration_s == Fraction(2)
