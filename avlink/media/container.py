"""Opening media files for reading, with every failure in one sentence. Decodes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import av.error
import av.format
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from avlink.core.errors import MediaError
from avlink.core.input_files import check_regular
from avlink.core.limits import PICTURE_PIXELS, STREAMS

_MOST_BYTES_WAITING = 64 << 20
_WILD_S = 10
# Formats of libav whose files name other files or addresses, which it opens: what a user named is read, and no more.
_OPEN_OTHERS = frozenset(
    {"concat", "dash", "hls", "imf", "rtp", "rtsp", "sap", "sdp", "vobsub", "webm_dash_manifest"}
    # Scripts and devices.
    | {"avisynth", "lavfi", "vapoursynth"}
)
_PLAYLISTS = (
    (b"ffconcat version", "a concat script"),
    (b"#EXTM3U", "a playlist (M3U)"),
    (b"[playlist]", "a playlist (PLS)"),
    (b"v=0", "a description of a stream (SDP)"),
)
_XML_PLAYLISTS = ((b"<MPD", "a playlist (DASH)"), (b"<CompositionPlaylist", "a playlist (IMF)"))


@contextmanager
def open_input(path: Path) -> Iterator[InputContainer]:
    """Open a media file for reading.

    Raises MediaError if it is missing, a folder, empty, unreadable, truncated before its index, or no media at all.
    """
    _check_regular_file(path)
    _check_no_playlist(path)
    try:
        # libav would take relative names such as "pipe:1" or "concat:a|b" for protocols; absolute ones are files.
        # Without `metadata_errors`, tags that are not UTF-8 make the whole file unreadable.
        container = av.open(os.path.abspath(path), "r", metadata_errors="ignore", options=_options())
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(_why_not_opened(path, error)) from error
    try:
        for stream in container.streams.video:
            if stream.codec_context is not None:
                # libav refuses larger pictures before it takes memory for them.
                stream.codec_context.options = {"max_pixels": str(PICTURE_PIXELS.most)}
        yield container
    finally:
        container.close()


def _options() -> dict[str, str]:
    """Return the options under which libav opens nothing but the file that it is given."""
    return {
        "protocol_whitelist": "file",
        "format_whitelist": _readable_formats(),
        # "shot.%04d.png" is the name of a file here; sequences are read picture by picture.
        "pattern_type": "none",
        "max_streams": str(STREAMS.most),
    }


@cache
def _readable_formats() -> str:
    """Return the names of the formats that libav may recognise, as it takes them."""
    names = set()
    for name in av.formats_available:
        try:
            names.add(av.format.ContainerFormat(name, "r").name)
        except ValueError:
            # It is only written.
            continue
    return ",".join(sorted(name for name in names if not _OPEN_OTHERS & set(name.split(","))))


def find_video(container: InputContainer) -> VideoStream | None:
    """Return the first stream of moving pictures; cover art and thumbnails do not count."""
    still = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
    for stream in container.streams.video:
        if not stream.disposition & still:
            return stream
    return None


def find_audio(container: InputContainer) -> AudioStream | None:
    """Return the first audio stream."""
    return container.streams.audio[0] if container.streams.audio else None


def read_packets(container: InputContainer, stream: AudioStream | VideoStream) -> Iterator[Packet[Any]]:
    """Yield the packets of one stream, and at the end an empty one, which makes a decoder give its last frames.

    A single packet whose time is far after that of the next one is damaged, and takes the time after the one before.
    Raises what libav raises.
    """
    before: int | None = None
    waiting: Packet[Any] | None = None
    for packet in _demuxed(container, stream):
        if waiting is not None:
            _repair_time(waiting, before, packet.dts)
            before = waiting.dts
            yield waiting
        waiting = packet
    if waiting is not None:
        yield waiting


def _demuxed(container: InputContainer, stream: AudioStream | VideoStream) -> Iterator[Packet[Any]]:
    packets = container.demux(stream)
    try:
        yield from packets
    except IndexError:
        # PyAV fails at the end of files in which libav found another stream on the way, as in FLV and program streams.
        yield end_of(stream)


def _repair_time(packet: Packet[Any], before: int | None, after: int | None) -> None:
    if packet.dts is None or after is None or before is None or packet.time_base is None:
        return
    if (packet.dts - after) * Fraction(packet.time_base) > _WILD_S:
        shift = before + max(1, packet.duration or 0) - packet.dts
        packet.dts, packet.pts = packet.dts + shift, None if packet.pts is None else packet.pts + shift


def end_of(stream: AudioStream | VideoStream) -> Packet[Any]:
    """Return the empty packet that makes a decoder give its last frames."""
    packet: Packet[Any] = Packet()
    packet.stream = stream
    return packet


def from_key_picture(packets: Iterable[Packet[Any]], time_s: Fraction) -> Iterator[Packet[Any]]:
    """Leave out the packets before the last but one key picture that is shown at container time `time_s` or before.

    For files without a usable index: packets are read, and not decoded. From the last but one, since pictures around a
    key picture refer to those before it, and those with periodic intra refresh are whole only after one period.

    Raises what `packets` raises.
    """
    earlier: list[Packet[Any]] = []
    waiting: list[Packet[Any]] = []
    size = 0
    rest = iter(packets)
    for packet in rest:
        if packet.is_keyframe and packet.pts is not None and packet.pts * Fraction(packet.time_base) <= time_s:
            earlier, waiting = waiting, []
            size = sum(one.size for one in earlier)
        waiting.append(packet)
        size += packet.size
        decoded_s = None if packet.dts is None else packet.dts * Fraction(packet.time_base)
        if size > _MOST_BYTES_WAITING or (decoded_s is not None and decoded_s > time_s):
            break
    yield from earlier
    yield from waiting
    yield from rest


def _check_regular_file(path: Path) -> None:
    check_regular(path, MediaError)
    try:
        is_dir, exists = path.is_dir(), path.exists()
        size = path.stat().st_size if exists else 0
    except (OSError, ValueError) as error:
        # Names that are too long or hold a NUL fail here already.
        raise MediaError(f"the media file '{path}' cannot be read: {error}") from error
    if is_dir:
        raise MediaError(f"'{path}' is a folder, not a media file; name a file inside it")
    if not exists:
        raise MediaError(f"the media file '{path}' does not exist; check the name or relink it")
    if size == 0:
        raise MediaError(f"the media file '{path}' is empty (zero bytes); copy or render it again")


def _check_no_playlist(path: Path) -> None:
    head = _head(path)
    found = [kind for mark, kind in _PLAYLISTS if head.lstrip().startswith(mark)]
    found += [kind for mark, kind in _XML_PLAYLISTS if mark in head]
    if found:
        raise MediaError(f"'{path}' is {found[0]}, which names other files or addresses; name the media file itself")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def _why_not_opened(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"the media file '{path}' may not be read by this user; change its permissions"
    head = _head(path)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return (
            f"the media file '{path}' is cut short: its index (the 'moov' box) is missing, "
            "as after an interrupted copy or recording; copy or render it again"
        )
    if head and not any(byte < 9 for byte in head):
        return f"'{path}' is a text file, not media, whatever its name says; check the link"
    return f"'{path}' is damaged or in no media format that can be read here; convert it, or copy it again"
