"""The sound that can be written, and the frames that lists can count."""

from __future__ import annotations

import csv
import io
import re
import warnings
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
from avlink_otio import cues, edl, rpp, xmeml
from avlink_otio.sheet import decode, read_rows, sheet_id
from hypothesis import given
from hypothesis import strategies as st

from avlink import flatten_timeline

Time, Range = otio.opentime.RationalTime, otio.opentime.TimeRange
AUDIO = otio.schema.TrackKind.Audio
IDS = [
    *("496599038012", "045324185930", "7533019715e8", "000000000000", "12e456789012"),
    *("abc123456789", "e12345678901", "c04532418593"),
]


def music(rate: float, *frames: tuple[float, float]) -> otio.schema.Timeline:
    """A timeline of one sound track; each clip is a start and a duration in its media."""
    track = otio.schema.Track("A1", kind=AUDIO)
    for start, duration in frames:
        span = Range(Time(start, rate), Time(duration, rate))
        track.append(otio.schema.Clip("music", otio.schema.ExternalReference("music.wav"), span))
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(track)
    return timeline


def positions(timeline: otio.schema.Timeline) -> list[float]:
    return [float(found) for found in re.findall(r"POSITION (\S+)", rpp.write_to_string(timeline))]


def test_retimed_sound_is_left_out_and_the_next_lies_where_it_ends() -> None:
    timeline = music(24, (0, 96), (240, 48))
    timeline.tracks[0][0].effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    timeline.metadata["PremierePro_OTIO"] = {}
    with pytest.warns(UserWarning, match="'music' is retimed and is left out"):
        assert positions(timeline) == [2]
    timeline.tracks[0][0].effects[0].time_scalar = 1
    assert positions(timeline) == [0, 4]


def test_a_file_without_a_clip_is_told() -> None:
    timeline = music(24, (0, 96))
    timeline.tracks[0][0].media_reference = otio.schema.MissingReference()
    with pytest.warns(UserWarning) as said:
        assert positions(timeline) == []
    assert [str(warning.message) for warning in said] == [
        "'music' names no file and is left out",
        "none of its sound tracks has a clip that can be written: the file is empty",
    ]


def test_nested_sound_is_written() -> None:
    timeline = music(24, (0, 48))
    inner = otio.schema.Track("inner", [timeline.tracks[0][0].deepcopy()], kind=AUDIO)
    timeline.tracks[0].append(otio.schema.Stack("nest", [inner]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert positions(timeline) == [0, 2]


@pytest.mark.parametrize("rate", [24, 25, 60, 100, 48000, 44100])
def test_an_edl_counts_frames_in_two_digits(rate: float) -> None:
    text = edl.write_to_string(music(rate, (0, 2 * rate), (5 * rate, rate)))
    times = re.findall(r"(\d+):(\d+):(\d+):(\d+)", text)
    assert {len(frames) for *_, frames in times} == {2}
    assert [":".join(time) for time in times[2:4]] == ["00:00:00:00", "00:00:02:00"]


def test_an_edl_of_high_rates_counts_at_a_part_of_them() -> None:
    with pytest.warns(UserWarning, match=r"counts every 2 of 119\.88"):
        text = edl.write_to_string(music(120000 / 1001, (0, 240), (480, 121)))
    assert re.findall(r" (00:00:0\d:\d\d) (00:00:0\d:\d\d)$", text, re.MULTILINE) == [
        ("00:00:00:00", "00:00:02:00"),
        ("00:00:02:00", "00:00:03:01"),
    ]


def test_all_frames_of_fcp7_xml_are_the_pictures() -> None:
    timeline = music(48000, (0, 96000))
    picture = otio.schema.Clip("shot", source_range=Range(Time(0, 25), Time(50, 25)))
    timeline.tracks.append(otio.schema.Track("V1", [picture]))
    assert set(re.findall("<timebase>(.*?)<", xmeml.write_to_string(timeline))) == {"25"}


@given(st.from_regex(r"[0-9a-f]{12}", fullmatch=True) | st.sampled_from(IDS))
def test_ids_are_no_numbers_to_a_spreadsheet_and_come_back(id: str) -> None:
    shown = sheet_id(id)
    assert shown[0].isalpha()
    for text in (shown, id):
        # Sheets that were written before, without the letter, are read as well.
        (row,) = read_rows(decode(f"id,prompt\r\n{text},x\r\n".encode()), ("id",))
        assert row.id() == id


def test_sheets_list_pictures_where_the_walk_sees_them() -> None:
    timeline = music(48000, (0, 144000))
    span = Range(Time(0, 24), Time(48, 24))
    inner = otio.schema.Stack("inner", [otio.schema.Track("V", [otio.schema.Clip("deep", source_range=span)])])
    shot = otio.schema.Clip("shot", source_range=Range(Time(0, 24), Time(24, 24)))
    timeline.tracks.append(otio.schema.Track("", [shot, inner]))
    rows = list(csv.DictReader(io.StringIO(cues.write_to_string(timeline))))
    assert [(row["track"], row["clip"], row["start_tc"], row["end_tc"]) for row in rows] == [
        ("V1", "shot", "00:00:00:00", "00:00:01:00"),
        ("V1", "deep", "00:00:01:00", "00:00:03:00"),
    ]


@pytest.mark.parametrize("rate", [8, 12, 15, 16, 120000 / 1001])
def test_sheets_of_any_rate_count_frames_per_nominal_second(rate: float) -> None:
    nominal = round(rate)
    timeline = otio.schema.Timeline("cut")
    spans = [Range(Time(0, rate), Time(length, rate)) for length in (10 * nominal, 2 * nominal + 1)]
    timeline.tracks.append(otio.schema.Track("V1", [otio.schema.Clip(f"{rate}", source_range=span) for span in spans]))
    rows = list(csv.DictReader(io.StringIO(cues.write_to_string(timeline))))
    assert [(row["start_tc"], row["end_tc"]) for row in rows] == [
        ("00:00:00:00", "00:00:10:00"),
        ("00:00:10:00", "00:00:12:01"),
    ]


def test_an_empty_sheet_says_so(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="neither stems nor pictures"):
        assert cues.write(flatten_timeline(music(24, (0, 24))), tmp_path / "cues.csv") == ()


def test_a_gain_that_is_no_number_is_shown_as_it_is() -> None:
    timeline = otio.schema.Timeline("cut")
    shot = otio.schema.Clip("shot", source_range=Range(Time(0, 24), Time(24, 24)))
    shot.metadata["avlink"] = {"gain_db": "loud", "seed": float(Fraction(1, 2))}
    timeline.tracks.append(otio.schema.Track("V1", [shot]))
    (row,) = csv.DictReader(io.StringIO(cues.write_to_string(timeline)))
    assert (row["gain_db"], row["seed"]) == ("loud", "0.5")
