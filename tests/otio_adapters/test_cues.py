"""The cue sheet: what is written can be read, in a spreadsheet's hands too."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import avlink_otio
import opentimelineio as otio
import pytest
from avlink_otio import plugin
from avlink_otio.cues import COLUMNS, read_from_file, read_from_string, write_to_string
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink import flatten_timeline
from avlink.hooks import make_registry


def _timeline(names: list[str], rate: float = 24.0) -> otio.schema.Timeline:
    timeline = otio.schema.Timeline("t", global_start_time=otio.opentime.RationalTime(86400, rate))
    track = otio.schema.Track("FOLEY", kind=otio.schema.TrackKind.Audio, metadata={"avlink": {}})
    for index, name in enumerate(names):
        span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, rate), otio.opentime.RationalTime(36.5, rate))
        ref = otio.schema.ExternalReference(f"{index}.wav", span, {"avlink": {"prompt": 'a, "b"', "seed": 2**62}})
        said = {"avlink": {"start_samples": index, "samples": 73000}}
        track.append(otio.schema.Gap(duration=otio.opentime.RationalTime(index, rate)))
        track.append(otio.schema.Clip(name, ref, span, said))
    timeline.tracks.extend([otio.schema.Track("V1"), track])
    return timeline


NAMES = ["door", "=1+1", "'quoted'", "ünïcode, 音", "line\nbreak", "-12 dB"]


@pytest.mark.parametrize("rate", [24.0, 30000 / 1001, 23.976])
def test_a_sheet_survives_being_read_and_written(rate: float) -> None:
    sheet = write_to_string(_timeline(NAMES, rate))
    again = read_from_string(sheet)
    assert [clip.name for clip in again.find_clips()] == NAMES
    again.global_start_time = otio.opentime.RationalTime(86400, rate)
    assert write_to_string(again) == sheet


@given(st.lists(st.integers(1, 400), min_size=2, max_size=12), st.sampled_from([24.0, 25.0, 30000 / 1001]))
def test_cues_that_meet_are_read_as_they_were_written(frames: list[int], rate: float) -> None:
    timeline = _timeline([])
    for index, length in enumerate(frames):
        time = otio.opentime.RationalTime
        span = otio.opentime.TimeRange(time(0, rate), time(length, rate))
        ref = otio.schema.ExternalReference(f"{index}.wav", span)
        timeline.tracks[1].append(otio.schema.Clip(str(index), ref, span, {"avlink": {"samples": 1}}))
    (track,) = read_from_string(write_to_string(timeline)).tracks
    assert [item.name for item in track] == [str(index) for index in range(len(frames))]


def test_no_cell_begins_like_a_formula() -> None:
    for row in csv.DictReader(io.StringIO(write_to_string(_timeline(NAMES)))):
        assert tuple(row) == COLUMNS
        assert not any(value.startswith(("=", "+", "-", "@")) for value in row.values())


def test_places_are_told_in_timecode_and_seconds() -> None:
    first, second, *_ = csv.DictReader(io.StringIO(write_to_string(_timeline(NAMES))))
    assert (first["start_tc"], first["start_s"], first["made_seed"]) == ("01:00:00:00", "0.000000", f"'{2**62}")
    assert (second["start_s"], second["start_tc"]) == ("1.562500", "01:00:01:13")


def test_without_stems_the_pictures_are_listed() -> None:
    timeline = _timeline([])
    del timeline.tracks[1]
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(24, 24))
    timeline.tracks[0].append(otio.schema.Clip("shot", otio.schema.MissingReference(), span))
    (row,) = csv.DictReader(io.StringIO(write_to_string(timeline)))
    assert (row["track"], row["clip"]) == ("V1", "shot")


@pytest.mark.parametrize(
    "sheet, words",
    [
        ("", "no column track and no column clip and no column start_s and no column duration_s"),
        ("a,b\n1,2\n", "it is no cue sheet"),
        ("track,clip,start_s,duration_s\nA,x,soon,1\n", "row 2, column start_s: 'soon' is no number"),
        ("track,clip,start_s,duration_s\nA,x,0,0\n", "row 2, column duration_s: '0' must be more than 0"),
        ("track,clip,start_s,duration_s\nA,x,0,2\nA,y,1,2\n", "row 3, column start_s: '1' lies before the end"),
    ],
)
def test_what_is_no_sheet_is_a_sentence(sheet: str, words: str) -> None:
    with pytest.raises(otio.exceptions.OTIOError, match=words):
        read_from_string(sheet)


def test_otio_finds_the_adapter_by_its_manifest(tmp_path: Path) -> None:
    manifest = Path(avlink_otio.__file__).with_name("plugin_manifest.json")
    (tmp_path / "cut.csv").write_text(write_to_string(_timeline(["door"])), encoding="utf-8")
    script = "import opentimelineio as o; print(o.adapters.read_from_file('cut.csv').tracks[0][0].name)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "OTIO_PLUGIN_MANIFEST_PATH": str(manifest)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "door\n", done.stderr


def test_a_recipe_can_ask_for_it(tmp_path: Path) -> None:
    cues = make_registry(plugin).format("cues")
    cues.write(flatten_timeline(_timeline(["door"])), tmp_path / f"cut{cues.suffix}")
    assert "door" in (tmp_path / "cut.csv").read_text(encoding="utf-8")


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)
wishes = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["sync", "ambience", "off"]),
        "prompt": texts.filter(bool),
        "negative": texts.filter(bool),
        "seed": st.integers(0, 2**63 - 1),
        "gain_db": st.integers(-60, 60).map(float) | st.sampled_from([-3.5, 0.25]),
    },
)


def _asking(wanted: list[dict[str, object]]) -> otio.schema.Timeline:
    timeline = _timeline(["x"] * len(wanted))
    for index, (clip, words) in enumerate(zip(timeline.tracks[1].find_clips(), wanted, strict=True)):
        clip.metadata["avlink"].update({"id": f"id{index}", **words})
    return timeline


def _edits(sheet: str) -> list[dict[str, object]]:
    # The clips die with the collection.
    found = read_from_string(sheet, edits=True)
    return [dict(clip.metadata["avlink"]) for clip in found]


def _resaved(sheet: str, separator: str, line_end: str) -> str:
    """The sheet as a spreadsheet saves it again."""
    rows = list(csv.reader(io.StringIO(sheet, newline="")))
    out = io.StringIO(newline="")
    # Before Python 3.13 a lone \r is quoted only where the lines end in it.
    quoting = csv.QUOTE_MINIMAL if "\r" in line_end else csv.QUOTE_ALL
    csv.writer(out, delimiter=separator, lineterminator=line_end, quoting=quoting).writerows(rows)
    return out.getvalue()


@given(st.lists(wishes, min_size=1, max_size=4), st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n"]))
@settings(deadline=None)
def test_what_clips_ask_for_survives_a_spreadsheet(
    wanted: list[dict[str, object]], separator: str, line_end: str
) -> None:
    sheet = "\ufeff" + _resaved(write_to_string(_asking(wanted)), separator, line_end)
    empty = dict.fromkeys(("mode", "prompt", "negative", "seed", "gain_db"))
    assert _edits(sheet) == [
        {"id": f"id{index}", "row": index + 2, **empty, "hits": "", **words} for index, words in enumerate(wanted)
    ]


@pytest.mark.parametrize("text", ["\r", "a\r\nb", "\n", " padded ", "'", "''=1"])
def test_odd_texts_survive_as_they_are(text: str) -> None:
    assert _edits(write_to_string(_asking([{"prompt": text}])))[0]["prompt"] == text


def test_a_sheet_needs_only_the_columns_that_are_edited() -> None:
    assert _edits("ID;Prompt;note\r\nabc;door, oak;x\r\n;;\r\n") == [{"id": "abc", "row": 2, "prompt": "door, oak"}]


@pytest.mark.parametrize(
    "cell, value",
    [
        ("seed,7.0", 7),
        ("seed,'181294917887961645", 181294917887961645),
        ('gain_db,"-3,5"', -3.5),
        ("mode, OFF ", "off"),
    ],
)
def test_cells_as_spreadsheets_leave_them(cell: str, value: object) -> None:
    column = cell.partition(",")[0]
    (edit,) = _edits(f"id,{column}\na{cell[len(column) :]}\n")
    assert edit[column] == value


@pytest.mark.parametrize(
    "sheet, words",
    [
        ("prompt\nx\n", "it has no column id"),
        ("id,prompt\n,x\n", "row 2, column id: '' is empty"),
        ("id,seed\na,1\nb,x\n", "row 3, column seed: 'x' is no whole number from 0 on"),
        ("id,seed\na,1.81294917887962E+17\n", "the spreadsheet has shortened it"),
        ("id,seed\na,-1\n", "column seed: '-1'"),
        ("id,seed\na,9223372036854775808\n", "is larger than 9223372036854775807"),
        ("id,gain_db\na,loud\n", "row 2, column gain_db: 'loud' is no number"),
        ("id,gain_db\na,nan\n", "row 2, column gain_db: 'nan' is no number"),
        ("id,gain_db\na,100\n", "more than 60 dB"),
        ("sep=;\nid;mode\na;loud\n", "row 3, column mode: 'loud' is none of sync, ambience, off"),
    ],
)
def test_a_wrong_cell_is_named_by_row_and_column(sheet: str, words: str) -> None:
    with pytest.raises(otio.exceptions.OTIOError, match=re.escape(words)):
        _edits(sheet)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_files_are_read_in_the_encodings_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "cues.csv"
    path.write_bytes("id;prompt\r\na;Tür, schwer\r\n".encode(encoding))
    found = read_from_file(str(path), edits=True)
    assert found[0].metadata["avlink"]["prompt"] == "Tür, schwer"


@pytest.mark.parametrize("rate", [24.0, 30000 / 1001, 23.976, 25.0])
def test_a_sheet_with_events_survives_being_read_and_written(cut, rate: float) -> None:
    # On frames, a sample before them, and anywhere.
    hits = [0, 2002, 7999, 8000, 24024, 24023, 33333]
    timeline = cut.strike(cut.timeline([(4801, 48000), (60000, 48000)], rate=rate), sorted(hits))
    sheet = write_to_string(timeline)
    assert {row["events"] for row in csv.DictReader(io.StringIO(sheet))} == {"7"}
    again = read_from_string(sheet)
    again.global_start_time = timeline.global_start_time
    for row, other in zip(
        *(csv.DictReader(io.StringIO(text)) for text in (sheet, write_to_string(again))), strict=True
    ):
        assert {name: row[name] for name in row if name.startswith("events")} == {
            name: other[name] for name in row if name.startswith("events")
        }


def test_a_trimmed_stem_has_the_events_that_are_heard(cut) -> None:
    timeline = cut.strike(cut.timeline([(48000, 96000)]), [12000, 24000, 83900, 84000])
    clip = timeline.tracks[1][1]
    media = clip.source_range
    clip.source_range = otio.opentime.TimeRange(media.start_time + cut.time(24000, 24.0), cut.time(60000, 24.0))
    (row,) = csv.DictReader(io.StringIO(write_to_string(timeline)))
    assert (row["events"], row["events_tc"]) == ("2", "01:00:01:00 01:00:02:05")
    assert row["events_s"] == "0.000000 1.247917"


def test_markers_of_pictures_are_no_events(cut) -> None:
    timeline = cut.timeline([(0, 48000)])
    del timeline.tracks[1]
    at = otio.opentime.RationalTime(6, 24)
    timeline.tracks[0][0].markers.append(otio.schema.Marker("FOLEY: steps", otio.opentime.TimeRange(at)))
    (row,) = csv.DictReader(io.StringIO(write_to_string(timeline)))
    assert (row["events"], row["events_tc"], row["events_s"]) == ("", "", "")


def test_what_is_edited_in_the_columns_of_events_is_ignored() -> None:
    assert _edits("id,prompt,events,events_tc,events_s\na,door,many,now,soon\n") == [
        {"id": "a", "row": 2, "prompt": "door"}
    ]


def test_markers_of_stems_are_events(tmp_path: Path) -> None:
    timeline = _timeline(["door"])
    stem = timeline.tracks[1][1]
    stem.source_range = otio.opentime.TimeRange(otio.opentime.RationalTime(240, 24), stem.source_range.duration)
    at = otio.opentime.RationalTime(246, 24)
    stem.markers.append(otio.schema.Marker("hit", otio.opentime.TimeRange(at)))
    (row,) = csv.DictReader(io.StringIO(write_to_string(timeline)))
    assert (row["events"], row["events_tc"], row["events_s"]) == ("1", "01:00:00:06", "0.250000")
