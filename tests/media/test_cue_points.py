"""Cue points in stems, read again by a small RIFF parser that shares nothing with the writer, and by other programs."""

from __future__ import annotations

import struct
import wave as stdlib_wave
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from avlink.core.values import Waveform
from avlink.media.broadcast import BroadcastInfo, CuePoint
from avlink.media.bwf import read_bwf_info, write_bwf

HITS = (
    CuePoint(position_samples=0, label="hit 1", note="21.5 dB"),
    CuePoint(position_samples=480, label="hit 2", note="9.0 dB"),
    CuePoint(position_samples=10_000, label="hit 11", note="101.0 dB"),
)
INFO = BroadcastInfo(
    description="door",
    time_reference=172_800_000,
    lufs=-23.1,
    true_peak_dbtp=-3.0,
    range_lu=4.2,
    momentary_lufs=-17.5,
    short_term_lufs=-20.1,
    cues=HITS,
)
# All labels come before the first note; see `test_ffmpeg_and_libsndfile_name_every_point`.
_TEXTS = ((b"labl", lambda cue: cue.label), (b"note", lambda cue: cue.note))
LIMITS = pytest.mark.parametrize("limit", [1 << 32, 1000], ids=["riff", "rf64"])


@dataclass
class Chunk:
    """A chunk where it stands: `at` is the place of its name in the file."""

    name: bytes
    at: int
    size: int
    body: bytes


def chunks(data: bytes) -> list[Chunk]:
    """All chunks of a RIFF or RF64 file; everything that the specifications ask of their sizes is checked."""
    form, size, kind = struct.unpack_from("<4sI4s", data)
    assert kind == b"WAVE" and form in (b"RIFF", b"RF64")
    found: list[Chunk] = []
    at, data_bytes = 12, None
    while at < len(data):
        assert at % 2 == 0
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"ds64":
            assert at == 12 and form == b"RF64" and size == 0xFFFFFFFF
            size, data_bytes, _samples, table = struct.unpack_from("<QQQI", data, at + 8)
            assert table == 0
        if name == b"data" and form == b"RF64":
            assert length == 0xFFFFFFFF and data_bytes is not None
            length = data_bytes
        body = data[at + 8 : at + 8 + length]
        assert len(body) == length
        found.append(Chunk(name, at, length, body))
        assert data[at + 8 + length : at + 8 + length + length % 2] in (b"", b"\0")
        at += 8 + length + length % 2
    assert at == len(data) == size + 8
    return found


def one(found: list[Chunk], name: bytes) -> Chunk:
    (chunk,) = [chunk for chunk in found if chunk.name == name]
    return chunk


def noise(channels: int = 1, num_samples: int = 10_001) -> Waveform:
    samples = np.random.default_rng(0).uniform(-1, 1, (channels, num_samples)).astype(np.float32)
    return Waveform(samples=samples, sample_rate=48000)


def written(path: Path, info: BroadcastInfo = INFO, limit: int = 1 << 32, **sound: int) -> Path:
    write_bwf(path, noise(**sound), info, riff_limit_bytes=limit)
    return path


@LIMITS
@pytest.mark.parametrize("channels", [1, 2])
def test_points_and_texts_stand_as_the_specification_has_them(tmp_path: Path, limit: int, channels: int) -> None:
    found = chunks(written(tmp_path / "a.wav", limit=limit, channels=channels).read_bytes())
    body = one(found, b"cue ").body
    assert struct.unpack_from("<I", body) == (3,) and len(body) == 4 + 24 * 3
    points = [struct.unpack_from("<II4sIII", body, 4 + 24 * index) for index in range(3)]
    # Name, place in the order of playing, chunk, start of the chunk, start of the block, place in the chunk.
    assert points == [
        (number, cue.position_samples, b"data", 0, 0, cue.position_samples) for number, cue in enumerate(HITS, start=1)
    ]
    listed = one(found, b"LIST").body
    assert listed[:4] == b"adtl"
    texts, at = [], 4
    while at < len(listed):
        name, size, number = struct.unpack_from("<4sII", listed, at)
        text = listed[at + 12 : at + 8 + size]
        assert text.endswith(b"\0") and b"\0" not in text[:-1]
        texts.append((name, number, text[:-1].decode("ascii")))
        at += 8 + size + size % 2
    assert at == len(listed)
    expected = [(number, cue) for number, cue in enumerate(HITS, start=1)]
    labels, notes = ([(name, number, text(cue)) for number, cue in expected] for name, text in _TEXTS)
    assert texts == [*labels, *notes]
    # The list explains the points, and the sound, which may be long, comes last.
    assert [chunk.name for chunk in found][-3:] == [b"cue ", b"LIST", b"data"]


@LIMITS
def test_nothing_else_in_the_file_changes(tmp_path: Path, limit: int) -> None:
    marked = chunks(written(tmp_path / "a.wav", limit=limit).read_bytes())
    plain = chunks(written(tmp_path / "b.wav", replace(INFO, cues=()), limit=limit).read_bytes())
    rest = [(chunk.name, chunk.body) for chunk in marked if chunk.name not in (b"cue ", b"LIST", b"ds64")]
    assert rest == [(chunk.name, chunk.body) for chunk in plain if chunk.name != b"ds64"]
    assert {b"bext", b"fmt ", b"iXML", b"data"} <= {chunk.name for chunk in marked}
    assert struct.unpack_from("<5h", one(marked, b"bext").body, 412) == (-2310, 420, -300, -1750, -2010)


def test_the_same_stem_has_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "a.wav").read_bytes() == written(tmp_path / "b.wav").read_bytes()


@LIMITS
def test_our_own_reader_gets_everything_back(tmp_path: Path, limit: int) -> None:
    assert read_bwf_info(written(tmp_path / "a.wav", limit=limit)).info.cues == HITS


def test_a_list_of_titles_that_another_program_adds_hides_no_labels(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav")
    data = path.read_bytes()
    titles = b"LIST" + struct.pack("<I", 4 + 8 + 6) + b"INFOINAM" + struct.pack("<I", 5) + b"door\0\0"
    path.write_bytes(data[:4] + struct.pack("<I", len(data) + len(titles) - 8) + data[8:] + titles)
    assert [chunk.name for chunk in chunks(path.read_bytes())].count(b"LIST") == 2
    assert read_bwf_info(path).info.cues == HITS


def test_very_many_points_are_all_there(tmp_path: Path) -> None:
    many = tuple(CuePoint(position_samples=20 * index, label=f"hit {index + 1}") for index in range(500))
    path = written(tmp_path / "a.wav", replace(INFO, cues=many))
    assert struct.unpack_from("<I", one(chunks(path.read_bytes()), b"cue ").body) == (500,)
    assert read_bwf_info(path).info.cues == many


@LIMITS
def test_other_readers_hear_the_same_sound(tmp_path: Path, limit: int) -> None:
    path = written(tmp_path / "a.wav", limit=limit, channels=2)
    steps = np.clip(np.rint(noise(2).samples.astype(np.float64) * 2**23), -(2**23), 2**23 - 1)
    read, rate = soundfile.read(path, dtype="int32", always_2d=True)
    assert rate == 48000 and np.array_equal(read.T >> 8, steps)
    with av.open(str(path)) as container:
        heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
        assert int(container.metadata["time_reference"]) == INFO.time_reference
    assert np.array_equal(heard.reshape(-1, 2).T >> 8, steps)
    if limit > 1000:
        with stdlib_wave.open(str(path)) as reader:
            raw = np.frombuffer(reader.readframes(reader.getnframes()), np.uint8).reshape(-1, 3)
            assert (reader.getsampwidth(), reader.getnchannels(), reader.getnframes()) == (3, 2, 10_001)
        words = np.pad(raw, ((0, 0), (1, 0))).view("<i4").reshape(-1, 2)
        assert np.array_equal(words.T >> 8, steps)


def _cues_of_libsndfile(path: Path) -> list[tuple[int, str]]:
    """Return position and name of each cue point, by libsndfile's own structures (SFC_GET_CUE of sndfile.h)."""
    library, foreign = soundfile._snd, soundfile._ffi
    one = struct.Struct("=iIiiiI256s")
    with soundfile.SoundFile(path) as file:
        held = foreign.new("char[]", 4 + one.size * 1000)
        assert library.sf_command(file._file, 0x10CE, foreign.cast("void *", held), foreign.sizeof(held)) == 1
        data = bytes(foreign.buffer(held))
    (number,) = struct.unpack_from("=I", data)
    points = [one.unpack_from(data, 4 + index * one.size) for index in range(number)]
    return [(point[5], point[6].split(b"\0")[0].decode()) for point in points]


@LIMITS
@pytest.mark.parametrize("noted", [True, False])
def test_ffmpeg_and_libsndfile_name_every_point(tmp_path: Path, limit: int, noted: bool) -> None:
    many = tuple(
        CuePoint(position_samples=80 * index, label=f"hit {index + 1}", note=f"{'1' * (index % 4)}.5 dB" * noted)
        for index in range(120)
    )
    path = written(tmp_path / "a.wav", replace(INFO, cues=many), limit=limit)
    expected = [(cue.position_samples, cue.label) for cue in many]
    with av.open(str(path)) as container:
        assert [(point["start"], point["metadata"]["title"]) for point in container.chapters()] == expected
    if limit > 1000:
        # libsndfile reads no cue points of RF64 files.
        assert _cues_of_libsndfile(path) == expected


@LIMITS
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("description", ["", "a", "ab", "abc"])
def test_no_length_of_any_text_hides_the_sound(tmp_path: Path, limit: int, channels: int, description: str) -> None:
    info = replace(INFO, description=description)
    path = written(tmp_path / "a.wav", info, limit=limit, channels=channels, num_samples=999)
    # libsndfile does not skip the byte that pads an odd chunk of RF64.
    assert soundfile.info(path).frames == 999
    assert all(chunk.size % 2 == 0 for chunk in chunks(path.read_bytes()) if chunk.name != b"data")
    assert read_bwf_info(path).info.description == description


@LIMITS
def test_wavinfo_reads_points_labels_notes_and_all_the_rest(tmp_path: Path, limit: int) -> None:
    wavinfo = pytest.importorskip("wavinfo")
    read = wavinfo.WavInfoReader(str(written(tmp_path / "a.wav", limit=limit)))
    assert [(cue.name, cue.position, cue.sample_offset) for cue in read.cues.cues] == [
        (number, cue.position_samples, cue.position_samples) for number, cue in enumerate(HITS, start=1)
    ]
    assert [(label.name, label.text) for label in read.cues.labels] == [
        (number, cue.label) for number, cue in enumerate(HITS, start=1)
    ]
    assert [(note.name, note.text) for note in read.cues.notes] == [
        (number, cue.note) for number, cue in enumerate(HITS, start=1)
    ]
    assert (read.bext.time_reference, read.bext.loudness_value, read.bext.max_true_peak) == (172_800_000, -23.1, -3.0)
    more = (read.bext.loudness_range, read.bext.max_momentary_loudness, read.bext.max_shortterm_loudness)
    assert more == (4.2, -17.5, -20.1)
    assert (read.data.frame_count, read.fmt.bits_per_sample) == (10_001, 24)
    assert read.ixml is not None
