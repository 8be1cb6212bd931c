"""The Reaper project: read again by a small parser that shares nothing with the writer."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from avlink_otio.rpp import quote, write_to_file, write_to_string
from hypothesis import given, settings
from hypothesis import strategies as st

RATES = [24.0, 25.0, 30.0, 23.976, 24000 / 1001, 30000 / 1001, 59.94, 15.0]
places = st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 200_000)), min_size=1, max_size=6).map(
    lambda drawn: [
        (sum(gap + length for gap, length in drawn[:index]) + gap, length) for index, (gap, length) in enumerate(drawn)
    ]
)
Block = tuple[list[str], list[Any]]


def words(line: str) -> list[str]:
    """A line as Reaper reads it: words, or texts in any of three quotes."""
    found, rest = [], line.strip()
    while rest:
        if rest[0] in "\"'`":
            text, _, rest = rest[1:].partition(rest[0])
        else:
            text, _, rest = rest.partition(" ")
        found.append(text)
        rest = rest.lstrip()
    return found


def parse(text: str) -> Block:
    """The project as nested blocks of lines."""
    stack: list[Block] = [([], [])]
    for line in text.splitlines():
        if line.strip() == ">":
            block = stack.pop()
            stack[-1][1].append(block)
        elif line.lstrip().startswith("<"):
            stack.append((words(line.strip()[1:]), []))
        elif line.strip():
            stack[-1][1].append(words(line))
    assert len(stack) == 1
    (project,) = stack[0][1]
    return project


def blocks(block: Block, name: str) -> list[Block]:
    return [child for child in block[1] if isinstance(child, tuple) and child[0][0] == name]


def values(block: Block, name: str) -> list[list[str]]:
    return [child[1:] for child in block[1] if isinstance(child, list) and child[0] == name]


def value(block: Block, name: str) -> str:
    return values(block, name)[0][0]


def samples(text: str, rate: int = 48000) -> Fraction:
    return Fraction(text) * rate


@given(places, st.sampled_from(RATES), st.sampled_from([0, 86400, 107892]))
@settings(deadline=None, max_examples=40)
def test_items_lie_on_their_samples(cut, drawn: list[tuple[int, int]], rate: float, start: int) -> None:
    project = parse(write_to_string(cut.timeline(drawn, rate=rate, start=start)))
    (track,) = blocks(project, "TRACK")
    items = blocks(track, "ITEM")
    found = [(samples(value(item, "POSITION")), samples(value(item, "LENGTH"))) for item in items]
    for (at, length), (first, count) in zip(found, drawn, strict=True):
        assert abs(at - first) < 1e-6 and abs(length - count) < 1e-6
    assert all(value(item, "SOFFS") == "0" for item in items)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20))
def test_names_come_through_reapers_quotes(text: str) -> None:
    read = words(f"NAME {quote(text)}")[1:]
    expected = text.replace("`", "'") if all(sign in text for sign in "\"'`") else text
    assert read == [expected]


@pytest.mark.parametrize(
    "rate, start, base, mode, offset_s",
    [
        (24.0, 86400, 24, 0, Fraction(3600)),
        (25.0, 90000, 25, 0, Fraction(3600)),
        (23.976, 86400, 24, 2, Fraction(36036, 10)),
        (29.97, 108000, 30, 2, Fraction(36036, 10)),
        (59.94, 0, 60, 2, Fraction(0)),
    ],
)
def test_the_ruler_counts_as_the_project_does(
    cut, rate: float, start: int, base: int, mode: int, offset_s: Fraction
) -> None:
    project = parse(write_to_string(cut.timeline([(0, 48000)], rate=rate, start=start)))
    time = values(project, "TIMEMODE")[0]
    assert (time[0], int(time[3]), int(time[4])) == ("5", base, mode)
    assert Fraction(value(project, "PROJOFFS")) == offset_s
    assert value(project, "SAMPLERATE") == "48000"


def test_drop_frame_is_what_final_cut_calls_it(cut) -> None:
    timeline = cut.timeline([(0, 48000)], rate=30000 / 1001)
    timeline.metadata["fcp_xml"] = {"timecode": {"displayformat": "DF"}}
    assert values(parse(write_to_string(timeline)), "TIMEMODE")[0][3:5] == ["30", "1"]


def test_media_is_named_from_the_folder_of_the_project(cut, tmp_path: Path) -> None:
    timeline = cut.timeline([(0, 480)], folder="stems of it")
    write_to_file(timeline, str(tmp_path / "cut.rpp"))
    timeline.tracks[1][0].media_reference.target_url = str(tmp_path / "stems of it" / "0.wav")
    write_to_file(timeline, str(tmp_path / "same.rpp"))
    timeline.tracks[1][0].media_reference.target_url = (tmp_path / "stems of it" / "0.wav").as_uri()
    write_to_file(timeline, str(tmp_path / "url.rpp"))
    texts = {path.read_text(encoding="utf-8") for path in tmp_path.glob("*.rpp")}
    assert len(texts) == 1
    assert 'FILE "stems of it/0.wav"' in texts.pop()


def test_takes_are_reapers_takes_and_the_active_one_plays(cut) -> None:
    timeline = cut.timeline([(0, 4800)], takes=3)
    clip = timeline.tracks[1][0]
    clip.active_media_reference_key = "take_2"
    (item,) = blocks(blocks(parse(write_to_string(timeline)), "TRACK")[0], "ITEM")
    files = [value(source, "FILE") for source in blocks(item, "SOURCE")]
    assert files == ["cut.stems/0.wav", "cut.stems/0_2.wav", "cut.stems/0_3.wav"]
    assert values(item, "TAKE") == [["SEL"], []]


def test_a_trimmed_stem_starts_inside_its_file(cut) -> None:
    timeline = cut.timeline([(48000, 96000)])
    clip = timeline.tracks[1][1]
    media = clip.source_range
    clip.source_range = otio.opentime.TimeRange(media.start_time + cut.time(24000, 24.0), cut.time(60000, 24.0))
    (item,) = blocks(blocks(parse(write_to_string(timeline)), "TRACK")[0], "ITEM")
    assert (samples(value(item, "SOFFS")), samples(value(item, "LENGTH"))) == (24000, 60000)


def test_a_dissolve_is_two_items_that_overlap(cut) -> None:
    timeline = cut.timeline([(0, 96000), (96000, 96000)])
    track = timeline.tracks[1]
    for clip in track.find_clips():
        # Half a second of handles on both sides.
        media = clip.media_reference.available_range
        clip.media_reference.available_range = otio.opentime.TimeRange(
            media.start_time - cut.time(24000, 24.0), media.duration + cut.time(48000, 24.0)
        )
    quarter = cut.time(12000, 24.0)
    track.insert(1, otio.schema.Transition(in_offset=quarter, out_offset=quarter))
    first, second = blocks(blocks(parse(write_to_string(timeline)), "TRACK")[0], "ITEM")
    assert (samples(value(first, "POSITION")), samples(value(first, "LENGTH"))) == (0, 108000)
    assert (samples(value(second, "POSITION")), samples(value(second, "LENGTH"))) == (84000, 108000)
    assert samples(value(second, "SOFFS")) == 12000
    fades = [values(first, "FADEOUT")[0], values(second, "FADEIN")[0]]
    assert [(fade[0], samples(fade[1])) for fade in fades] == [("1", 24000), ("1", 24000)]


def test_markers_and_regions_are_where_they_are_in_the_timeline(cut) -> None:
    timeline = cut.timeline([(48000, 96000)])
    at = otio.opentime.RationalTime
    span = otio.opentime.TimeRange
    timeline.tracks.markers.append(otio.schema.Marker("reel", span(at(12, 24), at(0, 24))))
    timeline.tracks[0][0].markers.append(otio.schema.Marker('say "go"', span(at(24, 24), at(12, 24))))
    stem = timeline.tracks[1][1]
    stem.markers.append(otio.schema.Marker("hit", span(stem.source_range.start_time + at(6, 24), at(0, 24))))
    found = values(parse(write_to_string(timeline)), "MARKER")
    assert [(name, Fraction(time), flag) for _, time, name, flag in found] == [
        ("reel", Fraction(1, 2), "0"),
        ('say "go"', Fraction(1), "1"),
        ("", Fraction(3, 2), "1"),
        ("hit", Fraction(5, 4), "0"),
    ]


def taken(item: Block) -> list[list[list[str]]]:
    """The lines of each take of an item: the first take's follow the item's own."""
    takes: list[list[list[str]]] = [[]]
    for child in item[1]:
        line = child if isinstance(child, list) else child[0]
        if line[0] == "TAKE":
            takes.append([])
        takes[-1].append(line)
    return takes


def test_hits_are_markers_of_their_takes_and_of_nothing_else(cut) -> None:
    timeline = cut.strike(cut.timeline([(48000, 96000), (144000, 96000)], takes=2), [24000, 47999], [1])
    project = parse(write_to_string(timeline))
    assert values(project, "MARKER") == []
    for item in blocks(blocks(project, "TRACK")[0], "ITEM"):
        takes = taken(item)
        marks = [[line[1:] for line in take if line[0] == "TKM"] for take in takes]
        assert [[(round(samples(at), 6), name, colour) for at, name, colour in take] for take in marks] == [
            [(24000, "hit 1", "0"), (47999, "hit 2", "0")],
            [(1, "hit 1", "0")],
        ]
        # Reaper writes them behind the source that they count in.
        for take in takes:
            order = [line[0] for line in take]
            assert order.index("SOURCE") < order.index("TKM")


def test_hits_that_a_person_took_away_stay_away(cut) -> None:
    timeline = cut.strike(cut.timeline([(0, 96000)]), [24000, 48000, 72000])
    del timeline.tracks[1][0].markers[1]
    (item,) = blocks(blocks(parse(write_to_string(timeline)), "TRACK")[0], "ITEM")
    assert [(samples(at), name) for at, name, _ in values(item, "TKM")] == [(24000, "hit 1"), (72000, "hit 3")]


def test_the_same_timeline_gives_the_same_file(cut) -> None:
    drawn = [(0, 480), (960, 480)]
    assert write_to_string(cut.timeline(drawn)) == write_to_string(cut.timeline(drawn))


def test_only_our_tracks_are_written_unless_there_are_none(cut) -> None:
    timeline = cut.timeline([(0, 480)])
    sound = otio.schema.Track("A1", kind=otio.schema.TrackKind.Audio)
    sound.append(timeline.tracks[1][0].deepcopy())
    timeline.tracks.append(sound)
    assert [value(track, "NAME") for track in blocks(parse(write_to_string(timeline)), "TRACK")] == ["FOLEY"]
    del timeline.tracks[1]
    assert [value(track, "NAME") for track in blocks(parse(write_to_string(timeline)), "TRACK")] == ["A1"]
    del timeline.tracks[1]
    with pytest.raises(otio.exceptions.NotSupportedError, match="no sound tracks"):
        write_to_string(timeline)


def test_what_cannot_be_carried_is_said(cut) -> None:
    timeline = cut.timeline([(0, 480), (480, 480)])
    timeline.tracks[1][0].effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))
    with pytest.warns(UserWarning, match="'s0' is retimed and is left out"):
        project = parse(write_to_string(timeline))
    assert len(blocks(blocks(project, "TRACK")[0], "ITEM")) == 1


def test_a_trimmed_timeline_shows_what_it_shows(cut) -> None:
    timeline = cut.timeline([(0, 96000), (96000, 96000)])
    window = otio.opentime.TimeRange(otio.opentime.RationalTime(24, 24), otio.opentime.RationalTime(36, 24))
    timeline.tracks.source_range = window
    items = blocks(blocks(parse(write_to_string(timeline)), "TRACK")[0], "ITEM")
    found = [tuple(samples(value(item, name)) for name in ("POSITION", "LENGTH", "SOFFS")) for item in items]
    assert found == [(0, 48000, 48000), (48000, 24000, 0)]
