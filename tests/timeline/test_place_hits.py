"""Hits on clips of generated timelines, also nested, retimed and reversed, and what people make of their markers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.core.hit_changes import same_sound
from avlink.core.hits import KNOWN_KINDS, Hit
from avlink.core.recipe.schema import SonifyRecipe
from avlink.timeline.hit_edits import read_hit_record
from avlink.timeline.own_time import shift_own_time
from avlink.timeline.place_hits import PlacedHits, SpottedClip, place_hits
from avlink.timeline.plan import build_plan
from avlink.timeline.values import ClipRef, Source
from avlink.timeline.visible import part_of
from avlink.timeline.walk import list_clips

Time, Range = otio.opentime.RationalTime, otio.opentime.TimeRange
RATES = (24.0, 25.0, 24000 / 1001, 30000 / 1001, 59.94)
SPEEDS = (1.0, 2.0, 0.5, -1.0, -2.0, 0.8)


def span(first: float, frames: float, rate: float = 24.0) -> otio.opentime.TimeRange:
    return Range(Time(first, rate), Time(frames, rate))


def film(name: str, first: int, frames: int, rate: float = 24.0, speed: float = 1.0) -> otio.schema.Clip:
    clip = otio.schema.Clip(name, otio.schema.ExternalReference(f"{name}.mov"), span(first, frames, rate))
    if speed != 1:
        clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
    return clip


def timeline_of(*items: otio.core.Item) -> otio.schema.Timeline:
    timeline = otio.schema.Timeline("cut", global_start_time=Time(86400, 24))
    timeline.tracks.append(otio.schema.Track("V1", list(items)))
    return timeline


@st.composite
def timelines(draw: st.DrawFn) -> otio.schema.Timeline:
    """Clips of any rate and speed, some in nested sequences that are trimmed and retimed themselves."""
    items: list[otio.core.Item] = []
    for number in range(draw(st.integers(1, 4))):
        clip = film(
            f"c{number}",
            draw(st.integers(0, 90_000)),
            draw(st.integers(12, 200)),
            draw(st.sampled_from(RATES)),
            draw(st.sampled_from(SPEEDS)),
        )
        if draw(st.booleans()):
            nest = otio.schema.Stack(f"n{number}", [otio.schema.Track("t", [clip])])
            if draw(st.booleans()):
                nest.source_range = span(draw(st.integers(0, 4)), draw(st.integers(4, 8)))
            if draw(st.booleans()):
                nest.effects.append(otio.schema.LinearTimeWarp(time_scalar=draw(st.sampled_from(SPEEDS))))
            items.append(nest)
        else:
            items.append(clip)
    return timeline_of(*items)


def clips_of(timeline: otio.schema.Timeline) -> list[ClipRef]:
    return [item for item in list_clips(timeline) if isinstance(item, ClipRef)]


@st.composite
def hits_in(draw: st.DrawFn, clip: ClipRef) -> tuple[Hit, ...]:
    """Hits of a clip at least 70 ms apart, some of them ranges that end within it."""
    steps = int(clip.timeline_duration_s / Fraction(7, 100))
    found = []
    for step in draw(st.lists(st.integers(0, max(0, steps - 1)), unique=True, max_size=5).map(sorted)):
        time_s = min(step * Fraction(7, 100), clip.timeline_duration_s - Fraction(1, 1000))
        longest = clip.timeline_duration_s - time_s
        found.append(
            Hit(
                time_s=time_s,
                duration_s=draw(st.sampled_from([Fraction(0), min(longest, Fraction(1, 3))])),
                strength=draw(st.integers(0, 1000)) / 1000,
                kind=draw(st.sampled_from([*KNOWN_KINDS, "bark"])),
                confidence=draw(st.integers(0, 1000)) / 1000,
                place=draw(st.none() | st.just((0.123, 0.456))),
                words=draw(st.sampled_from(["", "door slam", "step on gravel"])),
            )
        )
    return tuple(found)


def place(
    timeline: otio.schema.Timeline,
    hits: Callable[[ClipRef], tuple[Hit, ...]],
    previous: otio.schema.Timeline | None = None,
) -> PlacedHits:
    spotted = [SpottedClip(clip=clip, hits=hits(clip)) for clip in clips_of(timeline)]
    return place_hits(timeline, spotted, previous=previous, spotter="test", version="1")


def reread(timeline: otio.schema.Timeline) -> otio.schema.Timeline:
    found = otio.adapters.read_from_string(otio.adapters.write_to_string(timeline, "otio_json"), "otio_json")
    assert isinstance(found, otio.schema.Timeline)
    return found


@given(timelines(), st.data())
@settings(max_examples=60)
def test_hits_come_back_exactly_through_retimes_trims_and_nests(
    timeline: otio.schema.Timeline, data: st.DataObject
) -> None:
    wanted = {clip.id: data.draw(hits_in(clip)) for clip in clips_of(timeline)}
    placed = place(timeline, lambda clip: wanted[clip.id])
    assert {clip.id: clip.hits for clip in clips_of(reread(timeline))} == wanted == placed.hits


@given(timelines(), st.data())
@settings(max_examples=30)
def test_a_second_run_changes_nothing(timeline: otio.schema.Timeline, data: st.DataObject) -> None:
    wanted = {clip.id: data.draw(hits_in(clip)) for clip in clips_of(timeline)}
    fresh = timeline.deepcopy()
    place(timeline, lambda clip: wanted[clip.id])
    place(fresh, lambda clip: wanted[clip.id], previous=reread(timeline))
    assert fresh.to_json_string() == timeline.to_json_string()
    # And the same where the result itself is looked at again.
    place(fresh, lambda clip: wanted[clip.id])
    assert fresh.to_json_string() == timeline.to_json_string()


@given(timelines(), st.data())
@settings(max_examples=30)
def test_a_stretch_has_the_hits_in_it(timeline: otio.schema.Timeline, data: st.DataObject) -> None:
    wanted = {clip.id: data.draw(hits_in(clip)) for clip in clips_of(timeline)}
    place(timeline, lambda clip: wanted[clip.id])
    for clip in clips_of(timeline):
        middle_s = clip.timeline_start_s + clip.timeline_duration_s / 2
        first = part_of(clip, clip.timeline_start_s, middle_s).hits or ()
        second = part_of(clip, middle_s, clip.timeline_end_s).hits or ()
        points = [hit.time_s for hit in clip.hits or () if not hit.duration_s]
        half_s = clip.timeline_duration_s / 2
        assert points == [
            *(hit.time_s for hit in first if not hit.duration_s),
            *(hit.time_s + half_s for hit in second if not hit.duration_s),
        ]
        # A range that reaches over the cut is in both, cut there.
        whole_s = sum((hit.duration_s for hit in clip.hits or ()), Fraction(0))
        assert whole_s == sum((hit.duration_s for hit in (*first, *second)), Fraction(0))


FOUND = (
    Hit(time_s=Fraction(1, 2), strength=0.8, confidence=0.9),
    Hit(time_s=Fraction(101, 100), strength=0.6, confidence=0.7),
    Hit(time_s=Fraction(3, 2), strength=0.4, confidence=0.5),
)


@pytest.fixture
def spotted() -> otio.schema.Timeline:
    timeline = timeline_of(film("a", 100, 72))
    place(timeline, lambda clip: FOUND)
    return timeline


def again(previous: otio.schema.Timeline, found: tuple[Hit, ...] = FOUND) -> tuple[Hit, ...]:
    """The hits after a run on the same input, with an earlier result that was edited, written and read."""
    timeline = timeline_of(film("a", 100, 72))
    place(timeline, lambda clip: found, previous=reread(previous))
    (clip,) = clips_of(reread(timeline))
    # A third run, whose spotter sees everything a little earlier.
    third = timeline_of(film("a", 100, 72))
    early = tuple(replace(hit, time_s=hit.time_s - Fraction(1, 50)) for hit in found)
    place(third, lambda clip: early, previous=reread(timeline))
    by_people = [hit for hit in clip.hits or () if hit.source == "marker"]
    assert [hit for hit in clips_of(third)[0].hits or () if hit.source == "marker"] == by_people
    assert len(clips_of(third)[0].hits or ()) == len(clip.hits or ())
    return clip.hits or ()


def test_a_deleted_hit_stays_deleted(spotted: otio.schema.Timeline) -> None:
    clip = next(iter(spotted.find_clips()))
    del clip.markers[1]
    assert again(spotted) == (FOUND[0], FOUND[2])


def test_a_moved_hit_stays_where_it_was_moved(spotted: otio.schema.Timeline) -> None:
    clip = next(iter(spotted.find_clips()))
    clip.markers[1].marked_range = span(100 + 30, 1)
    first, moved, last = again(spotted)
    assert (first, last) == (FOUND[0], FOUND[2])
    assert moved == replace(FOUND[1], time_s=Fraction(30, 24), source="marker", confidence=1.0)


def test_a_renamed_hit_keeps_its_name_and_its_place_between_frames(spotted: otio.schema.Timeline) -> None:
    clip = next(iter(spotted.find_clips()))
    clip.markers[1].name = "door slam"
    renamed = again(spotted)[1]
    assert renamed == replace(FOUND[1], words="door slam", source="marker", confidence=1.0)
    clip.markers[1].name = "step 0.25"
    renamed = again(spotted)[1]
    assert (renamed.kind, renamed.strength, renamed.time_s) == ("step", 0.25, FOUND[1].time_s)


def test_a_strength_in_the_note_counts(spotted: otio.schema.Timeline) -> None:
    clip = next(iter(spotted.find_clips()))
    clip.markers[0].comment = "0.3"
    assert again(spotted)[0].strength == 0.3


def test_an_added_marker_is_a_hit_and_its_neighbour_of_the_spotter_is_none(spotted: otio.schema.Timeline) -> None:
    clip = next(iter(spotted.find_clips()))
    clip.markers.append(otio.schema.Marker("slide 0.4", span(100 + 48, 12)))
    clip.markers.append(otio.schema.Marker("ask Joe", span(100 + 5, 1)))
    hits = again(spotted, (*FOUND, Hit(time_s=Fraction(203, 100))))
    assert hits[:3] == FOUND
    assert hits[3] == Hit(
        time_s=Fraction(2), duration_s=Fraction(1, 2), kind="slide", strength=0.4, source="marker", confidence=1.0
    )
    assert len(hits) == 4


def test_other_markers_of_people_are_kept(spotted: otio.schema.Timeline) -> None:
    clip = next(iter(spotted.find_clips()))
    clip.markers.append(otio.schema.Marker("FOLEY: boots on gravel", span(100, 72)))
    timeline = timeline_of(film("a", 100, 72))
    timeline.tracks[0][0].markers.append(otio.schema.Marker("VFX 12", span(110, 1)))
    place(timeline, lambda clip: FOUND, previous=reread(spotted))
    names = [marker.name for marker in timeline.tracks[0][0].markers]
    assert names == ["VFX 12", "FOLEY: boots on gravel", "hit 0.8", "hit 0.6", "hit 0.4"]


def test_edits_follow_a_clip_that_was_moved_and_trimmed(spotted: otio.schema.Timeline) -> None:
    clip = next(iter(spotted.find_clips()))
    del clip.markers[0]
    clip.markers[0].name = "door slam"
    moved = timeline_of(film("b", 0, 24), film("a", 106, 60))
    shift_s = Fraction(6, 24)
    placed = place(
        moved,
        lambda clip: () if clip.name == "b" else tuple(replace(hit, time_s=hit.time_s - shift_s) for hit in FOUND),
        previous=reread(spotted),
    )
    hits = clips_of(moved)[1].hits or ()
    assert [(hit.words, hit.time_s + shift_s) for hit in hits] == [
        ("door slam", FOUND[1].time_s),
        ("", FOUND[2].time_s),
    ]
    assert placed.kept == ["a"] and not placed.lost


def test_edits_of_a_clip_that_is_gone_are_told(spotted: otio.schema.Timeline) -> None:
    del next(iter(spotted.find_clips())).markers[0]
    other = timeline_of(film("b", 0, 24))
    assert place(other, lambda clip: (), previous=spotted).lost == ["a"]


def test_a_program_that_drops_metadata_leaves_the_list_to_its_editor(spotted: otio.schema.Timeline) -> None:
    clip = next(iter(spotted.find_clips()))
    clip.metadata.clear()
    del clip.markers[1]
    for marker in clip.markers:
        marker.metadata.clear()
    clip.markers[0].name = "door slam"
    hits = again(spotted)
    assert [(hit.words, hit.confidence) for hit in hits] == [("door slam", 0.9), ("", 0.5)]
    # Of the place within a frame nothing is left.
    assert all(abs(hit.time_s - there.time_s) < Fraction(1, 24) for hit, there in zip(hits, FOUND[::2], strict=True))


def test_hits_of_clips_that_are_not_looked_at_stay(spotted: otio.schema.Timeline) -> None:
    timeline = timeline_of(film("a", 100, 72))
    place_hits(timeline, [], previous=reread(spotted), spotter="test", version="1")
    assert clips_of(timeline)[0].hits == FOUND


def test_a_shift_of_own_time_moves_no_hit(spotted: otio.schema.Timeline) -> None:
    shift_own_time(next(iter(spotted.find_clips())), Fraction(1234567, 48000))
    assert clips_of(reread(spotted))[0].hits == FOUND


def test_metadata_that_makes_no_sense_is_none(spotted: otio.schema.Timeline) -> None:
    clip = next(iter(spotted.find_clips()))
    clip.markers[0].metadata["avlink"]["hit"]["strength"] = "loud"
    clip.markers[1].metadata["avlink"]["hit"] = 5
    clip.metadata["avlink"]["spotted"]["hits"] = ["?"]
    hits = clips_of(spotted)[0].hits or ()
    assert [(hit.strength, hit.confidence) for hit in hits] == [(0.8, 0.9), (0.6, 0.7), (0.4, 0.5)]
    assert read_hit_record(clip) is not None


def _job_keys(timeline: otio.schema.Timeline) -> tuple[str, str, tuple[Hit, ...] | None]:
    (clip,) = clips_of(timeline)
    source = Source(clip=clip, path=Path("a.mov"), digest="0" * 40, start_s=Fraction(4), duration_s=Fraction(3))
    (job,) = build_plan([source], SonifyRecipe(), backend="b", finish="f").jobs
    return job.raw_key, job.family_key, job.hits


def test_keys_of_jobs_change_with_hits_alone(spotted: otio.schema.Timeline) -> None:
    plain = timeline_of(film("a", 100, 72))
    noted = plain.deepcopy()
    noted.tracks[0][0].markers.append(otio.schema.Marker("ask Joe", span(110, 1)))
    assert _job_keys(plain) == _job_keys(noted) and _job_keys(plain)[2] is None
    with_hits = _job_keys(spotted)
    assert with_hits[2] == FOUND and with_hits[0] != _job_keys(plain)[0]
    # Where a spotter found nothing, or a person deleted all, is another thing than nobody having looked.
    next(iter(spotted.find_clips())).markers[:] = []
    assert _job_keys(spotted)[2] == () and _job_keys(spotted)[0] not in (with_hits[0], _job_keys(plain)[0])


def test_ambience_has_no_hits_and_cues_keep_working(spotted: otio.schema.Timeline) -> None:
    clip = next(iter(spotted.find_clips()))
    clip.markers.append(otio.schema.Marker("FOLEY: door slam 0.8", span(100, 72)))
    (seen,) = clips_of(spotted)
    assert seen.hits == FOUND
    assert replace(seen, mode="ambience").hits is None


@settings(max_examples=40)
@given(timelines(), st.data())
def test_a_changed_clip_still_knows_what_was_seen_in_it(timeline: otio.schema.Timeline, data: st.DataObject) -> None:
    placed = place(timeline, lambda clip: data.draw(hits_in(clip)))
    before = {clip.id: clip for clip in clips_of(reread(timeline))}
    assert all(clip.base_hits is None for clip in before.values())
    changed = reread(timeline)
    for clip in changed.find_clips():
        if len(clip.markers):
            del clip.markers[data.draw(st.integers(0, len(clip.markers) - 1))]
    for clip in clips_of(changed):
        was = before[clip.id]
        if clip.hits == was.hits:
            assert clip.base_hits is None
        else:
            assert clip.base_hits is not None and was.hits is not None
            assert same_sound(clip.base_hits, was.hits) and len(clip.base_hits) == len(placed.hits[clip.id])


def test_a_change_that_is_taken_back_has_the_sound_of_before() -> None:
    timeline = timeline_of(film("a", 0, 96))
    hits = (Hit(time_s=Fraction(1), strength=0.5), Hit(time_s=Fraction(5, 2), strength=0.75, kind="step"))
    place(timeline, lambda clip: hits)
    (marker, *_) = (changed := reread(timeline)).video_tracks()[0][0].markers
    marker.name = "hit 0.9"
    taken_back = reread(changed)
    taken_back.video_tracks()[0][0].markers[0].name = timeline.video_tracks()[0][0].markers[0].name
    first, second, third = (_job_keys(one)[0] for one in (timeline, changed, taken_back))
    assert first == third != second
