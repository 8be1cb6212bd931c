"""Hits as markers of stems: at the right frame, on nothing else, with their take, and never read as directions."""

from __future__ import annotations

import json
from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.core import clock
from avlink.core.values import StemHit
from avlink.timeline.item import seconds
from avlink.timeline.markers import is_hit, markers_of, read_cue
from avlink.timeline.place import activate_take, place_stems
from avlink.timeline.select import select_clips
from avlink.timeline.stem_hits import mark_hits
from avlink.timeline.timebase import origin_s
from avlink.timeline.values import ClipRef, StemFile, StemPlacement
from avlink.timeline.view import View
from avlink.timeline.walk import list_clips

RATES = [24.0, 25.0, 30.0, 23.976, 24000 / 1001, 29.97, 15.0, 59.94]
SAMPLE_RATE = 48000
Time, Range = otio.opentime.RationalTime, otio.opentime.TimeRange


def timeline(frames: int, own_rate: float, rate: float, start: int, name: str = "shot") -> otio.schema.Timeline:
    """A clip of another rate, then one that therefore may begin between two frames; both have a marker of the user."""
    made = otio.schema.Timeline("t", global_start_time=Time(start, rate))
    track = otio.schema.Track("V1")
    for index, clip_rate in enumerate((own_rate, rate)):
        span = Range(Time(7, clip_rate), Time(frames, clip_rate))
        clip = otio.schema.Clip(f"{name} {index}", otio.schema.ExternalReference(f"{index}.mp4"), span)
        clip.markers.append(otio.schema.Marker("look here", Range(Time(8, clip_rate), Time(0, clip_rate))))
        track.append(clip)
    made.tracks.append(track)
    return made


def placements(made: otio.schema.Timeline, hits: list[list[int]]) -> list[StemPlacement]:
    """Stems for all clips; take n has the samples of `hits[n - 1]` as hits, as far as they lie in it."""
    found = []
    for clip in select_clips(list_clips(made)):
        assert isinstance(clip, ClipRef)
        samples = clock.count(clip.timeline_start_s, clip.timeline_duration_s, SAMPLE_RATE)
        files = [
            StemFile(
                url=f"{clip.name}_{take}.wav",
                take=take,
                sample_rate=SAMPLE_RATE,
                samples=samples,
                details={},
                hits=tuple(StemHit(sample=at, strength_db=9.5) for at in sorted(set(own)) if at < samples),
            )
            for take, own in enumerate(hits, start=1)
        ]
        found.append(StemPlacement(clip=clip, takes=tuple(files)))
    return found


def stems(made: otio.schema.Timeline) -> list[otio.schema.Clip]:
    return [clip for track in made.audio_tracks() for clip in track.find_clips()]


@given(
    st.integers(1, 90),
    st.sampled_from(RATES),
    st.sampled_from(RATES),
    st.sampled_from([0, 86400, 107892]),
    st.lists(st.integers(0, 4 * SAMPLE_RATE), max_size=6),
)
@settings(deadline=None, max_examples=150)
def test_a_marker_lies_at_the_frame_in_which_its_hit_is_heard(
    frames: int, own_rate: float, rate: float, start: int, hits: list[int]
) -> None:
    made = timeline(frames, own_rate, rate, start)
    expected = placements(made, [hits])
    placed = place_stems(made, expected)
    exact = clock.exact_rate(rate)
    for stem, placement in zip(stems(placed), expected, strict=True):
        told = placement.takes[0].hits
        assert [marker.name for marker in stem.markers] == [f"hit {number}" for number in range(1, len(told) + 1)]
        shown = stem.trimmed_range().start_time.value
        for marker, hit in zip(stem.markers, told, strict=True):
            assert json.loads(otio.core.serialize_json_to_string(marker.metadata)) == {
                "avlink": {"samples": hit.sample, "strength": 9.5}
            }
            assert (marker.color, marker.comment, marker.marked_range.duration.value) == ("CYAN", "9.5 dB", 1)
            at_s = origin_s(made) + placement.clip.timeline_start_s + Fraction(hit.sample, SAMPLE_RATE)
            begin = marker.marked_range.start_time.value
            # A thousandth of a frame too early is in time.
            assert Fraction(begin) <= at_s * exact + Fraction(1, 999) and at_s * exact < begin + 1
            # At whole frames, or where the stem itself begins; never before what is heard of it.
            assert begin == int(begin) or begin == shown
            assert begin >= shown


def test_pictures_and_tracks_of_others_are_left_alone() -> None:
    made = timeline(48, 24.0, 24.0, 86400)
    sound = otio.schema.Track("A1", kind=otio.schema.TrackKind.Audio)
    sound.append(otio.schema.Clip("production", source_range=Range(Time(0, 24), Time(24, 24))))
    made.tracks.append(sound)
    placed = place_stems(made, placements(made, [[1000, 50000]]))
    for index in range(2):
        assert placed.tracks[index].to_json_string() == made.tracks[index].to_json_string()
    assert list(placed.tracks.markers) == [] and all(not list(track.markers) for track in placed.tracks)


def test_a_second_run_puts_the_same_markers_there_once() -> None:
    made = timeline(48, 25.0, 24.0, 86400)
    once = place_stems(made, placements(made, [[1000, 50000]]))
    assert place_stems(once, placements(once, [[1000, 50000]])).to_json_string() == once.to_json_string()


def test_another_take_brings_its_own_markers_and_leaves_those_of_people() -> None:
    made = timeline(48, 24.0, 24.0, 86400)
    placed = place_stems(made, placements(made, [[1000, 50000], [24000], []]))
    stem = stems(placed)[0]
    first = stem.to_json_string()
    mine = otio.schema.Marker("check", Range(Time(86410, 24), Time(0, 24)))
    stem.markers.append(mine)

    def marked() -> list[int]:
        return [marker.metadata["avlink"]["samples"] for marker in stem.markers if is_hit(marker)]

    assert activate_take(stem, 2) and marked() == [24000]
    assert activate_take(stem, 3) and marked() == []
    assert activate_take(stem, 1) and marked() == [1000, 50000]
    assert [marker.name for marker in stem.markers].count("check") == 1
    del stem.markers[[marker.name for marker in stem.markers].index("check")]
    assert stem.to_json_string() == first


@pytest.mark.parametrize("name", ["FOLEY: steps", "AMB: rain", "hit 1", "foley:"])
def test_no_marker_of_ours_is_a_direction_whatever_the_clip_is_called(name: str) -> None:
    made = timeline(48, 24.0, 24.0, 86400, name)
    made.tracks[0][0].metadata["avlink"] = {"prompt": "FOLEY: a door"}
    before = [clip.markers for clip in list_clips(made) if isinstance(clip, ClipRef)]
    placed = place_stems(made, placements(made, [[1000, 50000]]))
    after = [clip.markers for clip in list_clips(placed) if isinstance(clip, ClipRef)]
    assert after == before
    assert [clip.cue for clip in select_clips(list_clips(placed)) if isinstance(clip, ClipRef)] == [None, None]
    # Not even where another program moves them to a picture, with their metadata or without.
    for stem in stems(placed):
        moved = otio.schema.Clip("picture", source_range=stem.source_range)
        moved.markers.extend([marker.deepcopy() for marker in stem.markers])
        assert len(list(moved.markers)) == 2
        assert markers_of(moved, View(offset_s=Fraction(0)), own=True) == []
        for marker in moved.markers:
            del marker.metadata["avlink"]
        bare = markers_of(moved, View(offset_s=Fraction(0)), own=True)
        assert len(bare) == 2 and [read_cue(marker) for marker in bare] == [None, None]


def test_hits_in_a_handle_are_marked_where_they_would_be_heard() -> None:
    """A stem that begins before what is seen: positions count from the file's first sample all the same."""
    made = timeline(48, 24.0, 24.0, 86400)
    placed = place_stems(made, placements(made, [[1000, 50000]]))
    stem = stems(placed)[0]
    media = stem.media_reference.available_range
    stem.source_range = Range(media.start_time + Time(12, 24), media.duration - Time(12, 24))
    mark_hits(stem)
    first_s = seconds(media.start_time)
    assert first_s is not None
    found = [seconds(marker.marked_range.start_time) for marker in stem.markers]
    assert found == [first_s + Fraction(0, 24), first_s + Fraction(25, 24)]
