"""Lengths and seeks in films of many kinds: n pictures last n / rate, and a span is what the whole film shows in it."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from avlink.core.values import Waveform
from avlink.media.container import open_input, read_packets
from avlink.media.mux import mux_sound
from avlink.media.probe import probe

sys.path.insert(0, str(Path(__file__).parent))

from numbered import numbers, write_numbered, wrong_seeks

COUNT = 100
RATE = Fraction(25)
REORDERED = {"bf": "2"}
KINDS = {
    "mpeg2.mpg": dict(codec="mpeg2video", options=REORDERED),
    "mpeg2.vob": dict(codec="mpeg2video", options=REORDERED),
    "mpeg2_in_order.mpg": dict(codec="mpeg2video"),
    "mpeg1.mpg": dict(codec="mpeg1video", options=REORDERED, format="mpeg"),
    "late.mpg": dict(codec="mpeg2video", options=REORDERED, first=37),
    "one_group.mpg": dict(codec="mpeg2video", options=REORDERED, gop=600),
    "h264.mpg": dict(codec="libx264", options=REORDERED, format="mpeg"),
    "mpeg4.avi": dict(codec="mpeg4"),
    "mpeg4_reordered.avi": dict(codec="mpeg4", options=REORDERED),
    "h264.avi": dict(codec="libx264", options=REORDERED),
    "mjpeg.avi": dict(codec="mjpeg", pixels="yuvj420p"),
    "h264.ts": dict(codec="libx264", options=REORDERED),
    "mpeg2.ts": dict(codec="mpeg2video", options=REORDERED),
    "refreshed.ts": dict(codec="libx264", options={"x264-params": "intra-refresh=1:keyint=12"}),
    "h264.flv": dict(codec="libx264", options=REORDERED),
    "late.flv": dict(codec="libx264", options=REORDERED, first=37),
    "h263.flv": dict(codec="flv"),
    "h264.mkv": dict(codec="libx264", options=REORDERED),
    "fragments.mp4": dict(codec="libx264", options=REORDERED, muxer={"movflags": "frag_keyframe+empty_moov"}),
    "open_groups.mp4": dict(codec="libx264", options={"bf": "2", "x264-params": "open-gop=1:keyint=12"}),
    "late.mp4": dict(codec="libx264", options=REORDERED, first=37),
    "rle.mov": dict(codec="qtrle", pixels="rgb24"),
    "mpeg2.mxf": dict(codec="mpeg2video", options=REORDERED),
    "windows.wmv": dict(codec="wmv2"),
    "raw.m2v": dict(codec="mpeg2video", options=REORDERED),
    "raw.m1v": dict(codec="mpeg1video", options=REORDERED),
    "raw.h264": dict(codec="libx264", options=REORDERED),
    "loop.gif": dict(codec="gif", pixels="rgb8"),
}


def assert_whole(path: Path, count: int = COUNT, rate: Fraction = RATE, *, first: int = 0) -> None:
    """Check the length of a film, the time of each picture in it, and spans of it."""
    info = probe(path)
    assert info.video is not None
    assert (info.video.rate, info.duration_s) == (rate, count / rate)
    shown = numbers(path, Fraction(0), info.duration_s + 2)
    assert [number for _, _, number in shown] == list(range(first, first + count))
    # Matroska and FLV round to milliseconds.
    assert all(abs(begin_s - index / rate) <= Fraction(1, 1000) for index, (begin_s, _, _) in enumerate(shown))
    assert wrong_seeks(path, info.duration_s, positions=5) == []


@pytest.mark.parametrize("name", KINDS)
def test_a_span_of_any_kind_of_film_is_what_the_whole_film_shows_in_it(tmp_path: Path, name: str) -> None:
    assert_whole(write_numbered(tmp_path / name, COUNT, **KINDS[name]))  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".flv", ".avi", ".ts"])
@pytest.mark.parametrize("rate", ["12", "25/2", "15", "16", "24000/1001", "30000/1001", "60000/1001"])
def test_n_pictures_last_n_times_one_picture(tmp_path: Path, suffix: str, rate: str) -> None:
    codec = "mpeg4" if suffix == ".avi" else "libx264"
    path = write_numbered(tmp_path / f"film{suffix}", 81, codec=codec, rate=Fraction(rate), options=REORDERED)
    assert probe(path).duration_s == 81 / Fraction(rate)


def without_index(avi: bytes) -> bytes:
    return avi[: avi.rindex(b"idx1")]


def with_half_an_index(avi: bytes) -> bytes:
    at = avi.rindex(b"idx1")
    half = struct.unpack("<I", avi[at + 4 : at + 8])[0] // 32 * 16
    return avi[: at + 4] + struct.pack("<I", half) + avi[at + 8 : at + 8 + half]


def without_counts(avi: bytes) -> bytes:
    """As after a crash of the recorder: no index, and zero as the number of pictures in both headers."""
    header = avi.index(b"strh") + 8 + 32
    content = bytearray(without_index(avi))
    content[48:52] = content[header : header + 4] = bytes(4)
    return bytes(content)


@pytest.mark.parametrize("harm", [without_index, with_half_an_index, without_counts])
@pytest.mark.parametrize("name", ["mpeg4.avi", "mpeg4_reordered.avi", "h264.avi", "mjpeg.avi"])
def test_an_avi_needs_no_index(tmp_path: Path, name: str, harm: Callable[[bytes], bytes]) -> None:
    path = write_numbered(tmp_path / name, COUNT, **KINDS[name])  # type: ignore[arg-type]
    path.write_bytes(harm(path.read_bytes()))
    assert_whole(path)


def pack(path: Path, packed: Path) -> None:
    """Repack B-frames as DivX does: the first with the picture before it, and a placeholder after the last."""
    placeholder = b"\0\0\1\xb6" + int("0101" + "00001" + "10" + "01111", 2).to_bytes(2, "big")
    with av.open(str(path)) as source, av.open(str(packed), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0], opaque=True)
        pictures = [bytes(packet) for packet in source.demux(video=0) if packet.size]
        kinds = [picture[picture.index(b"\0\0\1\xb6") + 4] >> 6 for picture in pictures]
        chunks: list[bytes] = []
        for index, (picture, kind) in enumerate(zip(pictures, kinds, strict=True)):
            if kind == 2 and kinds[index - 1] != 2:
                chunks[-1] += picture
            elif kind == 2 or not index or kinds[index - 1] != 2:
                chunks.append(picture)
            else:
                chunks += [placeholder, picture]
        at = chunks[0].index(b"\0\0\1\xb6")
        chunks[0] = chunks[0][:at] + b"\0\0\1\xb2DivX503b1393p\0" + chunks[0][at:]
        chunks += [placeholder] if kinds[-1] == 2 else []
        for number, chunk in enumerate(chunks):
            packet = av.Packet(chunk)
            packet.stream, packet.pts, packet.dts, packet.time_base = copy, number, number, 1 / RATE
            packet.is_keyframe = b"\0\0\1\xb6" in chunk and chunk[chunk.index(b"\0\0\1\xb6") + 4] >> 6 == 0
            target.mux(packet)


def test_two_pictures_packed_into_one_are_two(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "plain.avi", COUNT, **KINDS["mpeg4_reordered.avi"])  # type: ignore[arg-type]
    pack(path, tmp_path / "packed.avi")
    assert_whole(tmp_path / "packed.avi")


@pytest.mark.parametrize("suffix", [".mpg", ".ts"])
def test_a_recording_that_was_cut_begins_with_its_first_whole_picture(tmp_path: Path, suffix: str) -> None:
    path = write_numbered(tmp_path / f"film{suffix}", COUNT, codec="mpeg2video", options=REORDERED)
    content = path.read_bytes()
    path.write_bytes(content[2048:] if suffix == ".mpg" else content[30 * 188 :])
    first = numbers(path, Fraction(0), Fraction(1))[0][2]
    assert 0 < first < COUNT
    assert_whole(path, COUNT - first, first=first)


def test_program_streams_one_after_another_go_on(tmp_path: Path) -> None:
    content = write_numbered(tmp_path / "once.mpg", COUNT, codec="mpeg2video", options=REORDERED).read_bytes()
    twice = tmp_path / "twice.mpg"
    twice.write_bytes(content + content)
    assert probe(twice).duration_s == 2 * COUNT / RATE
    shown = numbers(twice, COUNT / RATE, COUNT / RATE + 1)
    assert [number for _, _, number in shown] == list(range(25))


@pytest.mark.parametrize("wrong", ["start", "shifted", "end", "beyond", "reversed"])
def test_a_wrong_index_of_an_flv_leads_nowhere_else(tmp_path: Path, wrong: str) -> None:
    path = write_numbered(
        tmp_path / "film.flv", COUNT, codec="libx264", options=REORDERED, muxer={"flvflags": "add_keyframe_index"}
    )
    content = bytearray(path.read_bytes())
    at = content.index(b"filepositions") + len("filepositions") + 1
    count, at = struct.unpack(">I", content[at : at + 4])[0], at + 4
    places = [struct.unpack(">d", content[at + 9 * index + 1 : at + 9 * index + 9])[0] for index in range(count)]
    new = {
        "start": [13.0] * count,
        "shifted": [place + 100 for place in places],
        "end": [len(content) - 200.0] * count,
        "beyond": [1e7] * count,
        "reversed": places[::-1],
    }[wrong]
    for index, place in enumerate(new):
        content[at + 9 * index + 1 : at + 9 * index + 9] = struct.pack(">d", place)
    path.write_bytes(content)
    assert count > 4
    assert_whole(path)


def test_a_stream_that_appears_on_the_way_is_the_end_of_no_other(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "film.mp4", COUNT, **KINDS["late.mp4"])  # type: ignore[arg-type]

    class Found:
        """A container in which PyAV meets a stream that it does not know, after its last packet."""

        def __init__(self, container: InputContainer) -> None:
            self._container = container

        def demux(self, stream: VideoStream) -> Iterator[Packet[Any]]:
            yield from (packet for packet in self._container.demux(stream) if packet.size)
            raise IndexError("list index out of range")

    with open_input(path) as container:
        stream = container.streams.video[0]
        packets = read_packets(cast(InputContainer, Found(container)), stream)
        assert sum(len(packet.decode()) for packet in packets) == COUNT


def test_a_wild_time_of_one_packet_moves_no_other(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "film.flv", COUNT, codec="libx264", options=REORDERED)
    content = bytearray(path.read_bytes())
    tags, at = [], 13
    while at < len(content):
        tags.append(at)
        at += 15 + int.from_bytes(content[at + 1 : at + 4], "big")
    # The highest bits of a time are in a byte of their own: it is then days late.
    content[tags[60] + 7] = 5
    path.write_bytes(content)
    assert probe(path).duration_s == COUNT / RATE
    assert wrong_seeks(path, COUNT / RATE, positions=5) == []
    assert len(numbers(path, Fraction(0), COUNT / RATE)) >= COUNT - 1


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_pictures_that_are_shown_before_the_time_of_decoding_are_given_a_sound(tmp_path: Path, suffix: str) -> None:
    """As telephones write QuickTime: the first picture is decoded and shown at 0, so that others are decoded late."""
    late = write_numbered(tmp_path / "late.mov", 5, codec="mpeg4", options=REORDERED)
    content = bytearray(late.read_bytes())
    # The table of display offsets (ctts, ISO 14496-12) then has negative numbers, and the edit list begins at 0.
    at = content.index(b"ctts")
    places = [at + 16 + 8 * entry for entry in range(struct.unpack(">I", content[at + 8 : at + 12])[0])]
    offsets = [struct.unpack(">i", content[place : place + 4])[0] for place in places]
    for place, offset in zip(places, offsets, strict=True):
        content[place : place + 4] = struct.pack(">i", offset - offsets[0])
    edit = content.index(b"elst") + 16
    content[edit : edit + 4] = bytes(4)
    late.write_bytes(content)
    with open_input(late) as container:
        packets = [packet for packet in read_packets(container, container.streams.video[0]) if packet.size]
        assert any(packet.dts > packet.pts for packet in packets if packet.dts is not None and packet.pts is not None)
    out = tmp_path / f"out{suffix}"
    mux_sound(late, Waveform(samples=np.zeros((1, 9600), np.float32), sample_rate=48000), out)
    assert [number for _, _, number in numbers(out, Fraction(0), Fraction(1))] == [0, 1, 2, 3, 4]
    assert probe(out).duration_s == 5 / RATE


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
@pytest.mark.parametrize("name", ["h264.avi", "mpeg4_reordered.avi", "mpeg2.mpg", "h264.mpg", "raw.h264", "raw.m2v"])
def test_pictures_timed_by_order_are_copied_in_order(tmp_path: Path, name: str, suffix: str) -> None:
    film = write_numbered(tmp_path / name, COUNT, **KINDS[name])  # type: ignore[arg-type]
    out = tmp_path / f"out{suffix}"
    mux_sound(film, Waveform(samples=np.zeros((1, 48000 * 4), np.float32), sample_rate=48000), out)
    assert_whole(out)
