"""FCPXML: rates of formats by name, and media of rates near that of the timeline."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from avlink.core.clock import exact_rate
from avlink.timeline.read import read_timeline
from avlink.timeline.timebase import frame_rate
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_clips


def _document(frame: Fraction, spine: str) -> str:
    """A project of one storyline with one film of 40 s."""
    return f"""<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE fcpxml><fcpxml version="1.10"><resources>
<format id="r1" frameDuration="{frame}s" width="1920" height="1080"/>
<asset id="film" src="file:///film.mov" start="0s" duration="40s" hasVideo="1" hasAudio="1" format="r1"/>
</resources><library><event name="e"><project name="cut"><sequence format="r1" tcStart="0s">
<spine>{spine}</spine></sequence></project></event></library></fcpxml>"""


@pytest.mark.parametrize(
    "timeline, source, speed",
    [
        ("24", "25", Fraction(24, 25)),
        ("25", "24", Fraction(25, 24)),
        ("25", "23.98", Fraction(25 * 1001, 24000)),
        ("23.98", "25", Fraction(24000, 1001 * 25)),
        ("24", "23.98", Fraction(1001, 1000)),
        ("29.97", "30", Fraction(1000, 1001)),
        ("59.94", "30", Fraction(1000, 1001)),
        ("23.98", "50", Fraction(48000, 1001 * 50)),
        ("50", "24", Fraction(25, 24)),
        ("60", "23.98", Fraction(1001, 1000)),
        ("25", "50", 1),
        ("30", "24", 1),
        ("25", "30", 1),
        ("29.97", "23.98", 1),
    ],
)
def test_media_of_a_rate_nearby_is_conformed(tmp_path: Path, timeline: str, source: str, speed: Fraction) -> None:
    frame = 1 / exact_rate(float(timeline))
    clip = '<asset-clip ref="film" name="{0}" offset="{1}s" start="2s" duration="4s">{2}</asset-clip>'
    marked = '<marker start="3s" value="m"/><asset-clip ref="film" name="over" lane="1" offset="5/2s" duration="1s"/>'
    conform = f'<conform-rate srcFrameRate="{source}"/>'
    spine = clip.format("a", 0, conform + marked) + clip.format("b", 4, conform.replace("/>", ' scaleEnabled="0"/>'))
    (tmp_path / "cut.fcpxml").write_text(_document(frame, spine), encoding="utf-8")
    clips = {one.name: one for one in list_clips(read_timeline(tmp_path / "cut.fcpxml").timeline)}
    a, b, over = (clips[name] for name in ("a", "b", "over"))
    assert isinstance(a, ClipRef) and isinstance(b, ClipRef) and isinstance(over, ClipRef)
    # Its start and what lies on it count in the time of the media; place and length are the timeline's.
    near = Fraction(1, 10**6)
    assert abs(a.speed - speed) < near and (a.source_start_s, a.timeline_duration_s) == (2, 4)
    assert abs(over.timeline_start_s - Fraction(1, 2) / speed) < near
    (marker,) = a.markers
    assert abs(marker.start_s - 1 / speed) < near
    assert (b.speed, b.source_start_s, b.timeline_start_s) == (1, 2, 4)


def test_conformed_clips_can_be_retimed_too(tmp_path: Path) -> None:
    points = '<timept time="0s" value="0s"/><timept time="100s" value="200s"/>'
    spine = (
        '<asset-clip ref="film" name="a" offset="0s" start="2s" duration="4s">'
        f'<conform-rate srcFrameRate="24"/><timeMap>{points}</timeMap></asset-clip>'
    )
    (tmp_path / "cut.fcpxml").write_text(_document(Fraction(1, 25), spine), encoding="utf-8")
    (clip,) = list_clips(read_timeline(tmp_path / "cut.fcpxml").timeline)
    assert isinstance(clip, ClipRef) and (clip.source_start_s, clip.timeline_duration_s) == (4, 4)
    assert abs(clip.speed - Fraction(25, 12)) < Fraction(1, 10**6)


@pytest.mark.parametrize(
    "name, rate",
    [
        ("FFVideoFormat1080p2398", "23.98"),
        ("FFVideoFormat1080p24", "24"),
        ("FFVideoFormat720p25", "25"),
        ("FFVideoFormat1080i50", "25"),
        ("FFVideoFormat1080i5994", "29.97"),
        ("FFVideoFormatDV720x480i5994_16x9", "29.97"),
        ("FFVideoFormat3840x2160p2997", "29.97"),
        ("FFVideoFormat2160p30", "30"),
        ("FFVideoFormat1080p4795", "47.952"),
        ("FFVideoFormat720p50", "50"),
        ("FFVideoFormat1080p5994", "59.94"),
        ("FFVideoFormat4096x2160p60", "60"),
        ("FFVideoFormat1080p11988", "119.88"),
        ("FFVideoFormat1080p120", "120"),
        # Without a rate, that of the media counts.
        ("FFVideoFormatRateUndefined", "30"),
        ("", "30"),
    ],
)
def test_formats_are_known_by_name(tmp_path: Path, name: str, rate: str) -> None:
    text = _document(Fraction(1, 24), '<asset-clip ref="film" name="a" offset="0s" duration="2s"/>')
    text = text.replace('frameDuration="1/24s"', f'name="{name}"').replace('hasAudio="1" format="r1"', 'format="r2"')
    text = text.replace("<asset ", '<format id="r2" name="FFVideoFormat1080p30"/><asset ', 1)
    (tmp_path / "cut.fcpxml").write_text(text, encoding="utf-8")
    found = frame_rate(read_timeline(tmp_path / "cut.fcpxml").timeline)
    assert exact_rate(found) == exact_rate(float(rate))
