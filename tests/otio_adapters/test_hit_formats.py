"""Hits in every format, both ways: what nobody changed comes back exactly, all else up to the grid of the format."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
from avlink_otio import cues, edl, fcpxml, hit_lists, rpp, xmeml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avlink import FlatTimeline, clock, flatten_timeline
from avlink.core.errors import InputError
from avlink.core.hits import Hit
from avlink.edit.cues import apply_hits, read_edits
from avlink.edit.hit_files import brings_hits, read_hit_file
from avlink.timeline.import_hits import import_hits
from avlink.timeline.place_hits import SpottedClip, place_hits
from avlink.timeline.timebase import timebase
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_clips

Time, Range = otio.opentime.RationalTime, otio.opentime.TimeRange
RATES = [24.0, 25.0, 24000 / 1001, 30000 / 1001, 50.0]
FRAME = None
FORMATS: dict[str, tuple[Callable[[FlatTimeline, Path], object], Fraction | None, bool]] = {
    # The grid of the format, or None for whole frames; True where it has notes.
    ".edl": (edl.write, FRAME, True),
    ".xml": (xmeml.write, FRAME, True),
    ".fcpxml": (fcpxml.write, Fraction(1, 10**6), True),
    ".rpp": (rpp.write, Fraction(1, 10**6), False),
    ".vtt": (hit_lists.write_vtt, Fraction(1, 1000), True),
    ".txt": (hit_lists.write_protools, Fraction(1, 48000), True),
    ".csv": (cues.write, Fraction(1, 10**6), False),
}


def clips_of(timeline: otio.schema.Timeline) -> list[ClipRef]:
    return [item for item in list_clips(timeline) if isinstance(item, ClipRef)]


def hits_of(timeline: otio.schema.Timeline) -> list[tuple[Fraction, Hit]]:
    """All hits with their times on the timeline, in order."""
    found = [(clip.timeline_start_s + hit.time_s, hit) for clip in clips_of(timeline) for hit in clip.hits or ()]
    return sorted(found, key=lambda one: one[0])


def bring_back(path: Path, timeline: otio.schema.Timeline) -> int:
    """Import a file into a timeline, in place, as `avlink import-cues` does; return how many hits changed."""
    if not brings_hits(path):
        return apply_hits(timeline, read_edits(path))
    there = read_hit_file(path, timebase(timeline))
    return import_hits(timeline, there.hits, there.same).changed


@st.composite
def cuts(draw: st.DrawFn) -> tuple[otio.schema.Timeline, otio.schema.Timeline]:
    """A cut of clips with gaps, at any rate and start, without and with hits on its clips; some have a stem already."""
    rate = draw(st.sampled_from(RATES))
    nominal = round(rate)
    start = draw(st.sampled_from([0, 3600 * nominal, 86400]))
    plain = otio.schema.Timeline("cut", global_start_time=Time(start, rate))
    track = otio.schema.Track("V1")
    for number in range(draw(st.integers(1, 3))):
        if gap := draw(st.integers(0, 30)):
            track.append(otio.schema.Gap(duration=Time(gap, rate)))
        own = Range(Time(draw(st.integers(0, 5000)), rate), Time(draw(st.integers(nominal, 4 * nominal)), rate))
        track.append(otio.schema.Clip(f"c{number}", otio.schema.ExternalReference(f"c{number}.mov"), own))
    plain.tracks.append(track)
    if draw(st.booleans()):
        span = Range(Time(start, rate), Time(nominal, rate))
        stem = otio.schema.Clip("c0", otio.schema.ExternalReference("c0.wav", span), span)
        stem.metadata["avlink"] = {"id": "0", "sample_rate": 48000, "samples": 48000, "channels": 1}
        kind = otio.schema.TrackKind.Audio
        plain.tracks.append(otio.schema.Track("FOLEY", [stem], kind=kind, metadata={"avlink": {}}))
    marked = plain.deepcopy()
    spotted = []
    for clip in clips_of(marked):
        hits = []
        # Two frames apart or more, so that each has a frame of its own.
        frames = int(clip.timeline_duration_s * clock.exact_rate(rate))
        for frame in draw(st.lists(st.integers(0, frames // 6 - 1), unique=True, max_size=4).map(sorted)):
            at_s = (6 * frame + Fraction(draw(st.integers(0, 99)), 100)) / clock.exact_rate(rate)
            is_range = draw(st.booleans())
            hits.append(
                Hit(
                    time_s=clock.on_grid(at_s),
                    duration_s=Fraction(5, clock.to_index(clock.exact_rate(rate), 1)) if is_range else Fraction(0),
                    strength=draw(st.integers(0, 100)) / 100,
                    kind=draw(st.sampled_from(["hit", "step", "slide"])),
                    words=draw(st.sampled_from(["", "", "door slam", 'say "go" & <stop>', "日本"])),
                    confidence=draw(st.integers(0, 100)) / 100,
                    place=(0.25, 0.5),
                )
            )
        spotted.append(SpottedClip(clip=clip, hits=tuple(hits)))
    place_hits(marked, spotted, spotter="test", version="1")
    return plain, marked


def write(marked: otio.schema.Timeline, suffix: str, folder: Path) -> Path:
    path = folder / f"cut{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        FORMATS[suffix][0](flatten_timeline(marked), path)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
@given(cut=cuts())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hits_come_back(suffix: str, cut: tuple[otio.schema.Timeline, otio.schema.Timeline], tmp_path: Path) -> None:
    plain, marked = cut
    wanted = hits_of(marked)
    if not wanted:
        return
    _, grid, has_notes = FORMATS[suffix]
    path = write(marked, suffix, tmp_path)
    # Into the project that they came from: exactly as they were, to the last byte.
    back = marked.deepcopy()
    assert bring_back(path, back) == 0
    assert back.to_json_string() == marked.to_json_string()
    # Into one that knows of none: as much as the format can tell.
    assert bring_back(path, plain) == len(wanted)
    step_s = 1 / timebase(plain).rate if grid is None else grid
    for (time_s, hit), (read_s, read) in zip(wanted, hits_of(plain), strict=True):
        assert abs(time_s - read_s) <= step_s + Fraction(1, 10**6)
        assert abs(hit.duration_s - read.duration_s) <= 2 * step_s + Fraction(1, 10**6)
        assert read.strength == pytest.approx(hit.strength, abs=0.005)
        if hit.words:
            assert read.words == hit.words
        else:
            assert (read.kind, read.words) == (hit.kind, "")
        if has_notes:
            assert (read.kind, read.confidence, read.place) == (hit.kind, hit.confidence, hit.place)


@pytest.mark.parametrize("suffix", [".vtt", ".rpp", ".fcpxml", ".csv"])
@pytest.mark.parametrize("apart", [0, 1])
def test_a_hit_on_the_first_frame_of_a_clip_stays_on_it(suffix: str, apart: int, tmp_path: Path) -> None:
    """At 29.97 frames per second no format but EDL can tell when a frame begins."""
    rate, timeline = 30000 / 1001, otio.schema.Timeline("cut")
    clips = [
        otio.schema.Clip(name, otio.schema.ExternalReference(f"{name}.mov"), Range(Time(0, rate), Time(31, rate)))
        for name in "abcd"
    ]
    timeline.tracks.append(otio.schema.Track("V1"))
    for clip in clips:
        timeline.tracks[0].append(clip)
        if apart:
            timeline.tracks[0].append(otio.schema.Gap(duration=Time(apart, rate)))
    spotted = [SpottedClip(clip=clip, hits=(Hit(time_s=Fraction(0), strength=0.5),)) for clip in clips_of(timeline)]
    place_hits(timeline, spotted, spotter="test", version="1")
    back = timeline.deepcopy()
    assert bring_back(write(timeline, suffix, tmp_path), back) == 0
    assert back.to_json_string() == timeline.to_json_string()


@pytest.fixture
def marked() -> otio.schema.Timeline:
    """Two clips from 01:00:00:00 on, with three hits."""
    timeline = otio.schema.Timeline("cut", global_start_time=Time(86400, 24))
    clips = [
        otio.schema.Clip(name, otio.schema.ExternalReference(f"{name}.mov"), Range(Time(48, 24), Time(48, 24)))
        for name in "ab"
    ]
    timeline.tracks.append(otio.schema.Track("V1", clips))
    hits = {
        "a": (Hit(time_s=Fraction(51, 100), strength=0.8), Hit(time_s=Fraction(151, 100), strength=0.6)),
        "b": (Hit(time_s=Fraction(1), duration_s=Fraction(1, 2), kind="slide", strength=0.4),),
    }
    spotted = [SpottedClip(clip=clip, hits=hits[clip.name]) for clip in clips_of(timeline)]
    place_hits(timeline, spotted, spotter="test", version="1")
    return timeline


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_hit_that_was_renamed_there_is_renamed_here(
    suffix: str, marked: otio.schema.Timeline, tmp_path: Path
) -> None:
    path = write(marked, suffix, tmp_path)
    text = path.read_bytes().decode("utf-8")
    path.write_bytes(text.replace("hit 0.6", "door slam 0.35").encode())
    assert bring_back(path, marked) == 1
    first, renamed, last = (hit for _, hit in hits_of(marked))
    assert (first.source, last.source, last.duration_s) == ("picture", "picture", Fraction(1, 2))
    assert (renamed.words, renamed.strength, renamed.source) == ("door slam", 0.35, "marker")
    # Its place within the frame is still known.
    assert renamed.time_s == Fraction(151, 100)


_ONE = {
    ".edl": r"\n\r?\n002 [^\n]*\n[^\n]*",
    ".xml": r"<marker>\s*<name>hit 0\.6</name>.*?</marker>",
    ".fcpxml": r'<marker [^>]*value="hit 0\.6"[^>]*/>',
    ".rpp": r"\n *MARKER 2 [^\n]*",
    ".vtt": r"\n[^\n]*-->[^\n]*\nhit 0\.6\n[^\n]*\n",
    ".txt": r"\n2 [^\n]*",
    ".csv": r"; 1\.51 hit 0\.6",
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_hit_that_was_deleted_there_is_deleted_here(
    suffix: str, marked: otio.schema.Timeline, tmp_path: Path
) -> None:
    path = write(marked, suffix, tmp_path)
    text, count = re.subn(_ONE[suffix], "", path.read_bytes().decode("utf-8"), flags=re.DOTALL)
    assert count == 1
    path.write_bytes(text.encode())
    assert bring_back(path, marked) == 1
    assert [hit.strength for _, hit in hits_of(marked)] == [0.8, 0.4]
    # A spotter that looks again does not bring it back.
    clips = clips_of(marked)
    found = (Hit(time_s=Fraction(151, 100), strength=0.9),)
    place_hits(marked, [SpottedClip(clip=clips[0], hits=found)], spotter="test", version="1")
    assert hits_of(marked)[0][1].strength == 0.4


@pytest.mark.parametrize(
    ("suffix", "old", "new"),
    [
        (".vtt", "00:00:01.510 --> 00:00:01.550", "00:00:01.700 --> 00:00:01.740"),
        (".rpp", "MARKER 2 1.51 ", "MARKER 2 1.7 "),
        (".csv", "1.51 hit 0.6", "1.7 hit 0.6"),
        (".txt", "\t72480 ", "\t81600 "),
    ],
)
def test_a_hit_that_was_moved_there_is_moved_here(
    suffix: str, old: str, new: str, marked: otio.schema.Timeline, tmp_path: Path
) -> None:
    path = write(marked, suffix, tmp_path)
    text = path.read_bytes().decode("utf-8")
    assert old in text
    path.write_bytes(text.replace(old, new).encode())
    assert bring_back(path, marked) == 2
    moved = hits_of(marked)[1][1]
    assert (moved.time_s, moved.strength, moved.source) == (Fraction(17, 10), 0.6, "marker")


@pytest.mark.parametrize("suffix", FORMATS)
def test_hits_of_the_timeline_and_of_hidden_clips_stay_where_they_are(
    suffix: str, marked: otio.schema.Timeline, tmp_path: Path
) -> None:
    marked.tracks.markers.append(otio.schema.Marker("step 0.3", Range(Time(60, 24), Time(1, 24))))
    marked.tracks[0].markers.append(otio.schema.Marker("HIT: chair", Range(Time(70, 24), Time(1, 24))))
    # Over the second hit of the first clip.
    over = otio.schema.Clip("over", otio.schema.ExternalReference("over.mov"), Range(Time(0, 24), Time(20, 24)))
    gap = otio.schema.Gap(source_range=Range(Time(0, 24), Time(24, 24)))
    marked.tracks.append(otio.schema.Track("V2", [gap, over]))
    before = marked.to_json_string()
    path = write(marked, suffix, tmp_path)
    assert bring_back(path, marked) == 0
    assert marked.to_json_string() == before
    # What is seen of the clip can be edited all the same.
    path.write_bytes(path.read_bytes().replace(b"hit 0.8", b"door slam 0.2"))
    assert bring_back(path, marked) == 1
    assert hits_of(marked)[0][1].words == "door slam"


def test_markers_that_resolve_exports_are_read(marked: otio.schema.Timeline, tmp_path: Path) -> None:
    """As the program writes them: blank lines, colours and notes of its own, and a marker that is no hit."""
    (tmp_path / "markers.edl").write_text(
        "TITLE: cut\nFCM: NON-DROP FRAME\n\n"
        "001  001      V     C        01:00:00:12 01:00:00:13 01:00:00:12 01:00:00:13  \n"
        " |C:ResolveColorBlue |M:step 0.9 |D:1\n\n"
        "002  001      V     C        01:00:02:12 01:00:02:13 01:00:02:12 01:00:02:13  \n"
        "a chair |C:ResolveColorSand |M:drag 0.3 |D:18\n\n"
        "003  001      V     C        01:00:03:00 01:00:03:01 01:00:03:00 01:00:03:01  \n"
        " |C:ResolveColorRed |M:Marker 3 |D:1\n"
    )
    bring_back(tmp_path / "markers.edl", marked)
    assert [(time_s, hit.kind, hit.strength, hit.duration_s) for time_s, hit in hits_of(marked)] == [
        (Fraction(51, 100), "step", 0.9, 0),
        (Fraction(5, 2), "drag", 0.3, Fraction(3, 4)),
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("cut.vtt", "1\n00:00 --> 00:01\nstep 0.8\n", "does not begin with WEBVTT"),
        ("cut.vtt", "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nHello\n", "has no hits"),
        ("cut.rpp", "<PROJECT\n", "does not begin with <REAPER_PROJECT"),
        ("cut.txt", "SESSION NAME:\tx\n\nM A R K E R S  L I S T I N G\n", "no sample rate"),
        ("cut.edl", "TITLE: x\n", "holds no events"),
    ],
)
def test_a_file_without_hits_is_one_sentence(
    name: str, text: str, said: str, marked: otio.schema.Timeline, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        bring_back(tmp_path / name, marked)


def test_a_cell_without_a_time_names_its_row(marked: otio.schema.Timeline, tmp_path: Path) -> None:
    path = write(marked, ".csv", tmp_path)
    path.write_text(path.read_text(encoding="utf-8-sig").replace("0.51 hit 0.8", "soon hit 0.8"), encoding="utf-8")
    with pytest.raises(InputError, match=r"row 2, column hits: 'soon hit 0.8; .*' holds a hit without a time"):
        bring_back(path, marked)
