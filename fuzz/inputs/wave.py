"""WAV, RF64 and BW64 files: headers of all kinds around little sound."""

from __future__ import annotations

import struct
from fractions import Fraction

from hypothesis import strategies as st

from fuzz.case import Case
from fuzz.damage import damaged_text
from fuzz.inputs import otio_values

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_COMMANDS = (
    ("visualize", "s.wav"),
    ("visualize", "s.wav"),
    ("sonify", "s.wav"),
    ("visualize", "cut.otio"),
    ("sonify", "cut.otio", "--duck=6"),
    *(("export", "cut.otio", "--to", to) for to in ("rpp", "aaf", "otioz", "otiod")),
)


@st.composite
def files(draw: st.DrawFn) -> Case:
    """Return a case of a .wav file."""
    kind = draw(st.sampled_from(["whole", "whole", "odd", "odd", "damaged"]))
    rate = draw(st.sampled_from([8000, 16000, 22050, 44100, 48000, 96000]))
    channels, width = draw(st.sampled_from([1, 1, 2, 6])), draw(st.sampled_from([2, 3, 4]))
    frames = draw(st.integers(rate // 4, rate))
    sound = struct.pack("<h", 1000) * (frames * channels * width // 2 + 1)
    data = (b"data", sound[: frames * channels * width])
    chunks = [(b"fmt ", _format(rate, channels, width)), *draw(st.lists(_others(), max_size=3)), data]
    duration_s: Fraction | None = Fraction(frames, rate)
    if kind == "odd":
        duration_s = None
        chunks[0] = (b"fmt ", draw(_odd_formats()))
        chunks = draw(st.permutations(chunks))
    rf64 = draw(st.booleans())
    text = riff(chunks, rf64=rf64)
    if kind == "odd":
        at = draw(st.sampled_from([4, 16, 40, 44]))
        size = draw(st.sampled_from([0, 1, 2**31, 2**32 - 1]))
        text = text[:at] + size.to_bytes(4, "little") + text[at + 4 :]
    elif kind == "damaged":
        duration_s, text = None, draw(damaged_text(text))
    command = draw(st.sampled_from(_COMMANDS if kind != "whole" else _COMMANDS[:1]))
    cut = otio_values.of_media("s.wav", draw(st.integers(1, 24)), kind="Audio")
    return Case(format="wav", files={"s.wav": text, "cut.otio": cut}, commands=(command,), duration_s=duration_s)


def riff(chunks: list[tuple[bytes, bytes]], *, rf64: bool = False) -> bytes:
    """Return a file of chunks, each padded to an even length; an RF64 file has its sizes in ds64 (EBU Tech 3306)."""
    body = b"".join(_chunk(name, content, rf64=rf64) for name, content in chunks)
    if not rf64:
        return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body
    data = next((len(content) for name, content in chunks if name == b"data"), 0)
    sizes = struct.pack("<QQQI", 4 + 36 + len(body), data, 0, 0)
    return b"RF64" + b"\xff" * 4 + b"WAVE" + _chunk(b"ds64", sizes) + body


def _chunk(name: bytes, content: bytes, *, rf64: bool = False) -> bytes:
    size = 2**32 - 1 if rf64 and name == b"data" else len(content)
    return name + struct.pack("<I", size) + content + b"\0" * (len(content) % 2)


def _format(rate: int, channels: int, width: int) -> bytes:
    block = channels * width
    plain = struct.pack("<HHIIHH", _PCM, channels, rate, rate * block, block, 8 * width)
    if channels <= 2 and width <= 2:
        return plain
    mask = (1 << channels) - 1
    tail = struct.pack("<HHIH", 22, 8 * width, mask, _PCM) + _GUID_TAIL
    return struct.pack("<H", _EXTENSIBLE) + plain[2:] + tail


@st.composite
def _odd_formats(draw: st.DrawFn) -> bytes:
    tag = draw(st.sampled_from([0, _PCM, 2, _FLOAT, 6, 7, 0x11, 0x55, _EXTENSIBLE, 0xFFFF]))
    channels = draw(st.sampled_from([0, 1, 2, 255, 256, 65535]))
    rate = draw(st.sampled_from([0, 1, 7, 16000, 48000, 2**31, 2**32 - 1]))
    block = draw(st.sampled_from([0, 1, 2, 65535]))
    bits = draw(st.sampled_from([0, 1, 8, 12, 16, 24, 32, 64, 255]))
    rest = draw(st.just(b"") | st.binary(max_size=30))
    return struct.pack("<HHIIHH", tag, channels, rate, rate * max(1, block) % 2**32, block, bits) + rest


@st.composite
def _others(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Return a chunk beside the sound: those that stems have, whole or not."""
    kind = draw(st.sampled_from([b"bext", b"iXML", b"cue ", b"LIST", b"smpl", b"JUNK", b"fact", b"axml", b"\0\0\0\0"]))
    if kind == b"bext":
        stamp = draw(st.sampled_from([0, 172800000, 2**63, 2**64 - 1]))
        return kind, b"\0" * 338 + struct.pack("<QH", stamp, 1) + b"\0" * draw(st.sampled_from([0, 254, 400]))
    if kind == b"iXML":
        return kind, draw(st.sampled_from([b"<BWFXML><PROJECT>p</PROJECT></BWFXML>", b"<BWFXML>", b"<" * 999]))
    if kind == b"cue ":
        count = draw(st.sampled_from([0, 1, 2, 2**32 - 1]))
        return kind, struct.pack("<I", count) + struct.pack("<II4sIII", 1, 9, b"data", 0, 0, 9)
    if kind == b"LIST":
        labels = struct.pack("<I", 1) + b"hit\0"
        return kind, b"adtl" + draw(st.sampled_from([_chunk(b"labl", labels), b"labl\xff\xff\xff\xff", b""]))
    return kind, draw(st.binary(max_size=40))
