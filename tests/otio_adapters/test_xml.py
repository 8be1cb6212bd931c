"""FCP 7 XML, FCPXML and EDL, read again with OTIO's own adapters and with the standard library."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as xml

import opentimelineio as otio
import pytest
from avlink_otio import edl, fcpxml, kdenlive, xmeml
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.core.clock import to_index
from avlink.timeline.read import read_timeline
from avlink.timeline.walk import list_sounds

FRAMES = [(0, 24), (36, 60), (96, 1)]
RATES = [24.0, 25.0, 23.976, 30000 / 1001, 59.94]


def in_samples(rate: float) -> list[tuple[int, int]]:
    """The places of `FRAMES` in samples at 48 kHz."""
    exact = {23.976: Fraction(24000, 1001), 59.94: Fraction(60000, 1001)}.get(
        rate, Fraction(rate).limit_denominator(1001)
    )
    edges = [(round(first / exact * 48000), round((first + count) / exact * 48000)) for first, count in FRAMES]
    return [(first, last - first) for first, last in edges]


@pytest.mark.parametrize("rate", RATES)
def test_fcp7_xml_is_read_at_the_same_frames(cut, tmp_path: Path, rate: float) -> None:
    timeline = cut.timeline(in_samples(rate), rate=rate)
    xmeml.write_to_file(timeline, str(tmp_path / "cut.xml"))
    again = otio.adapters.read_from_file(str(tmp_path / "cut.xml"), adapter_name="fcp_xml")
    (track,) = again.audio_tracks()
    clips = list(track.find_clips())
    places = [track.range_of_child(clip) for clip in clips]
    assert [(span.start_time.value, span.duration.value) for span in places] == FRAMES
    assert [clip.name for clip in clips] == ["s0", "s1", "s2"]
    assert [clip.media_reference.target_url for clip in clips] == [
        f"file://localhost{tmp_path}/cut.stems/{index}.wav" for index in range(3)
    ]
    assert again.global_start_time.value == 86400
    for clip, (first, count) in zip(clips, FRAMES, strict=True):
        media = clip.media_reference.available_range
        assert (media.start_time.value, media.duration.value) == (86400 + first, count)
        assert clip.source_range == media


def test_fcp7_xml_says_what_otios_own_adapter_forgets(cut) -> None:
    timeline = cut.timeline([(0, 48000)], channels=2)
    root = xml.fromstring(xmeml.write_to_string(timeline))
    tracks = root.findall("sequence/media/audio/track")
    assert [track.get("MZ.TrackName") for track in tracks] == ["FOLEY", "FOLEY"]
    assert [clip.findtext("sourcetrack/trackindex") for track in tracks for clip in track.iter("clipitem")] == [
        "1",
        "2",
    ]
    file = root.find(".//file/media/audio")
    assert file is not None
    assert (file.findtext("samplecharacteristics/samplerate"), file.findtext("channelcount")) == ("48000", "2")
    ids = [clip.get("id") for clip in root.iter("clipitem")]
    for clip in root.iter("clipitem"):
        assert [link.findtext("linkclipref") for link in clip.iter("link")] == ids
    assert [file.get("id") for file in root.iter("file")] == ["file-1", "file-1"]


@given(st.integers(0, 20_000), st.integers(1, 20_000))
@settings(deadline=None, max_examples=30)
def test_what_lies_between_frames_is_moved_by_less_than_half_a_one(cut, first: int, count: int) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        root = xml.fromstring(xmeml.write_to_string(cut.timeline([(first, count)])))
    start = int(root.findtext(".//clipitem/start") or "")
    assert abs(start * 2000 - first) <= 1000
    assert bool(said) == (start * 2000 != first)


@pytest.mark.parametrize("rate", RATES)
def test_fcpxml_is_exact_to_the_sample_at_every_rate(cut, rate: float) -> None:
    drawn = [(0, 4801), (7001, 2402), (9403, 1)]
    root = xml.fromstring(fcpxml.write_to_string(cut.timeline(drawn, rate=rate)))

    def samples(element: xml.Element, name: str) -> Fraction:
        return Fraction((element.get(name) or "").removesuffix("s")) * 48000

    clips = list(root.iter("asset-clip"))
    assert [(samples(clip, "offset"), samples(clip, "duration"), samples(clip, "start")) for clip in clips] == [
        (first, count, 0) for first, count in drawn
    ]
    assets = {asset.get("id"): asset for asset in root.iter("asset")}
    assert [samples(assets[clip.get("ref")], "duration") for clip in clips] == [count for _, count in drawn]
    frame_s = Fraction(next(root.iter("format")).get("frameDuration", "").removesuffix("s"))
    sequence = root.find(".//sequence")
    assert sequence is not None
    start_s = Fraction((sequence.get("tcStart") or "").removesuffix("s"))
    assert start_s / frame_s == 86400


@pytest.mark.parametrize("rate", RATES)
def test_fcpxml_that_is_read_again_lies_on_the_same_samples(cut, rate: float, tmp_path: Path) -> None:
    drawn = [(0, 4801), (7001, 2402), (9403, 4800)]
    fcpxml.write_to_file(cut.timeline(drawn, rate=rate), str(tmp_path / "cut.fcpxml"))
    timeline = read_timeline(tmp_path / "cut.fcpxml").timeline
    found = [(clip.timeline_start_s, clip.timeline_duration_s) for clip in list_sounds(timeline)]
    assert [(to_index(start_s, 48000), to_index(length_s, 48000)) for start_s, length_s in found] == drawn


def test_otio_reads_the_fcpxml(cut, tmp_path: Path) -> None:
    fcpxml.write_to_file(cut.timeline(in_samples(24.0)), str(tmp_path / "cut.fcpxml"))
    found = otio.adapters.read_from_file(str(tmp_path / "cut.fcpxml"), adapter_name="fcpx_xml")
    (timeline,) = found.find_children(descended_from_type=otio.schema.Timeline)
    (track,) = timeline.tracks
    places = [track.range_of_child(clip) for clip in track.find_clips()]
    assert [(span.start_time.value - 86400, span.duration.value) for span in places] == FRAMES


def test_an_edl_is_read_at_the_same_frames(cut, tmp_path: Path) -> None:
    edl.write_to_file(cut.timeline(in_samples(24.0)), str(tmp_path / "cut.edl"))
    again = otio.adapters.read_from_file(str(tmp_path / "cut.edl"), adapter_name="cmx_3600", rate=24)
    (track,) = again.audio_tracks()
    clips = list(track.find_clips())
    places = [track.range_of_child(clip) for clip in clips]
    assert [(span.start_time.value, span.duration.value) for span in places] == FRAMES
    assert [clip.source_range.start_time.value for clip in clips] == [86400 + first for first, _ in FRAMES]
    assert (clips[1].name, "* SOURCE FILE: cut.stems/1.wav" in (tmp_path / "cut.edl").read_text()) == ("1.wav", True)


@pytest.mark.parametrize("module", [edl, xmeml])
def test_crossfades_lie_on_a_second_track_where_a_format_has_none(cut, module) -> None:
    timeline = cut.timeline([(0, 96000), (96000, 96000)])
    for clip in timeline.tracks[1].find_clips():
        media = clip.media_reference.available_range
        clip.media_reference.available_range = otio.opentime.TimeRange(
            media.start_time - cut.time(24000, 24.0), media.duration + cut.time(48000, 24.0)
        )
    timeline.tracks[1].insert(1, otio.schema.Transition(in_offset=cut.time(24000, 24), out_offset=cut.time(24000, 24)))
    with pytest.warns(UserWarning, match="clips that overlap lie on further tracks"):
        text = module.write_to_string(timeline)
    assert ("A2 " in text) == (module is edl)
    assert ('MZ.TrackName="FOLEY 2"' in text) == (module is xmeml)


@pytest.mark.parametrize("rate", RATES)
def test_hits_are_markers_of_clips_in_fcp7_xml(cut, tmp_path: Path, rate: float) -> None:
    # The last sample of a frame, the first of one, and two in a frame.
    exact = {23.976: Fraction(24000, 1001), 59.94: Fraction(60000, 1001)}.get(
        rate, Fraction(rate).limit_denominator(1001)
    )
    edges = [-(-(48000 * frame) // exact) for frame in (5, 9)]
    hits = [0, 100, edges[0] - 100, edges[1]]
    timeline = cut.strike(cut.timeline(in_samples(rate)[:1], rate=rate), hits)
    xmeml.write_to_file(timeline, str(tmp_path / "cut.xml"))
    again = otio.adapters.read_from_file(str(tmp_path / "cut.xml"), adapter_name="fcp_xml")
    (clip,) = again.audio_tracks()[0].find_clips()
    # The format counts them from the file's first frame, without its timecode.
    assert [(marker.name, marker.marked_range.start_time.value) for marker in clip.markers] == [
        ("hit 1", 0),
        ("hit 2", 0),
        ("hit 3", 4),
        ("hit 4", 9),
    ]
    assert {marker.marked_range.duration.value for marker in clip.markers} == {0}
    assert {marker.metadata["fcp_xml"]["comment"] for marker in clip.markers} == {"12.5 dB"}
    assert list(again.tracks.markers) == []


def test_both_sides_of_a_stereo_file_have_their_hits_once_in_fcp7_xml(cut) -> None:
    timeline = cut.strike(cut.timeline([(0, 48000)], channels=2), [24000])
    root = xml.fromstring(xmeml.write_to_string(timeline))
    assert [len(list(clip.iter("marker"))) for clip in root.iter("clipitem")] == [1, 0]


@pytest.mark.parametrize("rate", RATES)
def test_hits_are_markers_on_their_samples_in_fcpxml(cut, tmp_path: Path, rate: float) -> None:
    timeline = cut.strike(cut.timeline([(7001, 24000)], rate=rate), [0, 4801, 23999])
    root = xml.fromstring(fcpxml.write_to_string(timeline))
    (clip,) = root.iter("asset-clip")
    found = [(marker.get("value"), Fraction((marker.get("start") or "")[:-1]) * 48000) for marker in clip]
    assert found == [("hit 1", 0), ("hit 2", 4801), ("hit 3", 23999)]
    assert {marker.get("note") for marker in clip} == {"12.5 dB"}
    assert len(list(root.iter("marker"))) == 3
    if rate == 24.0:
        fcpxml.write_to_file(timeline, str(tmp_path / "cut.fcpxml"))
        again = otio.adapters.read_from_file(str(tmp_path / "cut.fcpxml"), adapter_name="fcpx_xml")
        (read,) = again.find_children(descended_from_type=otio.schema.Timeline)
        (stem,) = read.tracks[0].find_clips()
        assert [marker.name for marker in stem.markers] == ["hit 1", "hit 2", "hit 3"]


def test_a_trimmed_stem_shows_the_hits_that_are_heard_in_fcpxml(cut) -> None:
    timeline = cut.strike(cut.timeline([(0, 96000)]), [12000, 24000, 83999, 84000])
    clip = timeline.tracks[1][0]
    media = clip.source_range
    clip.source_range = otio.opentime.TimeRange(media.start_time + cut.time(24000, 24.0), cut.time(60000, 24.0))
    root = xml.fromstring(fcpxml.write_to_string(timeline))
    assert [marker.get("value") for marker in root.iter("marker")] == ["hit 2", "hit 3"]


@pytest.mark.parametrize("write", [xmeml.write_to_string, fcpxml.write_to_string, kdenlive.write_to_string])
def test_no_name_breaks_the_document(cut, write: Callable[[otio.schema.Timeline], str]) -> None:
    name = "a\x01\x0b\x1b[31m\ufffe\uffff\r\n\t\"'`<>&]]>ü"
    timeline = cut.strike(cut.timeline([(0, 48000)], names=[name]), [2400])
    timeline.name = timeline.tracks[1].name = name
    clip = timeline.tracks[1][0]
    clip.markers[0].name = clip.markers[0].comment = name
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(3, 24), otio.opentime.RationalTime(0, 24))
    timeline.tracks.markers.append(otio.schema.Marker(name, span, comment=name))
    root = xml.fromstring(write(timeline).encode())
    shown = {text for element in root.iter() for text in (*element.attrib.values(), element.text or "")}
    assert any(text.startswith("a ") and text.endswith("]]>ü") for text in shown)
