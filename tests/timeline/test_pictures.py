"""Pictures on a timeline: which sounds get one, on which frames it lies, and that nothing else is touched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.core import clock
from avlink.core.errors import TimelineError
from avlink.core.recipe import VisualizeRecipe, check_values
from avlink.core.recipe.schema import SelectTable
from avlink.timeline.item import table
from avlink.timeline.picture_plan import build_picture_plan, frames_of
from avlink.timeline.place_pictures import PicturePlacement, picture_rate, place_pictures
from avlink.timeline.select_sounds import select_sounds
from avlink.timeline.values import ClipRef, Plan, Skip, Source
from avlink.timeline.walk import list_clips, list_sounds

RATES = [24.0, 25.0, 30.0, 23.976, 24000 / 1001, 29.97, 30000 / 1001, 59.94]
PLAIN = check_values(VisualizeRecipe, {"format": 1, "kind": "visualize"})
Time = otio.opentime.RationalTime


def _clip(samples: int, name: str = "s", url: str = "s.wav", **metadata: object) -> otio.schema.Clip:
    span = otio.opentime.TimeRange(Time(4800, 48000), Time(samples, 48000))
    return otio.schema.Clip(name, otio.schema.ExternalReference(url), span, {"avlink": metadata} if metadata else {})


def _timeline(*rows: Sequence[otio.core.Item], rate: float = 24.0, start: int = 86400) -> otio.schema.Timeline:
    timeline = otio.schema.Timeline("t", global_start_time=Time(start, rate))
    picture = otio.schema.Clip("v", otio.schema.ExternalReference("v.mp4"))
    picture.source_range = otio.opentime.TimeRange(Time(0, rate), Time(20, rate))
    timeline.tracks.append(otio.schema.Track("V1", [picture], kind=otio.schema.TrackKind.Video))
    for number, row in enumerate(rows, start=1):
        timeline.tracks.append(otio.schema.Track(f"A{number}", list(row), kind=otio.schema.TrackKind.Audio))
    return timeline


def _placements(timeline: otio.schema.Timeline, rate: float) -> list[PicturePlacement]:
    clips = [item for item in list_sounds(timeline) if isinstance(item, ClipRef)]
    spans = [(clip, frames_of(clip, clock.exact_rate(rate))) for clip in clips]
    return [
        PicturePlacement(
            clip=clip, url=f"{clip.id}.mov", frames=frames, timecode_frame=86400 + frames.start, details={}
        )
        for clip, frames in spans
        if frames
    ]


def _pictures(timeline: otio.schema.Timeline) -> list[otio.schema.Track]:
    return [track for track in timeline.video_tracks() if table(track.metadata, "avlink").get("role") == "picture"]


lengths = st.lists(st.tuples(st.integers(1, 200_000), st.booleans()), min_size=1, max_size=8)


def _row(drawn: list[tuple[int, bool]]) -> list[otio.core.Item]:
    return [
        otio.schema.Gap(duration=Time(samples, 48000)) if gap else _clip(samples, f"c{index}")
        for index, (samples, gap) in enumerate(drawn)
    ]


@settings(max_examples=60)
@given(rows=st.lists(lengths, min_size=1, max_size=3), rate=st.sampled_from(RATES))
def test_every_picture_lies_on_the_frames_of_its_sound(rows: list[list[tuple[int, bool]]], rate: float) -> None:
    timeline = _timeline(*(_row(drawn) for drawn in rows), rate=rate)
    before = timeline.to_json_string()
    placed = place_pictures(timeline, _placements(timeline, rate), rate=rate)
    assert timeline.to_json_string() == before
    exact = clock.exact_rate(rate)
    expected = set()
    for track in timeline.audio_tracks():
        for clip in track.find_clips():
            span = clip.range_in_parent()
            start_s, length_s = (Fraction(int(time.value), 48000) for time in (span.start_time, span.duration))
            first, stop = clock.to_index(start_s, exact), clock.to_index(start_s + length_s, exact)
            if stop > first:
                expected.add((clip.name, track.name, first, stop))
    found = set()
    for track in _pictures(placed):
        end = 0
        for clip in track.find_clips():
            span = clip.range_in_parent()
            first, stop = span.start_time.value, span.end_time_exclusive().value
            assert span.start_time.rate == rate and first.is_integer() and stop.is_integer() and first >= end
            assert clip.source_range == clip.media_reference.available_range
            assert clip.source_range.start_time == Time(86400 + first, rate)
            found.add((clip.name, clip.metadata["avlink"]["track"], first, stop))
            end = stop
    assert found == expected


@settings(max_examples=30)
@given(rows=st.lists(lengths, min_size=1, max_size=3), rate=st.sampled_from(RATES))
def test_a_second_time_changes_nothing_and_nothing_else_is_touched(
    rows: list[list[tuple[int, bool]]], rate: float
) -> None:
    timeline = _timeline(*(_row(drawn) for drawn in rows), rate=rate)
    placements = _placements(timeline, rate)
    once = place_pictures(timeline, placements, rate=rate)
    assert list_sounds(once) == list_sounds(timeline)
    assert list_clips(once) == list_clips(timeline)
    twice = place_pictures(once, _placements(once, rate), rate=rate)
    assert twice.to_json_string() == once.to_json_string()
    left = json.loads(once.to_json_string())
    left["tracks"]["children"] = [
        track for track in left["tracks"]["children"] if track["metadata"].get("avlink", {}).get("role") != "picture"
    ]
    assert left == json.loads(timeline.to_json_string())


def test_pictures_lie_above_all_others_and_are_replaced_where_they_stand() -> None:
    timeline = _timeline([_clip(48000)], [_clip(48000)])
    placed = place_pictures(timeline, _placements(timeline, 24.0), rate=24.0, track_name="LOOK")
    names = ["V1", "LOOK", "LOOK 2", "A1", "A2"]
    assert [track.name for track in placed.tracks] == names
    above = otio.schema.Track("V9", kind=otio.schema.TrackKind.Video)
    placed.tracks.append(above)
    again = place_pictures(placed, _placements(placed, 24.0), rate=24.0, track_name="LOOK")
    assert [track.name for track in again.tracks] == [*names, "V9"]
    without = otio.schema.Timeline("sound only")
    without.tracks.append(otio.schema.Track("A1", [_clip(48000)], kind=otio.schema.TrackKind.Audio))
    placed = place_pictures(without, _placements(without, 24.0), rate=24.0)
    assert [track.name for track in placed.tracks] == ["PICTURE", "A1"]


def test_a_trimmed_stack_shows_its_pictures_where_it_plays_its_sounds() -> None:
    timeline = _timeline([_clip(96000, "a"), _clip(96000, "b")])
    timeline.tracks.source_range = otio.opentime.TimeRange(Time(36, 24), Time(60, 24))
    placed = place_pictures(timeline, _placements(timeline, 24.0), rate=24.0)
    (track,) = _pictures(placed)
    # Half a second of the first is left, and the two seconds of the second.
    spans = [clip.range_in_parent() for clip in track.find_clips()]
    assert [(span.start_time.value, span.duration.value) for span in spans] == [(36, 12), (48, 48)]


def test_only_tracks_that_say_so_are_ours() -> None:
    timeline = _timeline([_clip(48000)])
    timeline.tracks[0].metadata["avlink"] = {"prompt": "somebody's own words"}
    placed = place_pictures(timeline, _placements(timeline, 24.0), rate=24.0)
    assert [track.name for track in placed.tracks] == ["V1", "PICTURE", "A1"]
    assert [clip.name for clip in list_clips(placed)] == ["v"]


@pytest.mark.parametrize(
    ("start", "video", "sound", "rate"),
    [
        ((0, 25.0), 24.0, 48000.0, 25.0),
        (None, 24000 / 1001, 48000.0, 24000 / 1001),
        ((0, 48000.0), 29.97, 48000.0, 29.97),
        (None, None, 30.0, 30.0),
        (None, None, 48000.0, None),
        ((0, 1.0), None, 44100.0, None),
    ],
)
def test_the_rate_is_what_the_project_counts_in(
    start: tuple[float, float] | None, video: float | None, sound: float, rate: float | None
) -> None:
    timeline = otio.schema.Timeline("t", global_start_time=None if start is None else Time(*start))
    for kind, own in ((otio.schema.TrackKind.Audio, sound), (otio.schema.TrackKind.Video, video)):
        if own is not None:
            span = otio.opentime.TimeRange(Time(0, own), Time(100, own))
            clip = otio.schema.Clip("c", otio.schema.ExternalReference("c.mov"), span)
            timeline.tracks.append(otio.schema.Track("t", [clip], kind=kind))
    assert picture_rate(timeline) == rate
    if rate is not None:
        placed = place_pictures(timeline, _placements(timeline, rate), rate=rate)
        assert picture_rate(placed) == rate


def _plan(timeline: otio.schema.Timeline, *settings: tuple[str, object], wish: SelectTable | None = None) -> Plan:
    values: dict[str, object] = {"format": 1, "kind": "visualize", "picture": dict(settings)}
    recipe = check_values(VisualizeRecipe, values)
    items = select_sounds(list_sounds(timeline), wish=wish or SelectTable())
    sources = [
        Source(
            clip=item,
            path=Path(item.media[0].url),
            digest=item.media[0].url,
            start_s=item.source_low_s,
            duration_s=item.source_duration_s,
            speed=item.speed,
        )
        for item in items
        if isinstance(item, ClipRef)
    ]
    skips = [item for item in items if isinstance(item, Skip)]
    return build_picture_plan(sources, recipe, rate=Fraction(24), backend="b", finish="f", skipped=skips)


def test_the_tracks_of_a_stereo_pair_get_one_picture_unless_two_are_wanted() -> None:
    gap = otio.schema.Gap(duration=Time(48000, 48000))
    timeline = _timeline([_clip(48000, "left")], [_clip(48000, "right")], [gap, _clip(48000, "later")])
    plan = _plan(timeline)
    assert [job.source.clip.name for job in plan.jobs] == ["left", "later"]
    (skip,) = plan.skips
    assert (skip.name, skip.failed) == ("right", False) and "'left' on A1" in skip.reason
    # The same sound later is the same picture in the cache, and another file.
    assert plan.jobs[0].raw_key == plan.jobs[1].raw_key
    assert plan.jobs[0].stem_name != plan.jobs[1].stem_name
    assert len(_plan(timeline, ("repeats", True)).jobs) == 3
    assert [job.source.clip.name for job in _plan(timeline, wish=SelectTable(tracks=("A2",))).jobs] == ["right"]


def test_other_words_or_another_seed_make_another_picture() -> None:
    timeline = _timeline([_clip(48000)], [_clip(48000, prompt="rain")], [_clip(48000, seed=5)])
    plan = _plan(timeline)
    assert len(plan.jobs) == len({job.raw_key for job in plan.jobs}) == 3
    assert (plan.jobs[1].prompt.text, plan.jobs[2].seed) == ("rain", 5)


def test_moving_a_sound_makes_nothing_anew() -> None:
    gap = otio.schema.Gap(duration=Time(12345, 48000))
    here, there = _plan(_timeline([_clip(48000)])), _plan(_timeline([gap, _clip(48000)]))
    assert here.jobs[0].raw_key == there.jobs[0].raw_key and here.jobs[0].stem_key == there.jobs[0].stem_key
    assert here.jobs[0].stem_name == there.jobs[0].stem_name


def test_what_cannot_be_heard_or_seen_is_left_out_in_words() -> None:
    still = _clip(48000, "still")
    still.effects.append(otio.schema.FreezeFrame())
    row = [_clip(48000, "off", mode="off"), _clip(400, "short"), still, _clip(48000, "good")]
    plan = _plan(_timeline(row))
    assert [job.source.clip.name for job in plan.jobs] == ["good"]
    reasons = {skip.name: skip.reason for skip in plan.skips}
    assert set(reasons) == {"off", "short", "still"} and not any(skip.failed for skip in plan.skips)
    assert "mode is off" in reasons["off"]
    assert "covers no frame" in reasons["short"]
    assert "speed is 0" in reasons["still"]


def test_sounds_are_chosen_by_track_name_and_length() -> None:
    timeline = _timeline([_clip(48000, "door"), _clip(4800, "tick")], [_clip(96000, "rain")])
    items = list_sounds(timeline)

    def names(**wish: object) -> list[str]:
        chosen = select_sounds(items, wish=SelectTable.model_validate(wish))
        return [item.name for item in chosen if isinstance(item, ClipRef)]

    assert names() == ["door", "rain", "tick"]
    assert names(tracks=("A2",)) == ["rain"]
    assert names(clips=("D*",)) == ["door"]
    assert names(min_duration_s=0.5) == ["door", "rain"]
    with pytest.raises(TimelineError, match="no sound track 'V1' with clips; it has: A1, A2"):
        names(tracks=("V1",))
    with pytest.raises(TimelineError, match="no clip is as"):
        names(clips=("nothing",))
