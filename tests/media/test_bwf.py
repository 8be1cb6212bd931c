from __future__ import annotations

import struct
import wave as stdlib_wave
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from avlink.core.errors import AvlinkError, MediaError, OutputError
from avlink.core.values import Waveform
from avlink.media.audio import read_audio
from avlink.media.broadcast import BroadcastInfo, CuePoint, fold_to_ascii
from avlink.media.bwf import read_bwf_info, write_bwf

INFO = BroadcastInfo(
    description="Schlag auf Metall, Straße 3 — café",
    originator="AVLink",
    originator_reference="AVL0000000000000001",
    date="2024-02-29",
    time="23:59:58",
    time_reference=172_972_800,
    lufs=-23.12,
    true_peak_dbtp=-3.0,
    range_lu=4.25,
    momentary_lufs=-17.5,
    short_term_lufs=-20.01,
    track_names=("FOLEY",),
    timecode_rate=Fraction(24000, 1001),
    project="Ångström & Söhne <1>",
    note="take 1",
    cues=(CuePoint(position_samples=480, label="hit"), CuePoint(position_samples=9600, label="zweiter Schlag ü")),
)


def noise(channels: int = 1, num_samples: int = 10_001, rate: int = 48000) -> Waveform:
    samples = np.random.default_rng(0).uniform(-1, 1, (channels, num_samples)).astype(np.float32)
    return Waveform(samples=samples, sample_rate=rate)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("limit", [None, 1000], ids=["riff", "rf64"])
def test_everything_comes_back(tmp_path: Path, channels: int, limit: int | None) -> None:
    path = tmp_path / "a.wav"
    info = replace(INFO, track_names=INFO.track_names * channels)
    write_bwf(path, noise(channels), info, **({} if limit is None else {"riff_limit_bytes": limit}))
    found = read_bwf_info(path)
    assert found.info == info
    assert (found.sample_rate, found.channels, found.bits, found.num_samples) == (48000, channels, 24, 10_001)
    assert found.is_rf64 == (limit is not None)
    assert found.bext.version == 2
    assert found.bext.description == "Schlag auf Metall, Strasse 3 - cafe"


@pytest.mark.parametrize("limit", [None, 1000], ids=["riff", "rf64"])
def test_other_readers_agree_to_the_bit(tmp_path: Path, limit: int | None) -> None:
    path = tmp_path / "a.wav"
    wave = noise(2)
    write_bwf(path, wave, INFO, **({} if limit is None else {"riff_limit_bytes": limit}))
    steps = np.clip(np.rint(wave.samples.astype(np.float64) * 2**23), -(2**23), 2**23 - 1)
    read, rate = soundfile.read(path, dtype="int32", always_2d=True)
    assert rate == 48000 and np.array_equal(read.T >> 8, steps)
    assert np.array_equal(read_audio(path, sample_rate=48000, mono=False).samples, (steps / 2**23).astype(np.float32))
    with av.open(str(path)) as container:
        assert int(container.metadata["time_reference"]) == INFO.time_reference
    if limit is None:
        with stdlib_wave.open(str(path)) as reader:
            assert (reader.getsampwidth(), reader.getnchannels(), reader.getnframes()) == (3, 2, 10_001)


def test_written_again_it_is_the_same_to_the_bit(tmp_path: Path) -> None:
    first, second = tmp_path / "a.wav", tmp_path / "b.wav"
    write_bwf(first, noise(), INFO)
    write_bwf(second, read_audio(first, sample_rate=48000, mono=False), read_bwf_info(first).info)
    assert first.read_bytes() == second.read_bytes()


def test_rounding_and_clipping(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    step = 2.0**-23
    given = np.array([[0.0, 0.4 * step, 0.6 * step, -0.6 * step, 1.0, 1.5, -1.0, -2.0, 1 - step]], np.float32)
    write_bwf(path, Waveform(samples=given, sample_rate=48000), BroadcastInfo())
    read, _rate = soundfile.read(path, dtype="int32")
    top = 2**23 - 1
    assert (read >> 8).tolist() == [0, 0, 1, -1, top, top, -(2**23), -(2**23), top]


def test_where_the_fields_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_bwf(path, noise(), replace(INFO, time_reference=(5 << 32) + 7))
    data = path.read_bytes()
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    at = data.index(b"bext") + 8
    assert data[at + 320 : at + 338] == b"2024-02-2923:59:58"
    assert struct.unpack_from("<IIH", data, at + 338) == (7, 5, 2)
    # Value, range, true peak, momentary, short-term (EBU Tech 3285 v2); 0x7FFF where it is not known.
    assert struct.unpack_from("<5h", data, at + 412) == (-2312, 425, -300, -1750, -2001)
    write_bwf(path, noise(), replace(INFO, range_lu=None, momentary_lufs=None, short_term_lufs=None))
    less = path.read_bytes()
    assert struct.unpack_from("<5h", less, less.index(b"bext") + 8 + 412) == (-2312, 0x7FFF, -300, 0x7FFF, 0x7FFF)
    assert data[at + 602 :].startswith(b"A=PCM,F=48000,W=24,M=mono,T=AVLink\r\n")
    for fragment in (
        b"<TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>5<",
        b"<TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO>7<",
        b"<TIMECODE_RATE>24000/1001<",
        b"<TIMECODE_FLAG>NDF<",
        b"<NAME>FOLEY<",
        "<PROJECT>Ångström &amp; Söhne &lt;1&gt;<".encode(),
    ):
        assert fragment in data


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_short_and_odd_lengths(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.wav"
    write_bwf(path, noise(num_samples=length), BroadcastInfo())
    assert path.stat().st_size % 2 == 0
    assert read_bwf_info(path).num_samples == length == soundfile.info(path).frames


def test_texts_are_folded_and_cut(tmp_path: Path) -> None:
    assert fold_to_ascii("Größe Ærø\n“x” 音\t\x07") == 'Grosse AEro "x" ? ?'
    path = tmp_path / "a.wav"
    write_bwf(path, noise(), BroadcastInfo(description="ü" * 400, originator="o" * 40, note="a\0b\x1fc"))
    found = read_bwf_info(path)
    assert found.bext.description == "u" * 256 and found.bext.originator == "o" * 32
    assert found.info.description == "ü" * 400 and found.info.note == "abc"


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    broken = noise()
    broken.samples[0, 77] = np.nan
    with pytest.raises(AvlinkError, match="no numbers"):
        write_bwf(tmp_path / "a.wav", broken, BroadcastInfo())
    with pytest.raises(OutputError, match="cannot be written"):
        write_bwf(tmp_path / "missing" / "a.wav", noise(), BroadcastInfo())
    for wrong in ({"time_reference": -1}, {"date": "29.2.2024"}, {"time": "9:00"}):
        with pytest.raises(ValueError, match="got"):
            BroadcastInfo(**wrong)


def test_no_space_left_is_said() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError, match="is full"):
        write_bwf(full, noise(), BroadcastInfo())


def test_what_is_no_broadcast_wave_is_said(tmp_path: Path) -> None:
    plain = tmp_path / "plain.wav"
    soundfile.write(plain, np.zeros(10), 48000)
    with pytest.raises(MediaError, match="no 'bext' chunk"):
        read_bwf_info(plain)
    text = tmp_path / "text.wav"
    text.write_text("hello, this is text")
    for path in (text, tmp_path / "missing.wav"):
        with pytest.raises(MediaError, match="no wave file"):
            read_bwf_info(path)
