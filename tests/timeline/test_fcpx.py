"""FCPXML: every clip lies where Final Cut shows it, at every rate, and plays that moment of its media."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from avlink.core.errors import TimelineError
from avlink.timeline.read import read_timeline
from avlink.timeline.select import select_clips
from avlink.timeline.timebase import frame_rate, origin_s
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.visible import visible
from avlink.timeline.walk import list_clips, list_sounds

FRAMES = [Fraction(1001, 24000), Fraction(1, 24), Fraction(1, 25), Fraction(1001, 30000), Fraction(1001, 60000)]


def _document(frame: Fraction, spine: str, *, start: int = 0, more: str = "", shape: str = "NDF") -> str:
    """A project of one storyline; media `film` begins at frame 100 and has sound, `mute` has none. In frames: {n}."""
    text = f"""<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE fcpxml><fcpxml version="1.10"><resources>
<format id="r1" frameDuration="{frame}s" width="1920" height="1080"/>
<asset id="film" name="film" start="{{100}}" duration="{{900}}" hasVideo="1" hasAudio="1" format="r1">
<media-rep kind="original-media" src="file:///film.mov"/></asset>
<asset id="mute" name="mute" src="file:///mute.mov" start="0s" duration="{{900}}" hasVideo="1" format="r1"/>
<asset id="song" name="song" src="file:///song.wav" start="0s" duration="{{900}}" hasAudio="1"/>
<effect id="text" name="Basic Title" uid="x"/>{more}</resources>
<library><event name="e"><project name="cut"><sequence format="r1" tcStart="{{{start}}}" tcFormat="{shape}">
<spine>{spine}</spine></sequence></project></event></library></fcpxml>"""
    for number in range(1200):
        text = text.replace(f"{{{number}}}", f"{number * frame}s")
    return text


def _seen(folder: Path, text: str, frame: Fraction) -> list[tuple[str, int, int, int, Fraction]]:
    """Name, start, end and first moment of the media in frames, and the speed, of all that is seen."""
    (folder / "cut.fcpxml").write_text(text, encoding="utf-8")
    file = read_timeline(folder / "cut.fcpxml")
    assert 1 / Fraction(frame_rate(file.timeline)).limit_denominator(1001) == frame
    rows = []
    for clip in sorted(visible(list_clips(file.timeline)), key=lambda clip: clip.timeline_start_s):
        edges = (clip.timeline_start_s, clip.timeline_end_s, clip.source_start_s)
        whole = [edge / frame for edge in edges]
        assert all(edge == round(edge) for edge in whole), "every edge is a whole frame, exactly"
        rows.append((clip.name, *map(round, whole), clip.speed))
    return rows  # type: ignore[return-value]


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_clips_lie_on_their_frames_at_every_rate_whatever_the_timecode(tmp_path: Path, frame: Fraction) -> None:
    spine = """<asset-clip ref="film" name="a" offset="{1000}" start="{130}" duration="{48}">
    <asset-clip ref="mute" name="over" lane="1" offset="{142}" start="{7}" duration="{12}"/></asset-clip>
    <gap offset="{1048}" duration="{24}" start="{500}">
    <asset-clip ref="mute" name="above the gap" lane="1" offset="{506}" duration="{6}"/></gap>
    <asset-clip ref="film" name="b" offset="{1072}" duration="{24}"/>"""
    text = _document(frame, spine, start=1000)
    assert _seen(tmp_path, text, frame) == [
        ("a", 0, 12, 130, 1),
        ("over", 12, 24, 7, 1),
        ("a", 24, 48, 154, 1),
        ("above the gap", 54, 60, 0, 1),
        ("b", 72, 96, 100, 1),
    ]
    timeline = read_timeline(tmp_path / "cut.fcpxml").timeline
    assert origin_s(timeline) == 1000 * frame
    (first, *_) = list_clips(timeline)
    assert isinstance(first, ClipRef) and first.media[0].url == "file:///film.mov"
    assert first.media[0].start_s == 100 * frame


def test_retimes_reverse_and_ramps(tmp_path: Path) -> None:
    def clip(name: str, at: int, points: str) -> str:
        return f"""<asset-clip ref="mute" name="{name}" offset="{{{at}}}" start="{{10}}" duration="{{20}}">
        <timeMap>{points}</timeMap></asset-clip>"""

    frame = FRAMES[0]
    spine = (
        clip("fast", 0, '<timept time="0s" value="0s"/><timept time="{100}" value="{200}"/>')
        + clip("slow", 20, '<timept time="0s" value="0s"/><timept time="{200}" value="{100}"/>')
        + clip("back", 40, '<timept time="0s" value="{100}"/><timept time="{100}" value="0s"/>')
        + clip(
            "ramp",
            60,
            '<timept time="0s" value="0s"/><timept time="{15}" value="{15}"/><timept time="{30}" value="{60}"/>',
        )
    )
    text = _document(frame, spine)
    assert _seen(tmp_path, text, frame) == [
        ("fast", 0, 20, 20, 2),
        ("slow", 20, 40, 5, Fraction(1, 2)),
        ("back", 40, 60, 90, -1),
    ]
    (ramp,) = [item for item in list_clips(read_timeline(tmp_path / "cut.fcpxml").timeline) if isinstance(item, Skip)]
    assert ramp.name == "ramp" and "retimed over time" in ramp.reason


def test_compound_multicam_and_synchronised_clips_show_what_is_in_them(tmp_path: Path) -> None:
    more = """<media id="inner" name="inner"><sequence format="r1" tcStart="{50}" tcFormat="NDF"><spine>
    <asset-clip ref="mute" name="one" offset="{50}" start="{5}" duration="{30}"/>
    <clip name="two" offset="{80}" start="{3}" duration="{30}"><video ref="film" offset="0s" start="{100}"
    duration="{900}"/></clip></spine></sequence></media>
    <media id="cameras" name="cameras"><multicam format="r1" tcStart="0s"><mc-angle name="A" angleID="A">
    <asset-clip ref="mute" name="camera A" offset="0s" start="{9}" duration="{200}"/></mc-angle>
    <mc-angle name="B" angleID="B"><gap offset="0s" duration="{40}"/>
    <asset-clip ref="film" name="camera B" offset="{40}" start="{140}" duration="{200}"/></mc-angle>
    </multicam></media>"""
    spine = """<ref-clip ref="inner" name="compound" offset="0s" start="{70}" duration="{20}"/>
    <mc-clip ref="cameras" name="multi" offset="{20}" start="{50}" duration="{10}">
    <mc-source angleID="A" srcEnable="audio"/><mc-source angleID="B" srcEnable="video"/></mc-clip>
    <sync-clip name="synced" offset="{30}" start="{60}" duration="{10}"><spine>
    <asset-clip ref="film" name="slate" offset="{55}" start="{105}" duration="{50}"/></spine>
    <asset-clip ref="song" name="recorder" lane="-1" offset="{60}" duration="{10}"/></sync-clip>"""
    frame = FRAMES[3]
    assert _seen(tmp_path, _document(frame, spine, more=more), frame) == [
        ("one", 0, 10, 25, 1),
        ("two", 10, 20, 103, 1),
        ("camera B", 20, 30, 150, 1),
        ("slate", 30, 40, 110, 1),
    ]


def test_off_titles_auditions_storylines_and_sound(tmp_path: Path) -> None:
    spine = """<asset-clip ref="film" name="on" offset="0s" duration="{40}">
    <title ref="text" name="Hello" lane="2" offset="{105}" duration="{10}"/>
    <spine lane="1" offset="{110}"><asset-clip ref="mute" name="s1" offset="0s" duration="{5}"/>
    <asset-clip ref="mute" name="s2" offset="{5}" start="{50}" duration="{5}"/></spine>
    <asset-clip ref="song" name="song" lane="-1" offset="{120}" start="{60}" duration="{10}"/></asset-clip>
    <asset-clip ref="mute" name="off" offset="{40}" duration="{10}" enabled="0"/>
    <audition offset="{50}"><asset-clip ref="mute" name="picked" duration="{10}"/>
    <asset-clip ref="film" name="other" duration="{10}"/></audition>
    <asset-clip ref="film" name="heard only" offset="{60}" duration="{10}" srcEnable="audio"/>"""
    frame = FRAMES[2]
    assert _seen(tmp_path, _document(frame, spine), frame) == [
        ("on", 0, 10, 100, 1),
        ("Hello", 5, 15, 0, 1),
        ("s1", 10, 15, 0, 1),
        ("s2", 15, 20, 50, 1),
        ("on", 20, 40, 120, 1),
        ("picked", 50, 60, 0, 1),
    ]
    timeline = read_timeline(tmp_path / "cut.fcpxml").timeline
    reasons = {item.name: item.reason for item in list_clips(timeline) if isinstance(item, Skip)}
    assert reasons == {"off": "is switched off"}
    heard = {(one.name, one.timeline_start_s / frame, one.source_start_s / frame) for one in list_sounds(timeline)}
    assert heard == {("on", 0, 100), ("song", 20, 60), ("heard only", 60, 100)}


def test_transitions_cross_at_the_cut_and_markers_give_words(tmp_path: Path) -> None:
    spine = """<asset-clip ref="film" name="a" offset="0s" start="{130}" duration="{48}">
    <marker start="{140}" duration="{12}" value="FOLEY: steps" note="gravel"/></asset-clip>
    <transition name="Cross Dissolve" offset="{38}" duration="{20}"/>
    <asset-clip ref="mute" name="b" offset="{48}" start="{30}" duration="{48}"/>"""
    frame = FRAMES[0]
    (tmp_path / "cut.fcpxml").write_text(_document(frame, spine), encoding="utf-8")
    clips = [
        item
        for item in select_clips(list_clips(read_timeline(tmp_path / "cut.fcpxml").timeline))
        if isinstance(item, ClipRef)
    ]
    steps, other = clips
    assert (steps.asked_prompt, steps.timeline_start_s / frame, steps.timeline_duration_s / frame) == ("steps", 10, 12)
    assert (other.name, other.lead_s / frame) == ("b", 10)
    assert [(fade.start_s / frame, fade.duration_s / frame, fade.rising) for fade in other.fades] == [(38, 20, True)]


def test_folders_of_newer_versions_are_read_and_what_is_broken_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "cut.fcpxmld"
    folder.mkdir()
    text = _document(FRAMES[1], '<asset-clip ref="mute" name="a" offset="0s" duration="{24}"/>')
    (folder / "Info.fcpxml").write_text(text, encoding="utf-8")
    assert read_timeline(folder).timeline.name == "cut"
    broken = {
        "<fcpxml": "cannot be read as .fcpxml",
        "<other/>": "begins with <other>, and is no FCPXML",
        text.replace('offset="0s"', 'offset="soon"'): "offset = 'soon' is no time",
        text.replace('offset="0s"', 'offset="1e999999999s"'): "offset = '1e999999999s' is no time",
        text.replace('offset="0s"', f'offset="{10**30}s"'): "is no time",
        text.replace('offset="0s"', 'offset="1/0s"'): "is no time",
        "<fcpxml version='1.10'><resources/></fcpxml>": "is a collection without a timeline",
    }
    for number, (document, lack) in enumerate(broken.items()):
        path = tmp_path / f"{number}.fcpxml"
        path.write_text(document, encoding="utf-8")
        with pytest.raises(TimelineError, match=lack):
            read_timeline(path)


def _heard(folder: Path) -> list[tuple[str, Fraction, Fraction, Fraction]]:
    """Name, start, length and first moment of the media in seconds, of all that is heard."""
    found = [one for one in list_sounds(read_timeline(folder / "cut.fcpxml").timeline) if isinstance(one, ClipRef)]
    return [(one.name, one.timeline_start_s, one.timeline_duration_s, one.source_start_s) for one in found]


def test_one_stretch_of_a_time_map_is_no_ramp(tmp_path: Path) -> None:
    keys = ((0, 0), (20, 20), (60, 100))
    points = "".join(f'<timept time="{{{time}}}" value="{{{value}}}"/>' for time, value in keys)
    spine = f"""<asset-clip ref="mute" name="late" offset="0s" start="{{30}}" duration="{{20}}">
    <timeMap>{points}</timeMap></asset-clip>
    <asset-clip ref="mute" name="held" offset="{{20}}" start="{{5}}" duration="{{10}}">
    <timeMap><timept time="0s" value="{{7}}"/><timept time="{{60}}" value="{{7}}"/></timeMap></asset-clip>"""
    frame = FRAMES[1]
    assert _seen(tmp_path, _document(frame, spine), frame) == [("late", 0, 20, 40, 2), ("held", 20, 30, 7, 0)]


@pytest.mark.parametrize(
    "files, urls",
    [
        ([("proxy-media", "p"), ("original-media", "o")], ["o", "p"]),
        ([("original-media", "o"), ("proxy-media", "p")], ["o", "p"]),
        ([("proxy-media", "p")], ["p"]),
        ([(None, "o"), ("proxy-media", "p")], ["o", "p"]),
        ([], [""]),
    ],
)
def test_the_original_comes_before_its_proxy(
    tmp_path: Path, files: list[tuple[str | None, str]], urls: list[str]
) -> None:
    reps = "".join(f'<media-rep {f"kind={kind!r}" if kind else ""} src="{url}"/>' for kind, url in files)
    text = _document(FRAMES[1], '<asset-clip ref="film" name="a" offset="0s" duration="{24}"/>')
    text = text.replace('<media-rep kind="original-media" src="file:///film.mov"/>', reps)
    (tmp_path / "cut.fcpxml").write_text(text, encoding="utf-8")
    (clip,) = list_clips(read_timeline(tmp_path / "cut.fcpxml").timeline)
    assert isinstance(clip, ClipRef) and [ref.url for ref in clip.media] == urls


INNER = """<media id="inner" name="inner"><sequence format="r1" tcStart="{50}" tcFormat="NDF"><spine>
<gap offset="{50}" duration="{100}" start="{0}"><asset-clip ref="song" name="song" lane="-1" offset="{10}" start="{20}"
duration="{60}"/></gap></spine></sequence></media>"""


def test_compound_clips_of_sound_alone_are_heard(tmp_path: Path) -> None:
    frame = FRAMES[1]
    spine = """<asset-clip ref="mute" name="a" offset="0s" duration="{100}">
    <ref-clip ref="inner" name="effects" lane="-1" offset="{30}" start="{70}" duration="{40}"/></asset-clip>"""
    (tmp_path / "cut.fcpxml").write_text(_document(frame, spine, more=INNER), encoding="utf-8")
    # Frame 70 of the clip is its 20th; the song begins at its 10th, with its own frame 20.
    assert _heard(tmp_path) == [("song", 30 * frame, 40 * frame, 30 * frame)]
    assert [one.name for one in list_clips(read_timeline(tmp_path / "cut.fcpxml").timeline)] == ["a"]


@pytest.mark.parametrize("asked, seen, heard", [("all", ["a"], ["a"]), ("audio", [], ["a"]), ("video", ["a"], [])])
def test_compound_clips_are_seen_and_heard_as_asked(
    tmp_path: Path, asked: str, seen: list[str], heard: list[str]
) -> None:
    film = '<asset-clip ref="film" name="a" offset="0s" duration="{48}"/>'
    inner = f'<sequence format="r1"><spine>{film}</spine></sequence>'
    middle = '<sequence format="r1"><spine><ref-clip ref="inner" offset="0s" duration="{48}"/></spine></sequence>'
    more = f'<media id="inner">{inner}</media><media id="middle">{middle}</media>'
    spine = f'<ref-clip ref="middle" name="x" offset="0s" start="{{8}}" duration="{{24}}" srcEnable="{asked}"/>'
    (tmp_path / "cut.fcpxml").write_text(_document(FRAMES[1], spine, more=more), encoding="utf-8")
    assert [one.name for one in list_clips(read_timeline(tmp_path / "cut.fcpxml").timeline)] == seen
    assert _heard(tmp_path) == [(name, 0, 1, 108 * FRAMES[1]) for name in heard]


def test_multicam_and_synchronised_clips_are_heard(tmp_path: Path) -> None:
    more = """<media id="cameras"><multicam format="r1" tcStart="0s">
    <mc-angle name="A" angleID="A"><asset-clip ref="film" name="A" offset="0s" duration="{200}"/></mc-angle>
    <mc-angle name="B" angleID="B"><asset-clip ref="film" name="B" offset="0s" duration="{200}"/></mc-angle>
    <mc-angle name="C" angleID="C"><asset-clip ref="song" name="C" offset="0s" duration="{200}"/></mc-angle>
    </multicam></media>"""
    spine = """<mc-clip ref="cameras" name="m" offset="0s" start="{50}" duration="{10}">
    <mc-source angleID="A" srcEnable="none"/><mc-source angleID="B" srcEnable="video"/>
    <mc-source angleID="C" srcEnable="audio"/></mc-clip>
    <sync-clip name="s" offset="{10}" start="0s" duration="{10}">
    <spine><asset-clip ref="film" name="camera" offset="0s" duration="{10}"/></spine>
    <asset-clip ref="song" name="recorder" lane="-1" offset="0s" duration="{10}"/>
    <sync-source sourceID="storyline"><audio-role-source role="dialogue" active="0"/></sync-source></sync-clip>"""
    frame = FRAMES[2]
    assert _seen(tmp_path, _document(frame, spine, more=more), frame) == [
        ("B", 0, 10, 150, 1),
        ("camera", 10, 20, 100, 1),
    ]
    heard = {(name, start / frame, first / frame) for name, start, _, first in _heard(tmp_path)}
    assert heard == {("C", 0, 50), ("recorder", 10, 0)}


def test_sound_may_begin_before_its_picture_and_be_off(tmp_path: Path) -> None:
    spine = """<asset-clip ref="film" name="a" offset="0s" duration="{20}"/>
    <asset-clip ref="film" name="b" offset="{20}" start="{130}" duration="{20}" audioStart="{125}"
    audioDuration="{30}"/>
    <asset-clip ref="film" name="c" offset="{40}" duration="{20}">
    <audio-channel-source srcCh="1, 2" enabled="0"/></asset-clip>"""
    frame = FRAMES[1]
    assert [row[:4] for row in _seen(tmp_path, _document(frame, spine), frame)] == [
        ("a", 0, 20, 100),
        ("b", 20, 40, 130),
        ("c", 40, 60, 100),
    ]
    assert [
        (name, start / frame, length / frame, first / frame) for name, start, length, first in _heard(tmp_path)
    ] == [
        ("a", 0, 20, 100),
        ("b", 15, 30, 125),
    ]


def test_a_clip_without_contents_does_not_end_the_run(tmp_path: Path) -> None:
    spine = """<ref-clip ref="gone" name="gone" offset="0s" duration="{20}"/>
    <asset-clip ref="film" name="a" offset="{20}" duration="{20}"/>"""
    frame = FRAMES[1]
    assert _seen(tmp_path, _document(frame, spine), frame) == [("a", 20, 40, 100, 1)]
    (skip,) = [one for one in list_clips(read_timeline(tmp_path / "cut.fcpxml").timeline) if isinstance(one, Skip)]
    assert skip.name == "gone" and "does not tell the contents" in skip.reason


@pytest.mark.parametrize("suffix", ["fcpxml", "xml"])
def test_compound_clips_that_hold_themselves_are_one_sentence(tmp_path: Path, suffix: str) -> None:
    loop = '<media id="loop" name="loop"><sequence format="r1"><spine><ref-clip ref="loop" duration="{9}"/></spine>'
    text = _document(FRAMES[1], '<ref-clip ref="loop" duration="{9}"/>', more=f"{loop}</sequence></media>")
    path = tmp_path / f"cut.{suffix}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TimelineError, match="holds itself"):
        read_timeline(path)


def test_the_first_element_may_leave_out_its_offset(tmp_path: Path) -> None:
    spine = """<asset-clip ref="mute" name="a" duration="{20}"/><asset-clip ref="mute" name="b" duration="{20}"/>"""
    frame = FRAMES[0]
    text = _document(frame, spine, start=1000)
    assert [row[:3] for row in _seen(tmp_path, text, frame)] == [("a", 0, 20), ("b", 20, 40)]
