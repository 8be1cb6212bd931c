"""Laws of write-back: exact in samples, idempotent, and nothing else touched."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.core import clock
from avlink.timeline.item import own_range, seconds
from avlink.timeline.place import place_stems
from avlink.timeline.select import select_clips
from avlink.timeline.timebase import origin_s
from avlink.timeline.values import ClipRef, StemFile, StemPlacement
from avlink.timeline.walk import list_clips

RATES = [24.0, 25.0, 30.0, 23.976, 24000 / 1001, 29.97, 15.0, 59.94]
pieces = st.lists(st.tuples(st.integers(1, 90), st.booleans(), st.sampled_from(RATES)), min_size=1, max_size=8)


def _timeline(drawn: list[tuple[int, bool, float]], rate: float, start: int) -> otio.schema.Timeline:
    timeline = otio.schema.Timeline("t")
    timeline.global_start_time = otio.opentime.RationalTime(start, rate)
    timeline.metadata["Resolve_OTIO"] = {"Resolve OTIO Meta Version": "1.0"}
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    for index, (frames, gap, own) in enumerate(drawn):
        span = otio.opentime.TimeRange(otio.opentime.RationalTime(7, own), otio.opentime.RationalTime(frames, own))
        if gap:
            track.append(otio.schema.Gap(source_range=span))
        else:
            ref = otio.schema.ExternalReference("a.mp4")
            track.append(otio.schema.Clip(f"c{index}", ref, span, {"cmx_3600": {"reel": index}}))
    sound = otio.schema.Track("A1", kind=otio.schema.TrackKind.Audio)
    sound.append(otio.schema.Clip("production"))
    sound.metadata["Resolve_OTIO"] = {"Audio Type": "Mono"}
    timeline.tracks.extend([track, sound])
    return timeline


def _placements(timeline: otio.schema.Timeline, takes: int = 1) -> list[StemPlacement]:
    clips = [item for item in select_clips(list_clips(timeline)) if isinstance(item, ClipRef)]
    return [
        StemPlacement(
            clip=clip,
            takes=tuple(
                StemFile(
                    url=f"{clip.id}_{take}.wav",
                    take=take,
                    sample_rate=48000,
                    samples=clock.count(clip.timeline_start_s, clip.timeline_duration_s, 48000),
                    details={"seed": 7},
                )
                for take in range(1, takes + 1)
            ),
        )
        for clip in clips
    ]


def _spans(track: otio.schema.Track) -> list[tuple[str, int, int]]:
    """Name, first sample and number of samples of every clip of a track, read back exactly."""
    found, at_s = [], Fraction(0)
    for item in track:
        span = own_range(item)
        assert span is not None
        duration_s = seconds(span.duration)
        assert duration_s is not None
        if isinstance(item, otio.schema.Clip):
            found.append((item.name, clock.to_index(at_s, 48000), clock.count(at_s, duration_s, 48000)))
        at_s += duration_s
    return found


@given(pieces, st.sampled_from(RATES), st.sampled_from([0, 86400, 107892]))
@settings(deadline=None)
def test_stems_cover_exactly_what_is_seen_in_samples(
    drawn: list[tuple[int, bool, float]], rate: float, start: int
) -> None:
    timeline = _timeline(drawn, rate, start)
    placements = _placements(timeline)
    placed = place_stems(timeline, placements)
    own = [track for track in placed.tracks if "avlink" in track.metadata]
    expected = [
        (one.clip.name, clock.to_index(one.clip.timeline_start_s, 48000), one.takes[0].samples) for one in placements
    ]
    assert [span for track in own for span in _spans(track)] == expected
    for track in own:
        for clip in track.find_clips():
            media = clip.media_reference.available_range
            assert clip.source_range == media
            start_s = seconds(media.start_time)
            assert start_s is not None
            at = clip.metadata["avlink"]["start_samples"]
            assert abs(clock.to_index(start_s - origin_s(timeline), 48000) - at) == 0


@given(pieces, st.sampled_from(RATES))
@settings(deadline=None)
def test_a_second_run_changes_nothing_and_the_input_stays(drawn: list[tuple[int, bool, float]], rate: float) -> None:
    timeline = _timeline(drawn, rate, 0)
    before = timeline.to_json_string()
    placements = _placements(timeline)
    once = place_stems(timeline, placements, details={"version": "1"})
    assert timeline.to_json_string() == before
    assert _placements(once) == placements
    twice = place_stems(once, _placements(once), details={"version": "1"})
    assert twice.to_json_string() == once.to_json_string()
    for index in range(2):
        assert once.tracks[index].to_json_string() == timeline.tracks[index].to_json_string()
    assert dict(once.metadata) == dict(timeline.metadata)


def test_tracks_of_others_stay_where_they_are_when_ours_are_replaced() -> None:
    timeline = _timeline([(24, False, 24.0)], 24.0, 0)
    once = place_stems(timeline, _placements(timeline))
    once.tracks.append(otio.schema.Track("MUSIC", kind=otio.schema.TrackKind.Audio))
    twice = place_stems(once, _placements(once), track_of=lambda role: "FX")
    assert [track.name for track in twice.tracks] == ["V1", "A1", "FX", "MUSIC"]


def test_overlapping_stems_go_to_further_tracks() -> None:
    timeline = _timeline([(48, False, 24.0)], 24.0, 0)
    over = otio.schema.Track("V2", kind=otio.schema.TrackKind.Video)
    over.append(otio.schema.Clip("over", otio.schema.ExternalReference("b.mp4"), timeline.tracks[0][0].source_range))
    timeline.tracks.insert(1, over)
    clips = [item for item in select_clips(list_clips(timeline), ["V1", "V2"]) if isinstance(item, ClipRef)]
    stem = _placements(_timeline([(48, False, 24.0)], 24.0, 0))[0].takes
    placed = place_stems(timeline, [StemPlacement(clip=clip, takes=stem) for clip in clips])
    assert [track.name for track in placed.audio_tracks()] == ["A1", "FOLEY", "FOLEY 2"]


@pytest.mark.parametrize("takes", [1, 3])
def test_takes_are_alternatives_of_one_clip(takes: int) -> None:
    timeline = _timeline([(24, False, 24.0)], 24.0, 0)
    placed = place_stems(timeline, _placements(timeline, takes))
    refs = placed.tracks[2][0].media_references()
    assert sorted(refs) == sorted(["DEFAULT_MEDIA", "take_2", "take_3"][:takes])


def test_a_trimmed_stack_shows_stems_where_it_shows_the_picture() -> None:
    timeline = _timeline([(48, False, 24.0)], 24.0, 0)
    cut = otio.opentime.TimeRange(otio.opentime.RationalTime(12, 24), otio.opentime.RationalTime(24, 24))
    timeline.tracks.source_range = cut
    placed = place_stems(timeline, _placements(timeline))
    assert _spans(placed.tracks[2]) == [("c0", 24000, 48000)]


@pytest.mark.parametrize("channels, kind", [(1, "Mono"), (2, "Stereo"), (6, "5.1")])
def test_stems_say_their_channels_in_the_projects_own_words(channels: int, kind: str) -> None:
    timeline = _timeline([(24, False, 24.0)], 24.0, 0)
    (one,) = _placements(timeline)
    wide = replace(one, takes=(replace(one.takes[0], details={"channels": channels}),))
    placed = place_stems(timeline, [wide])
    track = placed.tracks[2]
    assert json.loads(otio.core.serialize_json_to_string(track.metadata["Resolve_OTIO"])) == {
        "Audio Type": kind,
        "Locked": False,
        "SoloOn": False,
    }
    sources = track[0].metadata["Resolve_OTIO"]["Channels"]
    assert [source["Source Channel ID"] for source in sources] == list(range(channels))
    assert "PremierePro_OTIO" not in track.metadata and "Link Group ID" not in track[0].metadata["Resolve_OTIO"]

    del timeline.metadata["Resolve_OTIO"]
    timeline.tracks[1].metadata.clear()
    timeline.tracks.metadata["PremierePro_OTIO"] = {"VideoFrameRate": 24.0}
    placed = place_stems(timeline, [wide])
    track = placed.tracks[2]
    words = track.metadata["PremierePro_OTIO"]["AudioChannels"]
    assert (words["ChannelType"], words["NumberOfChannels"]) == (kind, channels)
    assigned = track[0].metadata["PremierePro_OTIO"]["AudioChannels"]["SecondaryAssignments"]
    assert [one["SecondaryChannelIndex"] for one in assigned] == list(range(channels))
    assert "LinkID" not in track[0].metadata["PremierePro_OTIO"]


def test_a_project_that_speaks_no_dialect_gets_none() -> None:
    timeline = _timeline([(24, False, 24.0)], 24.0, 0)
    del timeline.metadata["Resolve_OTIO"]
    timeline.tracks[1].metadata.clear()
    placed = place_stems(timeline, _placements(timeline))
    track = placed.tracks[2]
    assert set(track.metadata) == set(track[0].metadata) == {"avlink"}


def test_a_stem_names_its_clip_and_repeats_what_that_asks_for() -> None:
    timeline = _timeline([(24, False, 24.0)], 24.0, 0)
    timeline.tracks[0][0].metadata["avlink"] = {"prompt": "door", "negative": "speech"}
    (placement,) = _placements(timeline)
    placed = place_stems(timeline, [placement])
    said = placed.tracks[2][0].metadata["avlink"]
    assert (said["id"], said["prompt"], said["negative"]) == (placement.clip.id, "door", "speech")


def test_ambience_lies_on_tracks_of_its_own_below_the_foley() -> None:
    timeline = _timeline([(24, False, 24.0)] * 3, 24.0, 0)
    first, *rest = _placements(timeline)
    placements = [replace(first, clip=replace(first.clip, mode="ambience")), *rest]
    both = [*placements, replace(first, clip=replace(first.clip, id="wider"))]
    placed = place_stems(timeline, both)
    assert [track.name for track in placed.audio_tracks()] == ["A1", "FOLEY", "AMB"]
    assert [track.metadata["avlink"]["role"] for track in placed.audio_tracks()[1:]] == ["sync", "ambience"]
    assert [len(list(track.find_clips())) for track in placed.audio_tracks()[1:]] == [3, 1]
    one_name = place_stems(placed, both, track_of=lambda role: "FX")
    assert [track.name for track in one_name.audio_tracks()] == ["A1", "FX", "FX 2"]
