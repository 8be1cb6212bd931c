"""The walk against the truth table of real timelines, and the conventions of editing programs."""

from __future__ import annotations

import csv
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from avlink.core.errors import TimelineError
from avlink.timeline.read import TimelineFile, read_timeline
from avlink.timeline.resolve import Unresolved, find_media, media_start
from avlink.timeline.select import select_clips
from avlink.timeline.timebase import origin_s
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.walk import list_clips

SHARED = Path(__file__).parents[2] / ".." / "shared" / "timelines"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of real timelines is not beside the checkout")


# The table's own header has tabs inside a name.
COLUMNS = (
    *("file", "timeline", "clip", "kind", "start_s", "duration_s", "media_start_s", "media_duration_s"),
    *("speed", "enabled", "media", "unresolved", "note"),
)


def _truth() -> dict[str, list[dict[str, str]]]:
    rows = defaultdict(list)
    if SHARED.is_dir():
        with (SHARED / "real" / "truth.tsv").open(encoding="utf-8") as file:
            next(file)
            for row in csv.DictReader(file, COLUMNS, delimiter="\t"):
                rows[row["file"]].append(row)
    return dict(rows)


TRUTH = _truth()
FILES = (
    sorted(
        path for path in [*SHARED.iterdir(), *(SHARED / "real").iterdir()] if path.is_file() and path.suffix != ".tsv"
    )
    if SHARED.is_dir()
    else []
)


def _near(value: Fraction, text: str) -> bool:
    # The table is written to four places.
    return abs(float(value) - float(text)) < 6e-5


@needs_shared
@pytest.mark.parametrize("name", sorted(TRUTH))
def test_every_clip_lies_where_the_truth_table_says(name: str) -> None:
    file = read_timeline(SHARED / "real" / name)
    items = select_clips(list_clips(file.timeline))
    assert len(items) == len(TRUTH[name])
    for item, row in zip(items, TRUTH[name], strict=True):
        assert item.name == row["clip"]
        assert item.timeline_start_s is not None and _near(item.timeline_start_s, row["start_s"])
        assert item.timeline_duration_s is not None and _near(item.timeline_duration_s, row["duration_s"])
        if row["speed"] == "0.0":
            assert isinstance(item, Skip) and "freeze" in item.reason


@needs_shared
@pytest.mark.parametrize("name", sorted(TRUTH))
def test_every_clip_shows_what_the_truth_table_says(name: str) -> None:
    file = read_timeline(SHARED / "real" / name)
    items = sorted(list_clips(file.timeline), key=lambda item: item.timeline_start_s or Fraction(0))
    for item, row in zip(items, TRUTH[name], strict=True):
        assert isinstance(item, ClipRef)
        assert _near(item.speed, row["speed"])
        _check_media(item, file, row)


def _check_media(item: ClipRef, file: TimelineFile, row: dict[str, str]) -> None:
    if row["unresolved"]:
        with pytest.raises(Unresolved):
            find_media(item, file.folder)
    else:
        assert find_media(item, file.folder)[1].name == row["media"]
    start_s = media_start(item.media[0], item.source_low_s, timecode_s=None, file_duration_s=None)
    assert _near(start_s, row["media_start_s"])
    # A freeze uses one picture; one of the two tables gives its length on the timeline instead.
    if item.speed:
        assert _near(item.source_duration_s, row["media_duration_s"])


@needs_shared
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_real_file_gives_clips_or_a_sentence(path: Path) -> None:
    try:
        file = read_timeline(path)
    except TimelineError as error:
        assert len(str(error)) > 20 and "\n" not in str(error)
        return
    for item in select_clips(list_clips(file.timeline)):
        if isinstance(item, Skip):
            assert item.reason
            continue
        assert item.timeline_start_s >= 0 and item.timeline_duration_s > 0
        try:
            find_media(item, file.folder)
        except Unresolved as error:
            assert str(error)


@needs_shared
def test_an_edl_begins_at_its_first_record_time() -> None:
    timeline = read_timeline(SHARED / "cmx_speed_effects.edl").timeline
    items = list_clips(timeline)
    assert origin_s(timeline) == 3600
    assert items[0].timeline_start_s == 0
    assert len(items) == 548
    last = items[-1]
    assert last.timeline_start_s is not None and last.timeline_duration_s is not None
    assert last.timeline_start_s + last.timeline_duration_s == Fraction(30330, 24)


@needs_shared
def test_final_cuts_own_switch_is_heeded() -> None:
    items = list_clips(read_timeline(SHARED / "fcp_premiere_enable.xml").timeline)
    assert sum(isinstance(item, Skip) and "switched off" in item.reason for item in items) == 3


def _timeline(*tracks: otio.schema.Track) -> otio.schema.Timeline:
    timeline = otio.schema.Timeline("t")
    timeline.tracks.extend(tracks)
    return timeline


def _clip(name: str, start: float, frames: float, rate: float = 24, url: str = "a.mp4") -> otio.schema.Clip:
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(frames, rate))
    return otio.schema.Clip(name, otio.schema.ExternalReference(url), span)


def test_what_follows_a_clip_of_unknown_length_is_named_and_not_guessed() -> None:
    endless = otio.schema.Clip("endless")
    items = list_clips(_timeline(otio.schema.Track("V1", [_clip("a", 0, 24), endless, _clip("b", 0, 24)])))
    assert [type(item) for item in items] == [ClipRef, Skip, Skip]
    assert isinstance(items[2], Skip) and "comes after 'endless'" in items[2].reason


def test_a_rate_of_zero_is_a_sentence() -> None:
    items = list_clips(_timeline(otio.schema.Track("V1", [_clip("title", 84791, 10, rate=0)])))
    assert isinstance(items[0], Skip) and "no valid rate" in items[0].reason


def test_track_and_timeline_trims_cut_clips_and_move_them() -> None:
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(12, 24), otio.opentime.RationalTime(48, 24))
    track = otio.schema.Track("V1", [_clip("a", 100, 24), _clip("b", 0, 24), _clip("c", 0, 48)], span)
    timeline = _timeline(track)
    timeline.tracks.source_range = otio.opentime.TimeRange(
        otio.opentime.RationalTime(6, 24), otio.opentime.RationalTime(24, 24)
    )
    a, b, c = list_clips(timeline)
    assert isinstance(a, ClipRef) and (a.timeline_start_s, a.timeline_duration_s) == (0, Fraction(6, 24))
    assert a.source_start_s == Fraction(118, 24)
    assert isinstance(b, ClipRef) and (b.timeline_start_s, b.timeline_duration_s) == (Fraction(6, 24), Fraction(18, 24))
    assert isinstance(c, Skip) and "trimmed away" in c.reason


def test_a_warp_that_changes_nothing_is_no_retime() -> None:
    clip = _clip("a", 0, 24)
    clip.effects.extend([otio.schema.LinearTimeWarp(time_scalar=2.0), otio.schema.LinearTimeWarp(time_scalar=0.5)])
    assert isinstance(list_clips(_timeline(otio.schema.Track("V1", [clip])))[0], ClipRef)
