"""Final Cut Pro 7 XML against places and speeds that follow from its definition."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from avlink.core.errors import TimelineError
from avlink.core.recipe.schema import ReadTable
from avlink.timeline.read import read_timeline
from avlink.timeline.select import select_clips
from avlink.timeline.timebase import frame_rate, is_drop_frame, origin_s
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.walk import list_clips, list_sounds


def _rate(timebase: object = 24, ntsc: str = "FALSE") -> str:
    return f"<rate><timebase>{timebase}</timebase><ntsc>{ntsc}</ntsc></rate>"


def _sequence(video: str, *, rate: str = _rate(), more: str = "", name: str = "cut", audio: str = "") -> str:
    return (
        f'<sequence id="{name}"><name>{name}</name><duration>480</duration>{rate}{more}'
        f"<media><video><track>{video}</track></video><audio><track>{audio}</track></audio></media></sequence>"
    )


def _write(folder: Path, body: str) -> Path:
    path = folder / "cut.xml"
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE xmeml><xmeml version="4">{body}</xmeml>')
    return path


def _file(name: str = "a", *, rate: str = _rate(), more: str = "<duration>480</duration>") -> str:
    url = f"<pathurl>file://localhost/footage/{name}.mov</pathurl>"
    return f'<file id="{name}"><name>{name}.mov</name>{url}{rate}{more}</file>'


def _clip(
    name: str, start: object, end: object, first: object, last: object, more: str = _file(), rate: str = _rate()
) -> str:
    edges = f"<start>{start}</start><end>{end}</end><in>{first}</in><out>{last}</out>"
    return f'<clipitem id="{name}"><name>{name}</name><duration>480</duration>{rate}{edges}{more}</clipitem>'


def _remap(speed: object, *, reverse: str = "FALSE", variable: int = 0, keys: str = "", enabled: str = "TRUE") -> str:
    values = {"variablespeed": variable, "speed": speed, "reverse": reverse}
    parameters = "".join(
        f"<parameter><parameterid>{name}</parameterid><name>{name}</name><value>{value}</value></parameter>"
        for name, value in values.items()
    )
    graph = f"<parameter><parameterid>graphdict</parameterid><value>0</value>{keys}</parameter>" if keys else ""
    return (
        f"<filter><enabled>{enabled}</enabled><effect><name>Time Remap</name><effectid>timeremap</effectid>"
        f"{parameters}{graph}</effect></filter>"
    )


def _key(when: object, value: object, more: str = "") -> str:
    return f"<keyframe><when>{when}</when><value>{value}</value>{more}</keyframe>"


def _seen(path: Path, rate: Fraction | int = 24) -> dict[str, tuple[Fraction, Fraction, Fraction, Fraction]]:
    """Start, length and first frame of the media by name, in frames, and the speed."""
    found = [item for item in list_clips(read_timeline(path).timeline) if isinstance(item, ClipRef)]
    return {
        one.name: (
            one.timeline_start_s * rate,
            one.timeline_duration_s * rate,
            one.source_start_s * rate,
            one.speed,
        )
        for one in found
    }


def _skips(path: Path) -> dict[str, Skip]:
    items = select_clips(list_clips(read_timeline(path).timeline))
    return {item.name: item for item in items if isinstance(item, Skip)}


def _transition(start: int, end: int, alignment: str, more: str = "") -> str:
    return (
        f"<transitionitem><start>{start}</start><end>{end}</end><alignment>{alignment}</alignment>{more}"
        "<effect><name>Cross Dissolve</name></effect></transitionitem>"
    )


SLUG = '<file id="s"><name>card</name><mediaSource>Slug</mediaSource></file>'
NOTHING = '<file id="n"><name>card</name></file>'


@pytest.mark.parametrize("held", [SLUG, NOTHING, ""])
def test_what_has_no_rate_lies_where_start_and_end_say(tmp_path: Path, held: str) -> None:
    hole = _clip("hole", 48, 96, 0, 48, held, _rate(0))
    path = _write(tmp_path, _sequence(_clip("a", 0, 48, 0, 48) + hole + _clip("b", 96, 144, 100, 148)))
    assert _seen(path) == {"a": (0, 48, 0, 1), "hole": (48, 48, 0, 1), "b": (96, 48, 100, 1)}


def test_generators_and_adjustment_layers_hide_nothing_and_move_nothing(tmp_path: Path) -> None:
    text = "<generatoritem><name>Text</name><start>0</start><end>48</end><in>0</in><out>48</out></generatoritem>"
    layer = _clip("layer", 48, 96, 0, 48, "<adjustmentlayer>TRUE</adjustmentlayer>")
    path = _write(tmp_path, _sequence(text + layer + _clip("a", 96, 144, 5, 53)))
    assert _seen(path)["a"] == (96, 48, 5, 1)
    items = list_clips(read_timeline(path).timeline)
    assert [item.media[0].kind for item in items if isinstance(item, ClipRef)] == ["generator", "generator", "file"]
    assert [item.opaque for item in items] == [False, False, True]


@pytest.mark.parametrize(
    "remap, first, speed",
    [
        (_remap(200), 96, 2),
        (_remap("50.0"), 24, Fraction(1, 2)),
        (_remap("100"), 48, 1),
        (_remap(200, enabled="FALSE"), 48, 1),
        # Backwards the retimed clip begins with the last frame of the media, of which there are 480.
        (_remap(100, reverse="TRUE"), 432, -1),
        (_remap(-200), 384, -2),
        (_remap(-200, reverse="TRUE"), 384, -2),
        # One speed, spelled with keyframes; between whole frames they leave their line by half of one.
        (_remap(0, variable=1, keys=_key(0, 0) + _key(480, 960)), 96, 2),
        (_remap(100, variable=1, keys=_key(0, 100) + _key(240, 580)), 196, 2),
        (_remap(100, variable=1, keys=_key(0, 480) + _key(480, 0)), 432, -1),
        (_remap(50, variable=1, keys=_key(0, 0) + _key(51, 26) + _key(480, 240)), None, None),
        (_remap(200, variable=1), 96, 2),
        # The virtual keyframes of Premiere may hold anything, and count where there are no others.
        (
            _remap(
                100,
                variable=1,
                keys=_key(0, 20)
                + _key(96, 116)
                + _key(70, -1815255671, "<speedvirtualkf>TRUE</speedvirtualkf><speedkfout>TRUE</speedkfout>"),
            ),
            68,
            1,
        ),
        (
            _remap(
                100,
                variable=1,
                keys="".join(
                    _key(when, when * 3, "<speedvirtualkf>TRUE</speedvirtualkf>") for when in (0, 48, 96, 160)
                ),
            ),
            144,
            3,
        ),
    ],
)
def test_one_speed_in_any_spelling(tmp_path: Path, remap: str, first: int | None, speed: Fraction | None) -> None:
    path = _write(tmp_path, _sequence(_clip("a", 0, 48, 48, 96, _file() + remap) + _clip("b", 48, 96, 0, 48)))
    seen = _seen(path)
    assert seen["b"] == (48, 48, 0, 1)
    if first is None:
        assert abs(seen["a"][2] - 24) < Fraction(1, 2) and abs(seen["a"][3] - Fraction(1, 2)) < Fraction(1, 50)
    else:
        assert seen["a"] == (0, 48, first, speed)


@pytest.mark.parametrize(
    "keys",
    [
        _key(0, 0) + _key(72, 72) + _key(120, 240),
        _key(0, 0) + _key(60, 40) + _key(80, 80) + _key(96, 100),
        _key(48, 48, "<outbez><value>1</value></outbez>") + _key(96, 96),
    ],
)
def test_a_speed_that_changes_is_named_and_skipped(tmp_path: Path, keys: str) -> None:
    remap = _remap(100, variable=1, keys=keys)
    path = _write(tmp_path, _sequence(_clip("ramp", 0, 48, 48, 96, _file() + remap) + _clip("b", 48, 96, 0, 48)))
    skip = _skips(path)["ramp"]
    assert "retimed over time" in skip.reason and (skip.timeline_start_s, skip.timeline_duration_s) == (0, 2)
    assert _seen(path)["b"] == (48, 48, 0, 1)


def test_a_ramp_outside_of_what_is_seen_is_none(tmp_path: Path) -> None:
    remap = _remap(100, variable=1, keys=_key(0, 0) + _key(40, 10) + _key(480, 890))
    path = _write(tmp_path, _sequence(_clip("a", 0, 48, 48, 96, _file() + remap)))
    assert _seen(path)["a"] == (0, 48, 26, 2)


@pytest.mark.parametrize("more, frame", [("", 24), ("<stillframeoffset>7</stillframeoffset>", 7)])
def test_still_frames_are_frozen(tmp_path: Path, more: str, frame: int) -> None:
    still = _clip("still", 0, 48, 24, 72, _file() + f"<stillframe>TRUE</stillframe>{more}")
    path = _write(tmp_path, _sequence(still + _clip("b", 48, 96, 0, 48)))
    assert _seen(path) == {"still": (0, 48, frame, 0), "b": (48, 48, 0, 1)}
    assert "freeze frame" in _skips(path)["still"].reason


@pytest.mark.parametrize(
    "alignment, more, cut",
    [
        ("center", "", 112),
        ("start", "", 100),
        ("end", "", 125),
        ("start-black", "", 100),
        ("end-black", "", 125),
        ("center", f"<cutPointTicks>{254_016_000_000 * 20 // 24}</cutPointTicks>", 120),
    ],
)
def test_edges_under_a_transition_lie_at_its_cut(tmp_path: Path, alignment: str, more: str, cut: int) -> None:
    items = _clip("a", 0, -1, 10, 135) + _transition(100, 125, alignment, more) + _clip("b", -1, 200, 30, 130)
    path = _write(tmp_path, _sequence(items))
    seen = _seen(path)
    # The `in` of the incoming clip is the frame with which the transition begins.
    assert seen == {"a": (0, cut, 10, 1), "b": (cut, 200 - cut, 30 + cut - 100, 1)}
    (track,) = read_timeline(path).timeline.video_tracks()
    (found,) = [one for one in track if isinstance(one, otio.schema.Transition)]
    assert (found.in_offset.value, found.out_offset.value) == (cut - 100, 125 - cut)


def test_edges_that_nothing_states_follow_from_in_and_out(tmp_path: Path) -> None:
    items = _clip("a", 0, -1, 10, 58) + _clip("b", -1, -1, 0, 24) + _clip("c", -1, 200, 0, 100)
    assert _seen(_write(tmp_path, _sequence(items))) == {
        "a": (0, 48, 10, 1),
        "b": (48, 24, 0, 1),
        "c": (100, 100, 0, 1),
    }


def test_items_that_overlap_or_come_late_keep_their_places(tmp_path: Path) -> None:
    items = _clip("late", 100, 148, 0, 48) + _clip("early", 0, 48, 0, 48) + _clip("over", 120, 168, 7, 55)
    assert _seen(_write(tmp_path, _sequence(items))) == {
        "late": (100, 48, 0, 1),
        "early": (0, 48, 0, 1),
        "over": (120, 48, 7, 1),
    }


@pytest.mark.parametrize(
    "rate, frames_per_s",
    [
        (_rate(30, "TRUE"), Fraction(30000, 1001)),
        (_rate(29, "true"), Fraction(30000, 1001)),
        (_rate("23.976", "TRUE"), Fraction(24000, 1001)),
        (_rate("25.0"), Fraction(25)),
        (_rate(15), Fraction(15)),
        ("<rate><timebase>60</timebase></rate>", Fraction(60)),
        ("", Fraction(50)),
    ],
)
def test_a_clip_of_any_rate(tmp_path: Path, rate: str, frames_per_s: Fraction) -> None:
    path = _write(tmp_path, _sequence(_clip("a", 5, 15, "100.0", 200, _file(rate=rate), rate), rate=_rate(50)))
    (clip,) = list_clips(read_timeline(path).timeline)
    assert isinstance(clip, ClipRef) and clip.source_start_s == 100 / frames_per_s
    assert (clip.timeline_start_s, clip.timeline_duration_s) == (Fraction(1, 10), Fraction(1, 5))


@pytest.mark.parametrize("text", ["<frame>107892</frame>", "<string>01:00:00:00</string>"])
def test_timecodes_of_sequence_and_file_count_at_their_rates(tmp_path: Path, text: str) -> None:
    ntsc = _rate(30, "TRUE")
    timecode = f"<timecode>{ntsc}{text}<displayformat>DF</displayformat></timecode>"
    marked = _file(rate=ntsc, more=f"<duration>600</duration>{timecode}")
    marker = "<marker><name>hit</name><in>65</in><out>-1</out></marker>"
    clip = _clip("a", 0, 30, 60, 90, marked + marker, ntsc)
    path = _write(tmp_path, _sequence(clip, rate=ntsc, more=timecode + marker))
    timeline = read_timeline(path).timeline
    hour_s = Fraction(107892) * 1001 / 30000
    assert frame_rate(timeline) == pytest.approx(29.97003) and is_drop_frame(timeline) and origin_s(timeline) == hour_s
    (found,) = list_clips(timeline)
    assert isinstance(found, ClipRef) and found.source_start_s == hour_s + Fraction(60 * 1001, 30000)
    assert found.media[0].start_s == hour_s
    # The marker of the clip is five frames in; that of the sequence lies behind its end.
    assert [(one.name, one.start_s * 30000 / 1001) for one in found.markers] == [("hit", 5)]


def test_files_clips_and_sequences_have_ids_of_their_own(tmp_path: Path) -> None:
    # All are called "x"; the second clip names the file by its id alone, the nest the sequence.
    first = _clip("x", 0, 24, 0, 24, _file("x")).replace("<name>x</name>", "<name>first</name>", 1)
    again = _clip("again", 24, 48, 30, 54, '<file id="x"/>')
    nest = _clip("nest", 48, 72, 12, 36, '<sequence id="x"/>')
    inner = _sequence(_clip("inner", 0, 48, 5, 53, '<file id="x"/>'), name="x")
    path = _write(tmp_path, f"{_sequence(first + again + nest)}<bin><children>{inner}</children></bin>")
    assert _seen(path) == {"first": (0, 24, 0, 1), "again": (24, 24, 30, 1), "inner": (48, 24, 17, 1)}
    timeline = read_timeline(path).timeline
    assert {ref.target_url for clip in timeline.find_clips() for ref in clip.media_references().values()} == {
        "file://localhost/footage/x.mov"
    }
    # A sequence that another one holds is read where it is asked for by name.
    assert timeline.name == "cut" and read_timeline(path, ReadTable(timeline="x")).timeline.name == "x"


def test_nested_sequences_are_heard_and_run_backwards(tmp_path: Path) -> None:
    inner = _sequence(_clip("v", 0, 480, 0, 480), name="in", audio=_clip("s", 0, 480, 0, 480))
    picture = _clip("nest", 0, 48, 0, 48, inner + _remap(100, reverse="TRUE"))
    sound = _clip("nest", 0, 48, 100, 148, '<sequence id="in"/>')
    path = _write(tmp_path, _sequence(picture, audio=sound))
    assert _seen(path)["v"] == (0, 48, 480, -1)
    (heard,) = [item for item in list_sounds(read_timeline(path).timeline) if isinstance(item, ClipRef)]
    assert heard.name == "s" and heard.source_start_s * 24 == 100


def test_what_is_off_and_what_is_labelled_stays_so(tmp_path: Path) -> None:
    off = _clip("off", 0, 48, 0, 48, _file() + "<enabled>FALSE</enabled>")
    on = _clip("on", 48, 96, 0, 48, _file() + "<labels><label2>Iris</label2></labels>")
    path = _write(tmp_path, _sequence(off + on))
    first, second = list_clips(read_timeline(path).timeline)
    assert isinstance(first, Skip) and first.reason == "is switched off"
    assert isinstance(second, ClipRef) and second.colour == "IRIS"


def test_a_master_clip_knows_the_file(tmp_path: Path) -> None:
    master = f'<clip id="m1"><name>m</name><media><video><track>{_clip("z", 0, 9, 0, 9)}</track></video></media></clip>'
    clip = _clip("a", 0, 48, 5, 53, "<masterclipid>m1</masterclipid>")
    (found,) = list_clips(read_timeline(_write(tmp_path, _sequence(clip) + master)).timeline)
    assert isinstance(found, ClipRef) and found.media[0].url.endswith("a.mov")


@pytest.mark.parametrize(
    "body, words",
    [
        (_sequence(_clip("a", "x", 48, 0, 48)), "start = 'x' is no number"),
        (_sequence(_clip("a", 0, "1e999999999", 0, 48)), "is no number"),
        (_sequence(_clip("a", 0, 10**18, 0, 48)), "is too much"),
        (_sequence(_clip("a", 0, 48, 0, 48, '<sequence id="cut"/>')), "'cut' holds itself"),
        (
            "".join(
                _sequence(
                    "".join(
                        _clip(f"c{n}-{k}", k * 24, k * 24 + 24, 0, 24, f'<sequence id="n{n + 1}"/>') for k in range(20)
                    ),
                    name=f"n{n}",
                )
                for n in range(12)
            ),
            "more than 100000 clips",
        ),
        ("<clip><name>a</name></clip>", "without a timeline"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(TimelineError, match=words) as error:
        read_timeline(_write(tmp_path, body))
    assert "\n" not in str(error.value)
