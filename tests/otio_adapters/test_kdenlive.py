"""Kdenlive projects: their structure, and their sound as `melt` renders it."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as xml

import numpy as np
import opentimelineio as otio
import pytest
import soundfile
from avlink_otio import kdenlive

from avlink import flatten_timeline

Time, Range = otio.opentime.RationalTime, otio.opentime.TimeRange
FRAMES = [(0, 24), (36, 6), (50, 1), (51, 30)]
RATES = [24.0, 25.0, 23.976, 30000 / 1001, 59.94]
# Samples of a frame at 48 kHz; multiples of 5 frames are whole samples at every rate.
SAMPLES = {24.0: 2000, 25.0: 1920, 23.976: 2002, 30000 / 1001: Fraction(8008, 5), 59.94: Fraction(4004, 5)}


def places(rate: float) -> list[tuple[int, int]]:
    edges = [(round(first * SAMPLES[rate]), round((first + count) * SAMPLES[rate])) for first, count in FRAMES]
    return [(first, last - first) for first, last in edges]


def properties(element: xml.Element) -> dict[str, str]:
    return {one.get("name") or "": one.text or "" for one in element.findall("property")}


def entries(playlist: xml.Element) -> list[tuple[int, int, int, str]]:
    """The entries of a playlist: first frame on the timeline, frames, first frame of the file, producer."""
    found, at = [], 0
    for item in playlist:
        if item.tag == "blank":
            at += int(item.get("length") or "")
        elif item.tag == "entry":
            begin, end = int(item.get("in") or ""), int(item.get("out") or "")
            found.append((at, end - begin + 1, begin, item.get("producer") or ""))
            at += end - begin + 1
    return found


def tracks(root: xml.Element) -> dict[str, list[tuple[int, int, int, str]]]:
    """The entries of each track by its name, lowest track first, as Kdenlive finds them."""
    playlists = {one.get("id"): one for one in root.findall("playlist")}
    tractors = {one.get("id"): one for one in root.findall("tractor")}
    *_, timeline = root.findall("tractor")
    below, *rows = [one.get("producer") for one in timeline.findall("track")]
    assert below == "black_track" and set(rows) == set(tractors) - {timeline.get("id")}
    found = {}
    for row in rows:
        first, second = (one.get("producer") for one in tractors[row].findall("track"))
        assert entries(playlists[second]) == []
        found[properties(tractors[row])["kdenlive:track_name"]] = entries(playlists[first])
    return found


@pytest.mark.parametrize("rate", RATES)
def test_every_clip_lies_on_its_frames_and_counts_from_its_files_first(cut, rate: float) -> None:
    timeline = cut.timeline(places(rate), rate=rate, start=86400)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        root = xml.fromstring(kdenlive.write_to_string(timeline).encode())
    profile = root.find("profile")
    assert profile is not None
    fps = Fraction(int(profile.get("frame_rate_num") or ""), int(profile.get("frame_rate_den") or ""))
    assert fps * SAMPLES[rate] == 48000
    found = tracks(root)
    assert list(found) == ["FOLEY", "V1"]
    assert [entry[:3] for entry in found["FOLEY"]] == [(first, count, 0) for first, count in FRAMES]


def test_everything_that_is_named_is_there_before_and_once(cut) -> None:
    timeline = cut.timeline(places(24.0), takes=2)
    timeline.tracks.append(timeline.tracks[1].deepcopy())
    timeline.tracks[2].name = "AMB"
    root = xml.fromstring(kdenlive.write_to_string(timeline).encode())
    seen: set[str] = set()
    for element in root:
        for named in (*element.findall("entry"), *element.findall("track")):
            assert named.get("producer") in seen
        if element.tag != "profile":
            assert element.get("id") not in seen
            seen.add(element.get("id") or "")
    producers = {one.get("id"): properties(one) for one in root.findall("chain")}
    (in_bin,) = [one for one in root.findall("playlist") if one.get("id") == "main_bin"]
    assert root.get("producer") == "main_bin" and properties(in_bin)["xml_retain"] == "1"
    assert properties(in_bin)["kdenlive:docproperties.version"] == "1.04"
    names = [producers[one.get("producer")]["resource"] for one in in_bin.findall("entry")]
    assert names == [f"cut.stems/{number}.wav" for number in range(4)]
    # A clip of a track belongs to one of the bin by its id, and no two tracks share a producer.
    ids = {properties["kdenlive:id"]: properties["resource"] for properties in producers.values()}
    assert len(ids) == 4
    used = []
    for playlist in root.findall("playlist"):
        for entry in playlist.findall("entry"):
            if playlist is not in_bin:
                own = properties(entry)["kdenlive:id"]
                assert ids[own] == producers[entry.get("producer")]["resource"]
                used.append(entry.get("producer"))
    assert len(used) == len(set(used)) == 8
    mixed = [properties(one) for one in root.iter("transition")]
    assert [(one["mlt_service"], one["a_track"], one["b_track"], one["sum"]) for one in mixed] == [
        ("mix", "0", "1", "1"),
        ("mix", "0", "2", "1"),
    ]


def test_names_hits_and_markers_come_back(cut) -> None:
    timeline = cut.strike(cut.timeline([(4000, 48000)], names=['Tür <1> & "2"']), [0, 24000, 47000])
    timeline.tracks.markers.append(otio.schema.Marker("Szene 2\x01", Range(Time(48, 24), Time(0, 24))))
    root = xml.fromstring(kdenlive.write_to_string(timeline).encode())
    (clip,) = [properties(one) for one in root.findall("chain") if (one.get("id") or "").startswith("bin")]
    assert clip["kdenlive:clipname"] == 'Tür <1> & "2"'
    assert [(mark["comment"], mark["pos"]) for mark in json.loads(clip["kdenlive:markers"])] == [
        ("hit 1", 0),
        ("hit 2", 12),
        ("hit 3", 23),
    ]
    (in_bin,) = [properties(one) for one in root.findall("playlist") if one.get("id") == "main_bin"]
    guides = json.loads(in_bin["kdenlive:docproperties.guides"])
    assert [(mark["comment"], mark["pos"]) for mark in guides] == [("Szene 2\x01", 48)]


def test_what_lies_between_frames_is_moved_with_a_warning(cut) -> None:
    with pytest.warns(UserWarning, match="1 clip lies between frames, which a Kdenlive project cannot say"):
        root = xml.fromstring(kdenlive.write_to_string(cut.timeline([(2999, 48000)])).encode())
    assert tracks(root)["FOLEY"][0][:2] == (1, 24)


def test_fades_of_sound_that_overlaps_stay(cut) -> None:
    timeline = cut.timeline([(0, 48000), (48000, 48000)])
    clips = list(timeline.tracks[1].find_clips())
    for clip in clips:
        # A file that goes on for half a second at both ends.
        media, span = clip.media_reference.available_range, Time(12, 24)
        clip.media_reference.available_range = Range(media.start_time - span, media.duration + span + span)
    timeline.tracks[1].insert(1, otio.schema.Transition("x", "SMPTE_Dissolve", Time(6, 24), Time(6, 24)))
    with pytest.warns(UserWarning, match="with their fades"):
        root = xml.fromstring(kdenlive.write_to_string(timeline).encode())
    found = tracks(root)
    assert [entry[:3] for entry in found["FOLEY"]] == [(0, 30, 12)]
    assert [entry[:3] for entry in found["FOLEY 2"]] == [(18, 30, 6)]
    fades = [(properties(one)["kdenlive_id"], one.get("in"), one.get("out")) for one in root.iter("filter")]
    assert sorted(fades) == [("fadein", "6", "17"), ("fadeout", "30", "41")]


def test_an_empty_project_opens(cut) -> None:
    with pytest.warns(UserWarning, match="the file is empty"):
        root = xml.fromstring(kdenlive.write_to_string(cut.timeline([])).encode())
    assert tracks(root) == {"FOLEY": [], "V1": []}


@pytest.mark.skipif(shutil.which("melt") is None, reason="melt, which plays MLT XML, is not installed")
@pytest.mark.parametrize("rate", [25.0, 30000 / 1001])
def test_melt_renders_every_stem_on_its_samples(cut, tmp_path: Path, rate: float) -> None:
    frames = [(5, 10), (20, 5), (25, 5)]
    spans = [(int(first * SAMPLES[rate]), int(count * SAMPLES[rate])) for first, count in frames]
    timeline = cut.timeline(spans, rate=rate, start=90000, channels=2)
    timeline.tracks.append(timeline.tracks[1].deepcopy())
    timeline.tracks[2].name, timeline.tracks[2].enabled = "OFF", False
    noises = cut.write_stems(timeline, tmp_path / "one", channels=2)
    kdenlive.write(flatten_timeline(timeline), tmp_path / "one" / "cut.kdenlive")
    # Named relative to the project, so that the folder can move.
    moved = (tmp_path / "one").rename(tmp_path / "two")
    heard = _render(moved / "cut.kdenlive", tmp_path / "out.wav")
    expected = np.zeros((int(30 * SAMPLES[rate]), 2))
    for (first, count), noise in zip(spans, noises, strict=True):
        expected[first : first + count] = noise / 2**23
    assert heard.shape == expected.shape
    # It may be rounded to 16 bits on the way, and is on its very sample.
    assert np.abs(heard - expected).max() < 2**-14


def _render(project: Path, wave: Path) -> np.ndarray:
    """Return the sound of a project as melt plays it, of shape (samples, channels)."""
    to = [
        "-consumer",
        f"avformat:{wave}",
        "acodec=pcm_f32le",
        "vn=1",
        "ar=48000",
        "ac=2",
        "real_time=0",
        "terminate_on_pause=1",
    ]
    for last in (False, False, True):
        try:
            subprocess.run(["melt", "-silent", str(project), *to], check=True, capture_output=True, timeout=60)
            break
        except subprocess.TimeoutExpired:
            # On a busy machine melt now and then writes everything and does not end.
            if last:
                raise
    samples, sample_rate = soundfile.read(wave, always_2d=True)
    assert sample_rate == 48000
    return np.asarray(samples)
