"""Timelines as values: the same places as the walk has, for sound, pictures, markers and odd files."""

from __future__ import annotations

import gc
from fractions import Fraction
from typing import Any

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.timeline.flat import FlatTimeline
from avlink.timeline.flatten import flatten_timeline
from avlink.timeline.walk import list_sounds

VIDEO, AUDIO = otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio


def at(value: float, rate: float = 24) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(value, rate)


def span(start: float, duration: float, rate: float = 24) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(at(start, rate), at(duration, rate))


def clip(start: float, duration: float, *, rate: float = 24, name: str = "c", speed: float = 1) -> otio.schema.Clip:
    made = otio.schema.Clip(name, otio.schema.ExternalReference("a.wav"), span(start, duration, rate))
    if speed != 1:
        made.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
    return made


def marked(item: otio.core.Item, *frames: float) -> Any:
    item.markers.extend(otio.schema.Marker(f"m{frame:g}", span(frame, 0)) for frame in frames)
    return item


def timeline_of(video: list[otio.core.Item], audio: list[otio.core.Item]) -> otio.schema.Timeline:
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("V1", video, kind=VIDEO))
    timeline.tracks.append(otio.schema.Track("A1", audio, kind=AUDIO))
    return timeline


def sounds(timeline: FlatTimeline) -> list[tuple[str, Fraction, Fraction]]:
    return [(one.name, one.start_s, one.duration_s) for track in timeline.sound_tracks for one in track.clips]


def marks(timeline: FlatTimeline) -> dict[str, Fraction]:
    return {marker.name: marker.start_s for marker in timeline.markers}


@pytest.mark.parametrize("speed, seconds", [(2.0, 2), (0.5, 8), (-2.0, 2)])
def test_sound_behind_a_retimed_clip_of_premiere_lies_where_that_ends(speed: float, seconds: int) -> None:
    timeline = timeline_of([], [clip(0, 96, speed=speed), clip(240, 48, name="next")])
    timeline.metadata["PremierePro_OTIO"] = {}
    (retimed, after) = flatten_timeline(timeline).sound_tracks[0].clips
    assert (retimed.speed, retimed.duration_s, after.start_s) == (Fraction(speed), seconds, seconds)


@pytest.mark.parametrize(
    "speed, premiere, frame, seen_s",
    [
        (2.0, False, 96, 1),
        (0.5, False, 60, 1),
        (2.0, True, 96, 1),
        (-1.0, False, 60, Fraction(3, 2)),
        (-2.0, False, 96, 1),
    ],
)
def test_markers_lie_where_the_picture_that_they_mark_is_seen(
    speed: float, premiere: bool, frame: float, seen_s: Fraction
) -> None:
    timeline = timeline_of([marked(clip(48, 96 if premiere else 48, speed=speed), frame)], [clip(0, 48)])
    if premiere:
        timeline.metadata["PremierePro_OTIO"] = {}
    assert marks(flatten_timeline(timeline)) == {f"m{frame:g}": seen_s}


def test_markers_in_nested_sequences_lie_where_these_are_seen() -> None:
    inner = otio.schema.Track("inner", [otio.schema.Gap(duration=at(24)), marked(clip(0, 48), 12)])
    stack = otio.schema.Stack("nest", [marked(inner, 30)], source_range=span(12, 48))
    stack.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    timeline = timeline_of([otio.schema.Gap(duration=at(24)), marked(stack, 24, 200)], [clip(0, 96)])
    timeline.tracks.markers.append(otio.schema.Marker("whole", span(6, 0)))
    found = marks(flatten_timeline(timeline))
    # The nest shows its frames 12 to 108 at double speed from second 1 on.
    assert found == {"whole": Fraction(1, 4), "m24": Fraction(5, 4), "m30": Fraction(11, 8), "m12": Fraction(3, 2)}


def test_a_marker_that_a_program_repeats_is_there_once() -> None:
    timeline = timeline_of([marked(clip(0, 48), 12)], [marked(clip(0, 48), 12)])
    assert marks(flatten_timeline(timeline)) == {"m12": Fraction(1, 2)}
    gap = marked(otio.schema.Gap(duration=at(48)), 3)
    assert marks(flatten_timeline(timeline_of([gap], []))) == {"m3": Fraction(1, 8)}


@given(st.floats(allow_nan=True, allow_infinity=True) | st.just(0.0))
def test_a_marker_at_no_valid_time_is_left_out_and_nothing_else(rate: float) -> None:
    timeline = timeline_of([clip(0, 48)], [clip(0, 48)])
    timeline.tracks[0][0].markers.append(otio.schema.Marker("odd", otio.opentime.TimeRange(at(1), at(0, rate))))
    assert sounds(flatten_timeline(timeline)) == [("c", 0, 2)]


@pytest.mark.parametrize("start", [at(86400, 0), at(float("nan"), 24), at(86400, float("nan")), at(-5, 24)])
def test_a_start_at_no_valid_time_is_none(start: otio.opentime.RationalTime) -> None:
    timeline = timeline_of([clip(0, 48)], [clip(0, 48)])
    timeline.global_start_time = start
    found = flatten_timeline(timeline)
    assert (found.origin_s, found.rate, sounds(found)) == (0, 24, [("c", 0, 2)])


def test_a_transition_at_no_valid_rate_is_none() -> None:
    timeline = timeline_of([], [clip(0, 48), otio.schema.Transition("", "", at(6, 0), at(6, 0)), clip(0, 48)])
    assert sounds(flatten_timeline(timeline)) == [("c", 0, 2), ("c", 2, 2)]


def test_the_frame_rate_is_that_of_the_pictures() -> None:
    timeline = timeline_of([clip(0, 50, rate=25)], [clip(0, 96000, rate=48000)])
    timeline.tracks[:] = [timeline.tracks[1].deepcopy(), timeline.tracks[0].deepcopy()]
    assert flatten_timeline(timeline).rate == 25
    assert flatten_timeline(timeline_of([], [clip(0, 96000, rate=48000)])).rate == 24
    assert flatten_timeline(timeline_of([], [clip(0, 96000, rate=48000), clip(0, 50, rate=25)])).rate == 25
    timeline.global_start_time = at(0, 48000)
    assert flatten_timeline(timeline).rate == 25
    timeline.global_start_time = at(0, 30000 / 1001)
    assert flatten_timeline(timeline).rate == Fraction(30000, 1001)


def test_nested_sound_lies_where_the_walk_finds_it_and_overlaps_on_further_tracks() -> None:
    rows = [otio.schema.Track(name, [clip(0, 48, name=name)], kind=AUDIO) for name in ("low", "high")]
    stack = otio.schema.Stack("nest", rows, source_range=span(12, 24))
    timeline = timeline_of([], [clip(0, 24, name="first"), stack, clip(0, 24, name="last")])
    found = flatten_timeline(timeline)
    assert [(track.name, [one.name for one in track.clips]) for track in found.sound_tracks] == [
        ("A1", ["first", "low", "last"]),
        ("A1 2", ["high"]),
    ]
    by_walk = {(one.name, one.timeline_start_s, one.timeline_duration_s) for one in list_sounds(timeline)}
    assert by_walk == set(sounds(found))
    assert found.sound_tracks[1].clips[0].media[0].offset_s == Fraction(1, 2)


def test_what_is_off_is_there_and_muted() -> None:
    timeline = timeline_of([], [clip(0, 24), clip(0, 24), clip(0, 24)])
    timeline.tracks[1][0].enabled = False
    timeline.tracks[1][1].metadata["fcp_xml"] = {"enabled": "FALSE"}
    (track,) = flatten_timeline(timeline).sound_tracks
    assert ([one.muted for one in track.clips], track.muted) == ([True, True, False], False)
    timeline.tracks[1].enabled = False
    (track,) = flatten_timeline(timeline).sound_tracks
    assert ([one.muted for one in track.clips], track.muted) == ([True, True, False], True)


def test_ramps_and_unknown_lengths_are_told() -> None:
    ramp = clip(0, 24, name="ramp")
    ramp.effects.append(otio.schema.TimeEffect())
    endless = otio.schema.Clip("endless", otio.schema.ExternalReference("a.wav"))
    timeline = timeline_of([], [ramp, clip(0, 24), endless, clip(0, 24, name="lost")])
    (track,) = flatten_timeline(timeline).sound_tracks
    assert [(one.name, one.speed) for one in track.clips] == [("ramp", None), ("c", 1)]
    assert [sentence.split("'")[1] for sentence in track.left_out] == ["endless", "lost"]


def test_a_trimmed_timeline_shows_what_is_left() -> None:
    timeline = timeline_of([clip(0, 96)], [marked(clip(24, 96), 40, 60)])
    timeline.tracks.source_range = span(24, 48)
    found = flatten_timeline(timeline)
    assert sounds(found) == [("c", 0, 2)]
    assert found.sound_tracks[0].clips[0].media[0].offset_s == 2
    assert marks(found) == {"m60": Fraction(1, 2)}


def test_stems_repeat_what_their_pictures_ask_for() -> None:
    timeline = timeline_of([clip(0, 24, name="door"), clip(0, 24, name="rain")], [])
    timeline.tracks[0][0].metadata["avlink"] = {"prompt": "oak", "seed": 7}
    ids = [one.id for one in flatten_timeline(timeline).tracks[0].clips]
    stem = clip(0, 24, name="door")
    stem.metadata["avlink"] = {"id": ids[0], "prompt": "pine"}
    timeline.tracks.append(otio.schema.Track("FOLEY", [stem], kind=AUDIO, metadata={"avlink": {"role": "sync"}}))
    found = flatten_timeline(timeline)
    (foley,) = found.sound_tracks
    assert (foley.ours, foley.clips[0].id, foley.clips[0].requests["prompt"]) == (True, ids[0], "oak")
    assert [one.has_stem for one in found.tracks[0].clips] == [True, False]


def test_values_live_on_without_their_timeline() -> None:
    timeline = timeline_of([], [clip(0, 24)])
    timeline.tracks[1][0].metadata["of"] = {"a program": [1, {"deep": True}]}
    found = flatten_timeline(timeline)
    del timeline
    gc.collect()
    assert found.sound_tracks[0].clips[0].metadata == {"of": {"a program": [1, {"deep": True}]}}


def test_transitions_reach_no_further_than_the_files_go() -> None:
    first, second = clip(12, 48), clip(6, 48)
    for one in (first, second):
        one.media_reference.available_range = span(0, 66)
    cross = otio.schema.Transition("", "SMPTE_Dissolve", at(12), at(12))
    first, second = flatten_timeline(timeline_of([], [first, cross, second])).sound_tracks[0].clips
    # The first file ends 6 frames after the cut, the second begins 6 frames before it.
    assert (first.trail_s, first.fade_out_s) == (Fraction(1, 4), Fraction(3, 4))
    assert (second.lead_s, second.fade_in_s, second.media[0].offset_s) == (Fraction(1, 4), Fraction(3, 4), 0)
