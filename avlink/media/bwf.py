"""Broadcast Wave files: 24-bit PCM with bext v2, iXML and cue points; RF64 beyond 4 GiB.

Not written by libavformat, whose bext is version 1 in raw UTF-8, without iXML or cue points, and whose 24-bit PCM is
WAVE_FORMAT_EXTENSIBLE, which many readers refuse.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from avlink.core.errors import AvlinkError, MediaError
from avlink.core.values import SoundSource
from avlink.media.broadcast import Bext, BroadcastInfo, CuePoint, from_ixml, pack_bext, to_ixml, unpack_bext
from avlink.media.wave import PCM, RIFF_LIMIT_BYTES, SIZE_IN_DS64, chunk, write_wave

_BYTES_A_SAMPLE = 3
_FULL_SCALE = 1 << 23


@dataclass(frozen=True, slots=True, kw_only=True)
class BwfInfo:
    """Format and metadata of a Broadcast Wave file: `info` as it was written, `bext` as stored in the file."""

    sample_rate: int
    channels: int
    bits: int
    num_samples: int
    is_rf64: bool
    bext: Bext
    info: BroadcastInfo


def write_bwf(path: Path, sound: SoundSource, info: BroadcastInfo, *, riff_limit_bytes: int = RIFF_LIMIT_BYTES) -> None:
    """Write `sound` as 24-bit PCM Broadcast Wave at its own rate; equal input gives equal bytes.

    Samples are rounded to the nearest step and clipped at full scale. Files beyond `riff_limit_bytes` become RF64.

    Raises AvlinkError if a sample is not finite, OutputError if the file cannot be written.
    """
    described = {"sample_rate": sound.sample_rate, "channels": sound.channels}
    write_wave(
        path,
        sound,
        _to_pcm,
        format_tag=PCM,
        bytes_a_sample=_BYTES_A_SAMPLE,
        before=chunk(b"bext", pack_bext(info, **described)),
        after=chunk(b"iXML", to_ixml(info, **described)) + _cue_chunks(info.cues),
        riff_limit_bytes=riff_limit_bytes,
    )


def read_bwf_info(path: Path) -> BwfInfo:
    """Read format and metadata of a Broadcast Wave file, without its samples.

    Raises MediaError if it is no RIFF or RF64 wave file, or lacks a fmt, data or bext chunk.
    """
    try:
        with path.open("rb") as file:
            chunks = dict(_read_chunks(file))
            is_rf64 = "ds64" in chunks
    except (OSError, struct.error, ValueError) as error:
        raise MediaError(f"'{path}' is no wave file that can be read: {error}") from error
    missing = [name for name in ("fmt ", "data", "bext") if name not in chunks]
    if missing:
        raise MediaError(f"'{path}' is no Broadcast Wave file: it has no '{missing[0].strip()}' chunk")
    try:
        _tag, channels, sample_rate, _rate, frame_bytes, bits = struct.unpack_from("<HHIIHH", chunks["fmt "])
        bext = unpack_bext(chunks["bext"])
        info = from_ixml(chunks.get("iXML", b"<BWFXML/>"), bext, _read_cues(chunks))
    except (struct.error, ValueError) as error:
        raise MediaError(f"'{path}' is a damaged Broadcast Wave file: {error}") from error
    (data_bytes,) = struct.unpack("<Q", chunks["data"])
    return BwfInfo(
        sample_rate=sample_rate,
        channels=channels,
        bits=bits,
        num_samples=data_bytes // max(1, frame_bytes),
        is_rf64=is_rf64,
        bext=bext,
        info=info,
    )


def _to_pcm(samples: NDArray[np.float32]) -> bytes:
    if not np.isfinite(samples).all():
        raise AvlinkError("the sound holds values that are no numbers; nothing is written, for it would be noise")
    steps = np.clip(np.rint(samples.T.astype(np.float64) * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
    # numpy has no 24-bit integers: little-endian 32-bit words without their highest byte are the same bytes.
    words = np.ascontiguousarray(steps, dtype="<i4").view(np.uint8).reshape(-1, 4)
    return words[:, :_BYTES_A_SAMPLE].tobytes()


def _cue_chunks(cues: tuple[CuePoint, ...]) -> bytes:
    """Return cue points and their texts (Multimedia Programming Interface and Data Specifications 1.0).

    Section "Cue-Points Chunk": without a playlist and in one data chunk of PCM, both positions are samples from its
    start, and the offsets of chunk and block are 0.
    """
    if not cues:
        return b""
    numbered = list(enumerate(cues, start=1))
    points = struct.pack("<I", len(cues))
    for number, cue in numbered:
        points += struct.pack("<II4sIII", number, cue.position_samples, b"data", 0, 0, cue.position_samples)
    texts = [(b"labl", number, cue.label) for number, cue in numbered]
    # All labels before the first note: FFmpeg and libsndfile read labels up to the first chunk of another kind.
    texts += [(b"note", number, cue.note) for number, cue in numbered if cue.note]
    listed = b"".join(
        chunk(name, struct.pack("<I", number) + text.encode("utf-8") + b"\0") for name, number, text in texts
    )
    return chunk(b"cue ", points) + chunk(b"LIST", b"adtl" + listed)


def _read_chunks(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield names and bodies of all chunks; the body of "data" is its size as 8 bytes, a list is named by its form."""
    form, _size, kind = struct.unpack("<4sI4s", file.read(12))
    if form not in (b"RIFF", b"RF64") or kind != b"WAVE":
        raise ValueError("it does not begin as RIFF or RF64 WAVE")
    long_data_bytes = 0
    while len(header := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            size = long_data_bytes if size == SIZE_IN_DS64 else size
            yield "data", struct.pack("<Q", size)
            file.seek(size + size % 2, os.SEEK_CUR)
            continue
        body = file.read(size)
        file.read(size % 2)
        if name == b"ds64":
            (long_data_bytes,) = struct.unpack_from("<Q", body, 8)
        # Named by form, because other programs add a second LIST of titles and dates.
        yield (body[:4] if name == b"LIST" else name).decode("latin-1"), body


def _read_cues(chunks: dict[str, bytes]) -> tuple[CuePoint, ...]:
    points, labels = chunks.get("cue ", b"\0\0\0\0"), chunks.get("adtl", b"")
    texts: dict[tuple[bytes, int], str] = {}
    at = 4
    while at + 12 <= len(labels):
        name, size, number = struct.unpack_from("<4sII", labels, at)
        texts[name, number] = labels[at + 12 : at + 8 + size].split(b"\0")[0].decode("utf-8", "replace")
        at += 8 + size + size % 2
    (count,) = struct.unpack_from("<I", points)
    found = (struct.unpack_from("<II", points, 4 + 24 * index) for index in range(count))
    return tuple(
        CuePoint(
            position_samples=position,
            label=texts.get((b"labl", number), ""),
            note=texts.get((b"note", number), ""),
        )
        for number, position in found
    )
