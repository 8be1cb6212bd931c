"""Lengths of streams: by the container where it knows them, else by their packets; exact for pictures at one rate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from avlink.core.errors import MediaError
from avlink.media.container import find_video, open_input, read_packets
from avlink.media.counted import counted_length, is_counted, moments

# Streams without an index: libav guesses their length from the bit rate.
_GUESSED_BY_BIT_RATE = frozenset({"mp3", "aac", "ac3", "eac3", "dts", "loas", "amr", "amrnb", "amrwb"})
# Formats in which libav gives the length of the whole file as that of each stream, or that of the last time stamp.
_LENGTH_OF_THE_FILE = frozenset({"matroska,webm", "flv", "mpegts", "mpeg"})
_SEEKS_TO_THE_TAIL = frozenset({"matroska,webm", "mpegts", "ogg", "asf", "mov,mp4,m4a,3gp,3g2,mj2", "wav", "avi"})
# Edit lists and Matroska round to milliseconds, QuickTime to 1/600 s.
_ROUNDED_BY_S = Fraction(1, 500)


def stated_length(stream: VideoStream | AudioStream) -> Fraction | None:
    """Return the length of a stream in seconds by its container; None where that does not know it, or guesses."""
    name = stream.container.format.name
    if name in _GUESSED_BY_BIT_RATE | _LENGTH_OF_THE_FILE or not stream.time_base:
        return None
    length = stream.duration
    return length * Fraction(stream.time_base) if length and length > 0 else None


def picture_length(path: Path, stream: VideoStream, *, rate: Fraction, start_s: Fraction) -> Fraction:
    """Return the length of the pictures of `path` from the first on, which is shown at container time `start_s`.

    Lengths that are n pictures but for the rounding of the container are exactly n / rate. Packets are read where the
    container does not state the length. Raises MediaError if they carry no times.
    """
    length_s = None
    if is_counted(stream):
        length_s = _counted(path, rate=rate, start_s=start_s)
    elif not _is_cut_avi(stream):
        length_s = stated_length(stream)
    if length_s is None:
        length_s = _read_to_the_end(path, stream, start_s=start_s, shortest_s=1 / rate)
    whole_s = round(length_s * rate) / rate
    is_whole = whole_s > 0 and abs(whole_s - length_s) <= min(_ROUNDED_BY_S, 1 / (4 * rate))
    return whole_s if is_whole else length_s


def sound_length(path: Path, stream: AudioStream) -> Fraction:
    """Return the length of the sound of `path` in seconds. Raises MediaError if it is not found."""
    start_s = (stream.start_time or 0) * Fraction(stream.time_base or 0)
    length_s = stated_length(stream)
    return _read_to_the_end(path, stream, start_s=start_s, shortest_s=Fraction(0)) if length_s is None else length_s


def _is_cut_avi(stream: VideoStream) -> bool:
    """Return whether a file is an AVI without an index, or with a part of one: libav guesses its length."""
    if stream.container.format.name != "avi":
        return False
    entries = stream.index_entries
    return not len(entries) or entries[len(entries) - 1].timestamp + 1 < max(stream.frames, stream.duration or 0)


def _counted(path: Path, *, rate: Fraction, start_s: Fraction) -> Fraction | None:
    with open_input(path) as container:
        stream = find_video(container)
        if stream is None:
            return None
        return counted_length(moments(container, _readable(container, stream), rate=rate, start_s=start_s))


def _readable(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[Packet[Any]]:
    """Yield packets up to a fault: the length of a file that breaks off is that of its readable part."""
    with suppress(av.error.FFmpegError):
        yield from read_packets(container, stream)


def _read_to_the_end(
    path: Path, stream: VideoStream | AudioStream, *, start_s: Fraction, shortest_s: Fraction
) -> Fraction:
    # Reading the tail is enough where a file can seek; the last five seconds may hold no packet of a slow stream.
    for tail_s in (5, 60, None) if stream.container.format.name in _SEEKS_TO_THE_TAIL else (None,):
        with open_input(path) as container:
            end_s = _last_packet_end(container, stream.index, tail_s=tail_s, shortest_s=shortest_s)
        if end_s is not None:
            return max(end_s - start_s, Fraction(0))
    raise MediaError(f"the length of '{path}' cannot be found, for its packets carry no times; convert it")


def _last_packet_end(
    container: InputContainer, index: int, *, tail_s: int | None, shortest_s: Fraction
) -> Fraction | None:
    stream = container.streams[index]
    assert isinstance(stream, VideoStream | AudioStream)
    end_s: Fraction | None = None
    if tail_s is not None:
        if not container.duration:
            return None
        try:
            container.seek((container.start_time or 0) + max(0, container.duration - tail_s * av.time_base))
        except av.error.FFmpegError:
            return None
    for packet in _readable(container, stream):
        at = packet.dts if packet.pts is None else packet.pts
        if at is not None:
            # FLV gives each picture a duration of 1 ms, so the rate sets a lower bound.
            length_s = max((packet.duration or 0) * Fraction(packet.time_base), shortest_s)
            reached_s = at * Fraction(packet.time_base) + length_s
            end_s = reached_s if end_s is None else max(end_s, reached_s)
    return end_s
