"""The chunks of WAV, BWF, RF64, AIFF and FLAC files that describe the sound, without the sound itself."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

MOST_BYTES = 1 << 20
"""Longer chunks are passed over: a description has some kilobytes."""

_MOST_CHUNKS = 4096
_WANTED = frozenset((b"bext", b"iXML", b"LIST", b"smpl", b"NAME", b"AUTH", b"(c) ", b"ANNO"))
_SIZE_IN_DS64 = 0xFFFFFFFF
_FLAC_APPLICATION = 2


def read_chunks(path: Path) -> tuple[tuple[str, bytes], ...]:
    """Return names and bodies of the chunks that describe a sound; as many as can be read of a damaged file.

    A list of INFO is named "INFO". Other formats than those above have none. Raises OSError.
    """
    found: list[tuple[str, bytes]] = []
    with path.open("rb") as file, suppress(struct.error, ValueError):
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:] == b"WAVE":
            found.extend(_chunks(file, "<", b"data"))
        elif head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            found.extend(_chunks(file, ">", b""))
        elif head[:4] == b"fLaC":
            file.seek(4)
            found.extend(_flac_chunks(file))
    return tuple(found)


def info_texts(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield names, such as "INAM", and texts of a list of INFO."""
    at = 4
    while at + 8 <= len(body):
        name, size = struct.unpack_from("<4sI", body, at)
        yield name.decode("latin-1"), decode_text(body[at + 8 : at + 8 + size])
        at += 8 + size + size % 2


def decode_text(body: bytes) -> str:
    """Return a text that ends at its first NUL: UTF-8, or else in the code page of Western Windows."""
    body = body.split(b"\0")[0].strip()
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def _chunks(file: IO[bytes], order: str, sound: bytes) -> Iterator[tuple[str, bytes]]:
    sound_bytes = 0
    for _ in range(_MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return
        name, size = struct.unpack(f"{order}4sI", header)
        if name == b"ds64":
            body = file.read(size)
            (sound_bytes,) = struct.unpack_from("<Q", body, 8)
            continue
        if name == sound and size == _SIZE_IN_DS64:
            size = sound_bytes
        if name in _WANTED and size <= MOST_BYTES:
            body = file.read(size)
            if name != b"LIST":
                yield name.decode("latin-1"), body
            elif body[:4] == b"INFO":
                yield "INFO", body
            file.seek(size % 2, os.SEEK_CUR)
        else:
            file.seek(size + size % 2, os.SEEK_CUR)


def _flac_chunks(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the chunks that `flac --keep-foreign-metadata` keeps of a WAV file."""
    for _ in range(_MOST_CHUNKS):
        header = file.read(4)
        if len(header) < 4:
            return
        size = int.from_bytes(header[1:], "big")
        body = file.read(size) if header[0] & 0x7F == _FLAC_APPLICATION and size <= MOST_BYTES else b""
        if not body:
            file.seek(size, os.SEEK_CUR)
        elif body[:4] == b"riff" and body[4:8] in _WANTED:
            name, inner = body[4:8], body[12:]
            if name != b"LIST" or inner[:4] == b"INFO":
                yield ("INFO" if name == b"LIST" else name.decode("latin-1")), inner
        if header[0] & 0x80:
            return
