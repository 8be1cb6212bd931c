"""The outlines of containers: where a file says that it ends, against where it does.

Only the headers of the outermost parts are read. Nothing here is proof: players take a file without its last kilobyte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

# Also Blu-ray's with a time before each packet, and broadcast's with its checks behind.
_TRANSPORT_PACKETS = (188, 192, 204)
_SEGMENT = bytes.fromhex("18538067")
_TAIL_BYTES = 188
_MOST_BOXES = 1_000_000


def ends_early(path: Path, format_name: str) -> str | None:
    """A sentence if the file of libav's format `format_name` ends before it says, or in nothing; None if not.

    Raises OSError when it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        end = next((_END_OF[part](file, size) for part in format_name.split(",") if part in _END_OF), size)
        if end > size:
            return f"'{path}' ends in the middle of a part"
        if format_name in _NEVER_ENDS_IN_ZEROS:
            file.seek(max(0, size - _TAIL_BYTES))
            if not file.read().strip(b"\0"):
                return f"the end of '{path}' is empty"
    return None


def _boxes_end(file: BinaryIO, size: int) -> int:
    """ISO 14496-12: boxes to the end of the file, each with its size in front. One of no size reaches to the end."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at >= size:
            break
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if not head[4:8].strip(b"\0"):
            # Where a box should begin there is nothing yet; QuickTime files may end in one zero word.
            return at if size - at <= 8 else size + 1
        if length < 8:
            break
        at += length
    return at


def _segment_end(file: BinaryIO, size: int) -> int:
    """Matroska: one segment of known size behind the header; live recordings do not know theirs."""
    at = 0
    for _ in range(8):
        file.seek(at)
        head = file.read(12)
        id_length = 9 - head[0].bit_length() if head[:1] and head[0] else 0
        value = head[id_length:]
        if not id_length or not value or not value[0]:
            return size
        length = 9 - value[0].bit_length()
        content = int.from_bytes(value[:length], "big") - (1 << 7 * length)
        if content == (1 << 7 * length) - 1:
            return size
        at += id_length + length + content
        if head[:id_length] == _SEGMENT:
            return at
    return size


def _riff_end(file: BinaryIO, size: int) -> int:
    """RIFF: the size of the first chunk; further ones (OpenDML) are not looked at."""
    head = file.read(12)
    length = int.from_bytes(head[4:8], "little")
    return 8 + length if head[:4] == b"RIFF" and length not in (0, 0xFFFFFFFF) else size


def _transport_end(file: BinaryIO, size: int) -> int:
    return size if any(size % packet == 0 for packet in _TRANSPORT_PACKETS) else size + 1


def _flash_end(file: BinaryIO, size: int) -> int:
    """FLV: behind each tag stands how long it was."""
    file.seek(max(0, size - 4))
    length = int.from_bytes(file.read(4), "big")
    if not 11 <= length <= size - 4:
        return size + 1
    file.seek(size - 4 - length)
    head = file.read(4)
    return size if head[0] & 0x1F in (8, 9, 18) and int.from_bytes(head[1:4], "big") == length - 11 else size + 1


_END_OF: Mapping[str, Callable[[BinaryIO, int], int]] = {
    "mp4": _boxes_end,
    "matroska": _segment_end,
    "avi": _riff_end,
    "wav": _riff_end,
    "mpegts": _transport_end,
    "flv": _flash_end,
}
_NEVER_ENDS_IN_ZEROS = frozenset({"mpegts", "mpeg", "flv", "matroska,webm", "avi", "ogg"})
