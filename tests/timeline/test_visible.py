"""Markers that are cues: how they are read, and that their clips get sound in their ranges only."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.timeline.markers import Marker, MarkerCue, read_cue
from avlink.timeline.select import select_clips
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.visible import cued_parts, seen
from avlink.timeline.walk import list_clips

SECOND = 24


def _time(seconds: float) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(seconds * SECOND, SECOND)


def _span(start: float, duration: float) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(_time(start), _time(duration))


def _marker(name: str, start: float, duration: float, comment: str = "") -> otio.schema.Marker:
    return otio.schema.Marker(name, _span(start, duration), comment=comment)


def _timeline() -> otio.schema.Timeline:
    """Two clips of 4 s; their media is seen from 10 s on."""
    timeline = otio.schema.Timeline("t")
    clips = [otio.schema.Clip(name, otio.schema.ExternalReference("a.mp4"), _span(10, 4)) for name in ("one", "two")]
    timeline.tracks.append(otio.schema.Track("V1", clips))
    return timeline


def _seen(timeline: otio.schema.Timeline) -> list[tuple[str, float, float, str, str | None]]:
    clips = [item for item in select_clips(list_clips(timeline)) if isinstance(item, ClipRef)]
    assert len({clip.id for clip in clips}) == len(clips)
    return [
        (clip.name, float(clip.timeline_start_s), float(clip.timeline_end_s), clip.role, clip.asked_prompt)
        for clip in clips
    ]


@pytest.mark.parametrize(
    ("name", "comment", "cue"),
    [
        ("FOLEY: footsteps on gravel", "", MarkerCue(role="sync", prompt="footsteps on gravel")),
        ("foley :steps", "x", MarkerCue(role="sync", prompt="steps")),
        ("Amb: wind", "", MarkerCue(role="ambience", prompt="wind")),
        ("Marker 3", "ambience: rain", MarkerCue(role="ambience", prompt="rain")),
        ("FOLEY:", "a door", MarkerCue(role="sync", prompt="a door")),
        ("FOLEY:", "", MarkerCue(role="sync", prompt=None)),
        ("foley", "", None),
        ("fix the FOLEY: here", "", None),
    ],
)
def test_cues_are_read_from_name_or_comment(name: str, comment: str, cue: MarkerCue | None) -> None:
    zero = Fraction(0)
    assert read_cue(Marker(name=name, colour="", comment=comment, start_s=zero, duration_s=zero)) == cue


def test_a_range_on_a_clip_limits_the_sound_to_it() -> None:
    timeline = _timeline()
    timeline.tracks[0][0].markers.append(_marker("FOLEY: steps", 11, 2))
    assert _seen(timeline) == [("one", 1, 3, "sync", "steps"), ("two", 4, 8, "sync", None)]
    parts = select_clips(list_clips(timeline))
    assert isinstance(parts[0], ClipRef) and parts[0].source_start_s == 11


def test_several_markers_give_several_stems_and_points_all_of_the_clip() -> None:
    timeline = _timeline()
    clip = timeline.tracks[0][0]
    clip.markers.extend([_marker("FOLEY: steps", 11, 1), _marker("FOLEY: door", 11, 1)])
    clip.markers.append(_marker("AMB: wind", 13, 1 / 24))
    clip.markers.append(_marker("FOLEY: steps", 11, 1))
    assert _seen(timeline)[:3] == sorted(
        [("one", 0, 4, "ambience", "wind"), ("one", 1, 2, "sync", "door"), ("one", 1, 2, "sync", "steps")]
    )


def test_ambience_is_laid_beside_the_foley_and_foley_beside_ambience() -> None:
    timeline = _timeline()
    timeline.tracks.markers.append(_marker("AMB: rain", 2, 4))
    assert sorted(_seen(timeline), key=str) == sorted(
        [
            ("one", 0, 4, "sync", None),
            ("one", 2, 4, "ambience", "rain"),
            ("two", 4, 8, "sync", None),
            ("two", 4, 6, "ambience", "rain"),
        ],
        key=str,
    )
    for clip in timeline.tracks[0]:
        clip.metadata["avlink"] = {"mode": "ambience"}
    assert _seen(timeline) == [("one", 2, 4, "ambience", "rain"), ("two", 4, 6, "ambience", "rain")]


def test_markers_of_track_and_timeline_reach_over_cuts() -> None:
    timeline = _timeline()
    timeline.tracks[0].markers.append(_marker("FOLEY: run", 3, 2))
    timeline.tracks.markers.append(_marker("amb: sea", 7, 0))
    assert sorted(_seen(timeline)) == [
        ("one", 3, 4, "sync", "run"),
        ("two", 4, 5, "sync", "run"),
        ("two", 4, 8, "ambience", "sea"),
    ]


def test_words_of_the_marker_win_over_those_of_the_clip_and_off_over_both() -> None:
    timeline = _timeline()
    clip = timeline.tracks[0][0]
    clip.metadata["avlink"] = {"prompt": "wood", "mode": "ambience"}
    clip.markers.append(_marker("FOLEY: steps", 11, 1))
    assert sorted(_seen(timeline), key=str)[:2] == [("one", 0, 4, "ambience", "wood"), ("one", 1, 2, "sync", "steps")]
    clip.metadata["avlink"] = {"mode": "off"}
    assert [seen[0] for seen in _seen(timeline)] == ["two"]


def test_what_lies_above_hides_parts_of_a_cue_s_range() -> None:
    timeline = _timeline()
    timeline.tracks[0][0].markers.append(_marker("FOLEY: steps", 11, 2))
    timeline.tracks[0][0].markers.append(_marker("AMB: wind", 13.5, 0))
    above = otio.schema.Clip("above", otio.schema.ExternalReference("b.mp4"), _span(0, 1))
    timeline.tracks.append(otio.schema.Track("V2", [otio.schema.Gap(source_range=_span(0, 2)), above]))
    seen = [one for one in _seen(timeline) if one[0] == "one"]
    assert sorted(seen) == [
        ("one", 0, 2, "ambience", "wind"),
        ("one", 1, 2, "sync", "steps"),
        ("one", 3, 4, "ambience", "wind"),
    ]


cues = st.lists(st.tuples(st.integers(-2, 6), st.integers(0, 6), st.sampled_from(["FOLEY: a", "amb: b", "note"])))


@given(cues)
def test_parts_lie_within_their_clip_and_other_words_keep_their_ids(drawn: list[tuple[int, int, str]]) -> None:
    (clip, _) = list_clips(_timeline())
    assert isinstance(clip, ClipRef)
    markers = tuple(
        Marker(name=name, colour="", comment="", start_s=Fraction(at), duration_s=Fraction(length))
        for at, length, name in drawn
        if 0 <= at < 4 or at < 0 < at + length
    )
    parts = [part for part in cued_parts(replace(clip, markers=markers)) if isinstance(part, ClipRef)]
    assert all(0 <= part.timeline_start_s < part.timeline_end_s <= 4 for part in parts)
    assert all(part.source_start_s == 10 + part.timeline_start_s for part in parts)
    renamed = tuple(replace(marker, name=marker.name.replace(": a", ": z")) for marker in markers)
    others = [part.id for part in cued_parts(replace(clip, markers=renamed))]
    assert sorted(part.id for part in parts) == sorted(others)


def test_the_tracks_that_hide_a_clip_are_named_up_to_three() -> None:
    timeline = otio.schema.Timeline("t")
    for number in range(1, 7):
        span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(24, 24))
        clip = otio.schema.Clip(f"c{number}", otio.schema.ExternalReference("a.mp4"), span)
        timeline.tracks.append(otio.schema.Track(f"V{number}", [clip]))
    reasons = {item.name: item.reason for item in seen(list_clips(timeline)) if isinstance(item, Skip)}
    assert reasons["c5"] == "is hidden by the picture on V6"
    assert reasons["c3"] == "is hidden by the picture on V6 and V5 and V4"
    assert reasons["c1"] == "is hidden by the picture on V6 and V5 and V4 and others"
