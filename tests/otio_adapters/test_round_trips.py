"""One law for every format: what is written and read again is the same edit, in frames, names and marks.

Clips of both XMLs are read by AVLink's own readers, cue sheets by their adapter, the rest by what the formats say.
"""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as xml

import opentimelineio as otio
import pytest
from avlink_otio import cues, fcpxml, kdenlive, rpp, xmeml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avlink import FlatTimeline, clock, flatten_timeline
from avlink.timeline.read import read_timeline
from avlink.timeline.stem_hits import mark_hits

Time, Range = otio.opentime.RationalTime, otio.opentime.TimeRange
RATES = [12.0, 16.0, 23.976, 24.0, 25.0, 30000 / 1001, 50.0, 59.94, 119.88]
SAMPLE_RATE = 48000


@dataclass(frozen=True)
class Seen:
    """An edit in frames: (name, first, count, first frame of the file) of clips, (name, frame) of markers and hits."""

    clips: list[tuple[str, int, int, int]]
    markers: list[tuple[str, int]]
    hits: list[tuple[str, int]]


@st.composite
def edits(draw: st.DrawFn) -> tuple[otio.schema.Timeline, Seen]:
    """Stems with handles on whole frames of a timeline of any rate and start, with names and marks of any kind."""
    rate = draw(st.sampled_from(RATES))
    exact = clock.exact_rate(rate)
    start = draw(st.sampled_from([0, 1, 3600 * round(exact), 108000]))
    names = st.text(st.sampled_from("aZ9 äß<>&'\"|_.-"), min_size=1, max_size=12).map(lambda text: f"n{text}n")
    timeline = otio.schema.Timeline(draw(names), global_start_time=Time(start, rate))
    track = otio.schema.Track("FOLEY", kind=otio.schema.TrackKind.Audio, metadata={"avlink": {}})
    at, clips, hits = 0, [], []
    for number, (gap, count, head) in enumerate(
        draw(st.lists(st.tuples(*[st.integers(0, 40)] * 3), min_size=1, max_size=5))
    ):
        if gap:
            track.append(otio.schema.Gap(duration=Time(gap, rate)))
        first, count, name = at + gap, count + 1, draw(names)
        there = Range(Time(start + first, rate), Time(head + count, rate))
        ref = otio.schema.ExternalReference(f"cut.stems/{number}.wav", there, {"avlink": {"take": 1}})
        struck = draw(st.lists(st.integers(head, head + count - 1), max_size=3, unique=True).map(sorted))
        # The first sample of a frame, or the next one where that falls between two.
        samples = [int(-(-frame * SAMPLE_RATE // exact)) for frame in struck]
        if struck:
            ref.metadata["avlink"]["hits"] = [[sample, 12.5] for sample in samples]
        said = {"sample_rate": SAMPLE_RATE, "samples": 1, "id": f"id{number}", "channels": 1}
        span = Range(Time(start + first + head, rate), Time(count, rate))
        stem = otio.schema.Clip(name, ref, span, metadata={"avlink": said})
        mark_hits(stem)
        track.append(stem)
        clips.append((name, first, count, head))
        hits += [(f"hit {index}", first + frame - head) for index, frame in enumerate(struck, start=1)]
        at = first + count
    markers = draw(st.lists(st.tuples(names, st.integers(0, 200)), max_size=3, unique_by=lambda one: one[1]))
    for name, frame in markers:
        timeline.tracks.markers.append(otio.schema.Marker(name, Range(Time(frame, rate), Time(0, rate))))
    timeline.tracks.append(track)
    return timeline, Seen(clips=clips, markers=sorted(markers, key=lambda one: one[1]), hits=hits)


def seen_of(flat: FlatTimeline) -> Seen:
    """The edit of a timeline as AVLink reads it."""

    def frame(time_s: Fraction) -> int:
        return clock.to_index(time_s, flat.rate)

    clips = [clip for track in flat.sound_tracks for clip in track.clips]
    own = [
        (marker.name, frame(clip.start_s + marker.start_s - clip.active_media.offset_s))
        for clip in clips
        for marker in clip.active_media.hits
    ]
    hits = own or [(marker.name, frame(marker.start_s)) for marker in flat.markers if marker.name.startswith("hit ")]
    return Seen(
        clips=[
            (clip.name, frame(clip.start_s), frame(clip.end_s) - frame(clip.start_s), frame(clip.active_media.offset_s))
            for clip in clips
        ],
        markers=[(one.name, frame(one.start_s)) for one in flat.markers if not one.name.startswith("hit ")],
        hits=hits,
    )


def by_xmeml(flat: FlatTimeline, folder: Path) -> Seen:
    xmeml.write(flat, folder / "cut.xml")
    file = read_timeline(folder / "cut.xml")
    seen = seen_of(flatten_timeline(file.timeline, drop_frame=file.drop_frame))
    root, hits = xml.parse(folder / "cut.xml").getroot(), []
    for clip in root.iter("clipitem"):
        # Markers count from the first frame of the file, as `in` does.
        shift = int(clip.findtext("start") or "") - int(clip.findtext("in") or "")
        hits += [(one.findtext("name") or "", int(one.findtext("in") or "") + shift) for one in clip.findall("marker")]
    return replace(seen, hits=hits)


def by_fcpxml(flat: FlatTimeline, folder: Path) -> Seen:
    fcpxml.write(flat, folder / "cut.fcpxml")
    file = read_timeline(folder / "cut.fcpxml")
    seen = seen_of(flatten_timeline(file.timeline, drop_frame=file.drop_frame))
    root, hits = xml.parse(folder / "cut.fcpxml").getroot(), []

    def of(element: xml.Element, name: str) -> Fraction:
        return Fraction((element.get(name) or "").removesuffix("s"))

    for clip in root.iter("asset-clip"):
        # The gap that holds everything counts from 0.
        shift_s = of(clip, "offset") - of(clip, "start")
        hits += [
            (one.get("value") or "", clock.to_index(of(one, "start") + shift_s, flat.rate))
            for one in clip.findall("marker")
        ]
    gap = next(root.iter("gap"))
    markers = [(one.get("value") or "", clock.to_index(of(one, "start"), flat.rate)) for one in gap.findall("marker")]
    return replace(seen, markers=markers, hits=hits)


def by_reaper(flat: FlatTimeline, folder: Path) -> Seen:
    rpp.write(flat, folder / "cut.rpp")
    text = (folder / "cut.rpp").read_text(encoding="utf-8")

    def name(shown: str) -> str:
        return shown[1:-1] if shown[:1] in "\"'`" and shown[:1] == shown[-1:] else shown

    def frame(seconds: str) -> int:
        return clock.to_index(Fraction(seconds), flat.rate)

    clips, hits = [], []
    for item in text.split("<ITEM")[1:]:
        found = {
            key: re.search(rf"^ +{key} (.*)$", item, re.MULTILINE) for key in ("POSITION", "LENGTH", "SOFFS", "NAME")
        }
        position, length, offset, shown = (match[1] for match in found.values() if match is not None)
        first, last = frame(position), clock.to_index(Fraction(position) + Fraction(length), flat.rate)
        clips.append((name(shown), first, last - first, frame(offset)))
        for at, label in re.findall(r"^ +TKM (\S+) (.*) 0$", item, re.MULTILINE):
            hits.append((name(label), first + frame(at) - frame(offset)))
    markers = [(name(label), frame(at)) for at, label in re.findall(r"^  MARKER \d+ (\S+) (.*) 0$", text, re.MULTILINE)]
    return Seen(clips=clips, markers=markers, hits=hits)


def by_kdenlive(flat: FlatTimeline, folder: Path) -> Seen:
    kdenlive.write(flat, folder / "cut.kdenlive")
    root = xml.parse(folder / "cut.kdenlive").getroot()
    said = {one.get("id"): {prop.get("name"): prop.text or "" for prop in one.findall("property")} for one in root}
    clips, hits, at = [], [], 0
    for entry in next(one for one in root.findall("playlist") if one.get("id") == "playlist0"):
        if entry.tag == "blank":
            at += int(entry.get("length") or "")
        elif entry.tag == "entry":
            begin, end = int(entry.get("in") or ""), int(entry.get("out") or "")
            in_bin = said[f"bin{said[entry.get('producer')]['kdenlive:id']}"]
            clips.append((in_bin["kdenlive:clipname"], at, end - begin + 1, begin))
            for mark in json.loads(in_bin.get("kdenlive:markers", "[]")):
                hits.append((mark["comment"], at + mark["pos"] - begin))
            at += end - begin + 1
    guides = json.loads(said["main_bin"]["kdenlive:docproperties.guides"])
    return Seen(clips=clips, markers=[(one["comment"], one["pos"]) for one in guides], hits=hits)


def by_sheet(flat: FlatTimeline, folder: Path) -> Seen:
    cues.write(flat, folder / "cut.csv")
    read = cues.read_from_file(str(folder / "cut.csv"))
    assert isinstance(read, otio.schema.Timeline)
    (track,) = read.audio_tracks()
    clips, hits = [], []
    for number, clip in enumerate(track.find_clips()):
        span = track.range_of_child(clip)
        first, count = (
            clock.to_index(clock.exact_time(one.value, one.rate), flat.rate) for one in (span.start_time, span.duration)
        )
        # A sheet has no place for the offset in the file.
        clips.append(
            (
                clip.name,
                first,
                count,
                clock.to_index(flat.sound_tracks[0].clips[number].active_media.offset_s, flat.rate),
            )
        )
        for marker in clip.markers:
            start = marker.marked_range.start_time
            hits.append((marker.name, first + clock.to_index(clock.exact_time(start.value, start.rate), flat.rate)))
    return Seen(
        clips=clips, markers=[(one.name, clock.to_index(one.start_s, flat.rate)) for one in flat.markers], hits=hits
    )


FORMATS = {
    "xml": by_xmeml,
    "fcpxml": by_fcpxml,
    "rpp": by_reaper,
    "kdenlive": by_kdenlive,
    "csv": by_sheet,
}


@pytest.mark.parametrize("to", FORMATS)
@given(edit=edits())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_as_the_same_edit(
    to: str, edit: tuple[otio.schema.Timeline, Seen], tmp_path: Path
) -> None:
    timeline, expected = edit
    flat = flatten_timeline(timeline)
    assert seen_of(flat) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert FORMATS[to](flat, tmp_path) == expected
