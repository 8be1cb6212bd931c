"""The AAF, read again with pyaaf2 and with OTIO's own adapter: places in samples, and the sound bit for bit."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
import soundfile
from avlink_otio.aaf import write_to_file

aaf2 = pytest.importorskip("aaf2")

PLACES = [(0, 4800), (7001, 2402), (9403, 1)]


def embedded(path: Path) -> tuple[dict[str, list[tuple[int, int, bytes]]], tuple[int, int, bool]]:
    """First sample, length and raw bytes of the clips of every sound track; start, rate and kind of the timecode."""
    tracks: dict[str, list[tuple[int, int, bytes]]] = {}
    timecode = (0, 0, False)
    with aaf2.open(str(path), "r") as file:
        (composition,) = file.content.toplevel()
        for slot in composition.slots:
            if slot.name == "TC":
                (found,) = slot.segment.components
                timecode = (found.start, found.fps, found.drop)
                continue
            assert slot.edit_rate == 48000
            at = 0
            row = tracks.setdefault(slot.name, [])
            for part in slot.segment.components:
                if isinstance(part, aaf2.components.SourceClip):
                    source = part.mob.slots[0].segment.mob
                    descriptor = source.descriptor
                    assert (descriptor["Channels"].value, descriptor["QuantizationBits"].value) == (1, 24)
                    data = source.essence.open("r").read()
                    assert descriptor.length * 3 == len(data)
                    row.append((at, part.length, data[3 * part.start : 3 * (part.start + part.length)]))
                at += part.length
            assert slot.segment.length == at
    return tracks, timecode


def pcm24(samples: np.ndarray) -> bytes:
    return samples.astype("<i4").reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


@pytest.mark.parametrize("rate, start", [(24.0, 86400), (30000 / 1001, 107892), (23.976, 0)])
def test_stems_are_embedded_on_their_samples(cut, tmp_path: Path, rate: float, start: int) -> None:
    timeline = cut.timeline(PLACES, rate=rate, start=start)
    made = cut.write_stems(timeline, tmp_path)
    write_to_file(timeline, str(tmp_path / "cut.aaf"))
    tracks, timecode = embedded(tmp_path / "cut.aaf")
    assert tracks == {
        "FOLEY": [(first, count, pcm24(noise)) for (first, count), noise in zip(PLACES, made, strict=True)]
    }
    # 107892 frames are 01:00:00;00.
    assert timecode == (start, round(rate), start == 107892)


def test_otio_reads_the_same_places(cut, tmp_path: Path) -> None:
    timeline = cut.timeline(PLACES)
    cut.write_stems(timeline, tmp_path)
    write_to_file(timeline, str(tmp_path / "cut.aaf"))
    again = otio.adapters.read_from_file(str(tmp_path / "cut.aaf"))
    (track,) = again.audio_tracks()
    clips = [(track.range_of_child(clip), clip.name) for clip in track.find_clips()]
    assert [(span.start_time.value, span.duration.value, span.duration.rate) for span, _ in clips] == [
        (first, count, 48000) for first, count in PLACES
    ]
    assert (track.name, again.global_start_time) == ("FOLEY", otio.opentime.RationalTime(86400, 24))


def test_a_stereo_stem_becomes_two_mono_tracks(cut, tmp_path: Path) -> None:
    timeline = cut.timeline(PLACES[:1], channels=2)
    (made,) = cut.write_stems(timeline, tmp_path, channels=2)
    write_to_file(timeline, str(tmp_path / "cut.aaf"))
    tracks, _ = embedded(tmp_path / "cut.aaf")
    assert {name: row[0][2] for name, row in tracks.items()} == {
        "FOLEY.L": pcm24(made[:, 0]),
        "FOLEY.R": pcm24(made[:, 1]),
    }


def test_a_trimmed_stem_keeps_its_whole_file_inside(cut, tmp_path: Path) -> None:
    timeline = cut.timeline([(0, 96000)])
    (made,) = cut.write_stems(timeline, tmp_path)
    clip = timeline.tracks[1][0]
    clip.source_range = otio.opentime.TimeRange(
        clip.source_range.start_time + cut.time(24000, 24.0), cut.time(48000, 24.0)
    )
    write_to_file(timeline, str(tmp_path / "cut.aaf"))
    assert embedded(tmp_path / "cut.aaf")[0] == {"FOLEY": [(0, 48000, pcm24(made[24000:72000]))]}


def test_a_file_that_is_too_short_is_cut_and_said(cut, tmp_path: Path) -> None:
    timeline = cut.timeline([(0, 4800), (4800, 480)])
    cut.write_stems(timeline, tmp_path)
    soundfile.write(tmp_path / "cut.stems" / "0.wav", np.zeros(2400), 48000, subtype="PCM_24")
    with pytest.warns(UserWarning, match=r"'s0' is 0\.050 s longer than its file"):
        write_to_file(timeline, str(tmp_path / "cut.aaf"))
    assert [row[:2] for row in embedded(tmp_path / "cut.aaf")[0]["FOLEY"]] == [(0, 2400), (4800, 480)]


def test_missing_sound_is_named(cut, tmp_path: Path) -> None:
    with pytest.raises(otio.exceptions.OTIOError, match=r"0\.wav, .*1\.wav, .*2\.wav are missing"):
        write_to_file(cut.timeline(PLACES), str(tmp_path / "cut.aaf"))
    assert not (tmp_path / "cut.aaf").exists()


def test_sound_that_is_none_is_named(cut, tmp_path: Path) -> None:
    timeline = cut.timeline([(0, 480)])
    cut.write_stems(timeline, tmp_path)
    (tmp_path / "cut.stems" / "0.wav").write_bytes(b"RIFF of nothing")
    with pytest.raises(otio.exceptions.OTIOError, match=r"0\.wav is no sound that can be embedded"):
        write_to_file(timeline, str(tmp_path / "cut.aaf"))


def test_the_same_clips_have_the_same_identity(cut, tmp_path: Path) -> None:
    timeline = cut.timeline(PLACES)
    cut.write_stems(timeline, tmp_path)
    mobs = []
    for name in ("a.aaf", "b.aaf"):
        write_to_file(timeline, str(tmp_path / name))
        with aaf2.open(str(tmp_path / name), "r") as file:
            mobs.append(sorted(str(mob.mob_id) for mob in file.content.mobs))
    assert mobs[0] == mobs[1]
    assert len(set(mobs[0])) == 1 + 2 * len(PLACES)


def test_without_pyaaf2_a_sentence_says_how_to_install_it(cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What Python itself keeps for a module that is not to be found.
    monkeypatch.setitem(sys.modules, "aaf2", None)
    with pytest.raises(otio.exceptions.NotSupportedError, match=r"pip install avlink\[aaf\]"):
        write_to_file(cut.timeline(PLACES), str(tmp_path / "cut.aaf"))
