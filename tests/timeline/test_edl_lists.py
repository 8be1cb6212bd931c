"""Edit decision lists as a whole: how they count, their locators, their media, and several in one file."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pytest

from avlink.core.clock import exact_rate
from avlink.core.errors import TimelineError
from avlink.core.recipe.schema import ReadTable
from avlink.timeline.formats.edl import read_edl
from avlink.timeline.read import read_timeline
from avlink.timeline.resolve import MediaRoots, find_media
from avlink.timeline.select import select_clips
from avlink.timeline.timebase import origin_s
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_clips

sys.path.insert(0, str(Path(__file__).parent))
from edl_text import NEXT, SHOT, edl, line, pictures, timeline_of

# Rates and drop-frame


@pytest.mark.parametrize("rate", [24, 25, 30, 48, 50, 60, 23.976, 29.97, 59.94, 100, 119.88])
def test_frames_count_at_the_rate_that_is_given(rate: float) -> None:
    last = round(rate) - 1
    body = f"001  AX  V  C  00:00:00:00 00:00:01:00 01:00:00:{last:02} 01:00:01:{last:02}\n"
    (clip,) = list_clips(timeline_of(body, rate=rate))
    assert isinstance(clip, ClipRef) and clip.timeline_duration_s == round(rate) / exact_rate(rate)
    assert origin_s(timeline_of(body, rate=rate)) == (3600 * round(rate) + last) / exact_rate(rate)


def test_a_time_that_the_rate_does_not_have_is_refused_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 2: '00:00:01:24' is no timecode at 24 frames per second; --rate"):
        edl("001  AX  V  C  00:00:00:00 00:00:01:24 01:00:00:00 01:00:01:24\n")


@pytest.mark.parametrize(
    ("first", "second", "end"),
    [
        # An hour of drop-frame at 30000/1001 has 107892 frames; a minute that drops has 1798.
        ("01:00:00;00 01:00:59;29", "01:00:59;29 01:01:00;03", 1801),
        ("01:00:00:00 01:00:59:29", "01:00:59:29 01:01:00:01", 1801),
    ],
)
def test_drop_frame_by_its_sign(first: str, second: str, end: int) -> None:
    body = f"001  AX  V  C  00:00:00:00 00:00:59:29 {first}\n002  AX  V  C  00:00:00:00 00:00:00:02 {second}\n"
    assert pictures(body, rate=29.97)[1][1:3] == (1799, end)


def test_an_fcm_line_is_about_the_record_at_the_head_and_about_sources_later() -> None:
    head = "FCM: NON-DROP FRAME\n001  AX  V  C  00:10:00:00 00:10:02:00 01:00:00:00 01:00:02:00\n"
    later = "FCM: DROP FRAME\n002  AX  V  C  00:10:00:00 00:10:02:00 01:00:02:00 01:00:04:00\n"
    found = pictures(head + later, rate=29.97)
    assert [row[1:4] for row in found] == [(0, 60, 18000), (60, 120, 17982)]
    assert not edl(head + later, rate=29.97).drop_frame
    # At rates without drop-frame the line means nothing.
    assert [row[1] for row in pictures(head + later, rate=24)] == [0, 48]


def test_the_rate_is_guessed_from_the_highest_frame() -> None:
    for frame, rate in ((23, 24), (24, 25), (29, 30), (47, 50), (59, 60)):
        text = f"001  AX  V  C  00:00:00:00 00:00:01:{frame:02} 01:00:00:00 01:00:01:{frame:02}\n"
        assert read_edl(text.encode()).timebase.rate == rate
    assert read_edl(text.replace("00:01:59", "00:01;29").encode()).timebase.rate == Fraction(30000, 1001)


# Markers


def test_locators_lie_at_record_times() -> None:
    body = SHOT + "* LOC: 01:00:01:00 RED     FOLEY: keys\n* LOC: 01:00:03:00 GREEN   AMB: rain\n" + NEXT
    clips = [one for one in select_clips(list_clips(timeline_of(body))) if isinstance(one, ClipRef)]
    assert [(one.name, one.asked_prompt) for one in clips] == [("a", "keys"), ("b", None), ("b", "rain")]
    (marker,) = timeline_of(body).tracks[0][0].markers
    assert (marker.name, marker.color, marker.marked_range.start_time.value) == ("FOLEY: keys", "RED", 48)


@pytest.mark.parametrize("motion, frame", [("048.0", 72), ("012.0", 36), ("-024.0", 48), ("-048.0", 72)])
def test_locators_of_retimed_clips_lie_where_the_record_says(motion: str, frame: int) -> None:
    body = SHOT + f"M2   AX   {motion}   00:00:01:00\n* LOC: 01:00:01:00 FOLEY: keys\n"
    (marker,) = timeline_of(body).tracks[0][0].markers
    (clip,) = (one for one in list_clips(timeline_of(body)) if isinstance(one, ClipRef))
    assert clip.markers[0].start_s == 1 and (marker.marked_range.start_time.value, marker.color) == (frame, "RED")


def test_a_locator_on_a_freeze_frame_asks_for_its_sound() -> None:
    body = SHOT + "M2   AX   000.0   00:00:01:00\n*loc: 01:00:00:12 cyan FOLEY: hum\n"
    (clip,) = select_clips(list_clips(timeline_of(body)))
    assert isinstance(clip, ClipRef) and clip.asked_prompt == "hum"


def test_a_locator_elsewhere_is_kept_on_the_timeline() -> None:
    timeline = timeline_of(SHOT + "* LOC: 01:00:09:00 BLUE    end of reel\n* LOC: 00:00:02:00 RED     by source\n")
    assert [marker.name for marker in timeline.tracks.markers] == ["end of reel"]
    # OTIO writes source times.
    assert [marker.name for marker in timeline.tracks[0][0].markers] == ["by source"]


# Media


@pytest.fixture
def media(tmp_path: Path) -> Path:
    for name in ("m24.mp4", "A001_C002_0101AB_0123456789_ABCDEF.mov", "REEL0008.mov", "other.mp4"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("reel", "notes", "file"),
    [
        ("AX", "* FROM CLIP NAME: m24.mp4", "m24.mp4"),
        ("AX", "* FROM CLIP NAME: m24", "m24.mp4"),
        ("AX", "* from clip name:  M24.MP4", "m24.mp4"),
        ("AX", "FROM CLIP NAME: m24.mp4", "m24.mp4"),
        ("AX", "* FROM CLIP NAME: door\n* SOURCE FILE: m24.mp4", "m24.mp4"),
        ("AX", "* SOURCE FILE: Z:\\rushes\\m24.mp4\n* FROM CLIP NAME: door", "m24.mp4"),
        ("AX", "* FROM CLIP NAME: door\n* SOURCE FILE: m24", "m24.mp4"),
        ("AX", "* FROM CLIP NAME: door\n* FROM CLIP: /Volumes/rushes/m24.mp4", "m24.mp4"),
        ("AX", "* FROM CLIP NAME: door\n* FROM FILE: m24.mp4", "m24.mp4"),
        ("AX", "* FROM CLIP NAME: door\n* CLIP MEDIA: m24.mp4", "m24.mp4"),
        ("AX", "* FROM CLIP NAME: door\n* OTIO REFERENCE FROM: m24.mp4", "m24.mp4"),
        ("AX", "* FROM CLIP: m24", "m24.mp4"),
        ("AX", "* TO CLIP NAME: m24.mp4", "m24.mp4"),
        ("M24", "", "m24.mp4"),
        ("m24.mp4", "", "m24.mp4"),
        ("M24", "* FROM CLIP NAME: door slam wide", "m24.mp4"),
        ("M24", "* FROM CLIP NAME: other.mp4", "other.mp4"),
        ("REEL0008", "", "REEL0008.mov"),
        ("A001_C002_0101AB_0123456789_ABCDEF", "", "A001_C002_0101AB_0123456789_ABCDEF.mov"),
        ("A001", "* OTIO TRUNCATED REEL NAME FROM: m24.mp4", "m24.mp4"),
        ("A001", "FINAL CUT PRO REEL: m24 REPLACED BY: A001", "m24.mp4"),
    ],
)
def test_media_is_found_by_all_names_that_a_list_has_for_it(media: Path, reel: str, notes: str, file: str) -> None:
    body = line(1, ("00:01:00", "00:03:00"), ("00:00:00", "00:02:00"), reel=reel) + notes + "\n"
    (clip,) = list_clips(timeline_of(body))
    assert isinstance(clip, ClipRef)
    assert find_media(clip, media / "elsewhere", MediaRoots([media]))[1] == media / file


def test_stills_and_bars_are_no_films() -> None:
    for reel, notes in (
        ("AX", "* FROM CLIP NAME: title card.jpg\n* FROM CLIP IS A STILL\n"),
        ("AX", "* FROM CLIP NAME: title card.jpg\n"),
        ("BARS", ""),
    ):
        body = line(1, ("00:00:00", "00:02:00"), ("00:00:00", "00:02:00"), reel=reel) + notes
        (clip,) = list_clips(timeline_of(body))
        assert isinstance(clip, ClipRef) and clip.media[0].kind in {"file", "generator"}
        assert clip.name in {"title card.jpg", "1"}


def test_names_reels_and_comments_are_kept() -> None:
    body = line(1, ("00:01:00", "00:03:00"), ("00:00:00", "00:02:00"), "a", reel="TAPE 7")
    body += "* COMMENT: hold on\n* ASC_SOP (1 1.1 1) (0 -0.1 0) (1 1 1)\n* ASC_SAT 0.9\n* TIMEWARP EFFECT: none\n"
    (clip,) = timeline_of(body).tracks[0]
    said = clip.metadata["cmx_3600"]
    assert (clip.name, said["reel"], said["comments"][0]) == ("a", "TAPE 7", "COMMENT: hold on")
    assert clip.metadata["cdl"]["asc_sop"]["slope"][1] == 1.1 and clip.metadata["cdl"]["asc_sat"] == 0.9


# Several lists


def lists(*titles: str, hours: tuple[int, int] = (1, 2), channels: tuple[str, str] = ("V", "V")) -> bytes:
    one = "TITLE: {}\nFCM: NON-DROP FRAME\n001  AX  {}  C  00:00:00:00 00:00:02:00 {:02}:00:00:00 {:02}:00:02:00\n"
    return "".join(
        one.format(title, channel, hour, hour) for title, hour, channel in zip(titles, hours, channels, strict=True)
    ).encode()


def test_lists_that_record_at_different_times_are_one_timeline(tmp_path: Path) -> None:
    (tmp_path / "two.edl").write_bytes(lists("reel 1", "reel 2"))
    file = read_timeline(tmp_path / "two.edl")
    starts = [one.timeline_start_s for one in list_clips(file.timeline)]
    assert starts == [0, 3600] and any("2 lists (reel 1, reel 2) are read as one timeline" in one for one in file.notes)
    one = read_timeline(tmp_path / "two.edl", ReadTable(timeline="reel 2")).timeline
    assert (one.name, [clip.timeline_start_s for clip in list_clips(one)], origin_s(one)) == ("reel 2", [0], 7200)
    with pytest.raises(TimelineError, match="none is called 'reel 3'"):
        read_timeline(tmp_path / "two.edl", ReadTable(timeline="reel 3"))


def test_lists_of_picture_and_sound_are_one_timeline_and_versions_are_not(tmp_path: Path) -> None:
    (found,) = read_edl(lists("cut", "cut", hours=(1, 1), channels=("V", "A"))).timelines
    assert [track.name for track in found.tracks] == ["V", "A"]
    (tmp_path / "two.edl").write_bytes(lists("v1", "v2", hours=(1, 1)))
    with pytest.raises(TimelineError, match=r"holds 2 timelines \(v1, v2\); --timeline NAME says which"):
        read_timeline(tmp_path / "two.edl")
    assert read_timeline(tmp_path / "two.edl", ReadTable(timeline="v2")).timeline.name == "v2"
