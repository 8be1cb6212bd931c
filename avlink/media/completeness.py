"""Checking that a media file is complete to its last packet, by reading all of it without decoding.

A file that opens may still be incomplete. With its index in front it opens at its full length from the first megabytes
on; preallocated by a copy program it holds zeros where pictures will be. So packets are read to the end and compared
with the declared length. Weaker signs, such as a container that ends before its declared size, are reported apart: an
interrupted recording looks like a copy in progress, and only time tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error
from av.container import InputContainer
from av.packet import Packet

from avlink.core.errors import MediaError
from avlink.media.container import find_video, open_input
from avlink.media.probe import probe

# Formats with their length in the header; elsewhere libav estimates it from what it finds.
_HAS_DECLARED_LENGTH = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mxf"})
# In uncompressed codecs a packet of zeros is a black picture.
_UNCOMPRESSED = ("rawvideo", "v210", "v410", "r210", "wrapped_avframe", "yuv4", "qtrle", "bmp")
# The last picture may last longer than its packet says, and sound ends with its last block.
_SLACK_S = Fraction(1)
_SLACK = Fraction(1, 50)
_PACKETS_PER_CALLBACK = 2000
# Plain packets, Blu-ray's with a timestamp in front, and broadcast's with error correction behind.
_TRANSPORT_PACKETS = (188, 192, 204)
_SEGMENT = bytes.fromhex("18538067")
_TAIL_BYTES = 188
_MOST_BOXES = 1_000_000


def check_whole(path: Path, *, on_part: Callable[[float], None] | None = None) -> str | None:
    """Read a media file to its end. Return a sentence on why more of it may still come, or None.

    `on_part` is called now and then with the seconds of media read so far. Raises MediaError for a file that cannot be
    opened (see `probe`) or is incomplete: packets break off, the declared length is not reached, or a picture is all
    zeros, as in a preallocated file.
    """
    probe(path)
    with open_input(path) as container:
        reached = _read_all(path, container, on_part)
        declared, format_name = _declared_s(container), container.format.name
    if declared is not None and reached < declared - max(_SLACK_S, declared * _SLACK):
        raise MediaError(
            f"'{path}' breaks off at {float(reached):.1f} s, and says that it is {float(declared):.1f} s long; "
            "copy or render it again"
        )
    return ends_early(path, format_name)


def ends_early(path: Path, format_name: str) -> str | None:
    """Return a sentence if a file of libav's format `format_name` ends before its declared end, or in zeros; else None.

    Reads the headers of outermost parts only, and proves nothing: players accept a file without its last kilobyte.
    Raises OSError if the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        end = next((_DECLARED_END[part](file, size) for part in format_name.split(",") if part in _DECLARED_END), size)
        if end > size:
            return f"'{path}' ends in the middle of a part"
        if format_name in _NEVER_ENDS_IN_ZEROS:
            file.seek(max(0, size - _TAIL_BYTES))
            if not file.read().strip(b"\0"):
                return f"the end of '{path}' is empty"
    return None


def _read_all(path: Path, container: InputContainer, on_part: Callable[[float], None] | None) -> Fraction:
    """Return the seconds from the start of the file to the end of its last packet."""
    start = Fraction(container.start_time or 0, av.time_base)
    video = find_video(container)
    checked = None if video is None or _is_uncompressed(video) else video.index
    end, count = start, 0
    try:
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                length = (packet.duration or 0) * Fraction(packet.time_base)
                end = max(end, packet.pts * Fraction(packet.time_base) + length)
            if packet.stream_index == checked and packet.size and _is_all_zeros(packet):
                raise MediaError(
                    f"the picture of '{path}' at {float(end - start):.1f} s is empty, as of a file that is still being "
                    "filled; copy it again"
                )
            count += 1
            if on_part is not None and count % _PACKETS_PER_CALLBACK == 0:
                on_part(float(end - start))
    except av.error.FFmpegError as error:
        raise MediaError(
            f"'{path}' breaks off at {float(end - start):.1f} s ({error.strerror}); copy or render it again"
        ) from error
    return end - start


def _declared_s(container: InputContainer) -> Fraction | None:
    if container.format.name not in _HAS_DECLARED_LENGTH or not container.duration:
        return None
    return Fraction(container.duration, av.time_base)


def _is_uncompressed(stream: Any) -> bool:
    context = stream.codec_context
    return context is None or context.name.startswith(_UNCOMPRESSED)


def _is_all_zeros(packet: Packet[Any]) -> bool:
    content = memoryview(packet)
    # Nearly every packet differs from zero in its first bytes, which saves copying it.
    return not any(content[:64]) and not bytes(content).strip(b"\0")


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Return the end of the last box (ISO 14496-12): each has its size in front; size 0 reaches to the end of file."""
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
            # Zeros where a box should begin; QuickTime files may end in one zero word.
            return at if size - at <= 8 else size + 1
        if length < 8:
            break
        at += length
    return at


def _segment_end(file: BinaryIO, size: int) -> int:
    """Return the end of Matroska's segment; that of live recordings is unknown, and taken as the end of the file."""
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
    """Return the end of the first RIFF chunk; further ones (OpenDML) are not checked."""
    head = file.read(12)
    length = int.from_bytes(head[4:8], "little")
    return 8 + length if head[:4] == b"RIFF" and length not in (0, 0xFFFFFFFF) else size


def _transport_end(file: BinaryIO, size: int) -> int:
    return size if any(size % packet == 0 for packet in _TRANSPORT_PACKETS) else size + 1


def _flash_end(file: BinaryIO, size: int) -> int:
    """Return the end of FLV's last tag, whose length is repeated behind it."""
    file.seek(max(0, size - 4))
    length = int.from_bytes(file.read(4), "big")
    if not 11 <= length <= size - 4:
        return size + 1
    file.seek(size - 4 - length)
    head = file.read(4)
    return size if head[0] & 0x1F in (8, 9, 18) and int.from_bytes(head[1:4], "big") == length - 11 else size + 1


_DECLARED_END: Mapping[str, Callable[[BinaryIO, int], int]] = {
    "mp4": _boxes_end,
    "matroska": _segment_end,
    "avi": _riff_end,
    "wav": _riff_end,
    "mpegts": _transport_end,
    "flv": _flash_end,
}
_NEVER_ENDS_IN_ZEROS = frozenset({"mpegts", "mpeg", "flv", "matroska,webm", "avi", "ogg"})
