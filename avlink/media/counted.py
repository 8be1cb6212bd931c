"""Times of pictures by their order, for containers that do not give each picture its own.

A raw stream has no times. AVI counts pictures in the order of decoding, which is not the order of display. An MPEG
program stream gives a time to the first picture that begins in a packet, and its reader sometimes takes the next one
for it. In all three the order is certain: the n-th picture shown takes the n-th moment of the stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from avlink.media.container import end_of

_PROGRAM_STREAM, _AVI = "mpeg", "avi"
# AVFMT_NOTIMESTAMPS: raw streams, for which libav invents times.
_WITHOUT_TIMES = 0x80
# Times of program streams within this many pictures of the count are taken for it; beyond, the recording has a hole.
_JITTER = 4
# Pictures that precede a key picture in display and follow it in the file; codecs allow 16 at most.
_MOST_REORDERED = 16
_MOST_BYTES_WAITING = 64 << 20


def is_counted(stream: VideoStream) -> bool:
    """Return whether the pictures of a stream are timed by their order and not by their time stamps."""
    container = stream.container
    name = container.format.name
    if name == _AVI:
        return bool(stream.codec_context.has_b_frames)
    return name == _PROGRAM_STREAM or bool(container.format.flags & _WITHOUT_TIMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A packet with its number from the first key picture on, and a moment at which one of the pictures is shown."""

    packet: Packet[Any]
    number: int
    at_s: Fraction
    lasts_s: Fraction


def moments(
    container: InputContainer, packets: Iterable[Packet[Any]], *, rate: Fraction, start_s: Fraction
) -> Iterator[Moment]:
    """Yield the packets of a counted stream from its first key picture on; moments rise from 0.

    `start_s` is the container time of the first picture that can be decoded. In a recording that was cut, those before
    refer to pictures that are not there. Raises what `packets` raises.
    """
    by_clock = container.format.name in (_PROGRAM_STREAM, _AVI)
    jitter_s = _JITTER / rate if container.format.name == _PROGRAM_STREAM else Fraction(0)
    expected_s, number = Fraction(0), 0
    base_s: Fraction | None = None
    # Of a closed group even the pictures shown before its key picture can be decoded.
    lost, is_closed = True, False
    for packet in packets:
        if not packet.size or (number == 0 and not packet.is_keyframe):
            continue
        if number == 0:
            is_closed = _is_closed_group(packet)
        elif lost:
            early = packet.pts is not None and packet.pts * Fraction(packet.time_base) < start_s
            lost = early or (not is_closed and _is_mpeg_b_picture(packet))
            if lost:
                continue
        lasts_s = _lasts(packet, rate)
        at_s = expected_s
        if by_clock and packet.dts is not None:
            said_s = packet.dts * Fraction(packet.time_base)
            base_s = said_s - at_s if base_s is None else base_s
            # A clock that starts again, as between the chapters of a disc, is no time.
            if said_s - base_s > at_s + jitter_s:
                at_s = said_s - base_s
        yield Moment(packet=packet, number=number, at_s=at_s, lasts_s=lasts_s)
        expected_s, number = at_s + lasts_s, number + 1


def counted_length(found: Iterable[Moment]) -> Fraction | None:
    """Return the length of a counted stream in seconds by reading all of it; None if it has no key picture."""
    last = deque(found, maxlen=1)
    return last[0].at_s + last[0].lasts_s if last else None


def counted_frames(
    stream: VideoStream,
    found: Iterator[Moment],
    decode: Callable[[Iterator[Packet[Any]]], Iterator[VideoFrame]],
    *,
    start_s: Fraction,
) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Yield decoded pictures with their times; the first is at or before `start_s`, except in a video that is later.

    All packets are read, but only those from two key pictures before `start_s` on are decoded: with the first of them
    the pictures around the second have all that they refer to. `decode` gives the frames of packets, with the
    presentation times of the packets.
    """
    head = next(found, None)
    if head is None:
        return
    waiting, first = _skip(chain([head], found), start_s)
    times: deque[Fraction] = deque()
    if stream.codec_context.name == "mpeg4" and waiting[0] is not head:
        # The first picture alone may tell that two are packed into one (DivX), which changes how all are read.
        waiting.appendleft(head)

    def numbered() -> Iterator[Packet[Any]]:
        while waiting:
            yield from _numbered(waiting.popleft(), times, first)
        for moment in found:
            yield from _numbered(moment, times, first)
        yield end_of(stream)

    # Pictures shown before that of number `first` belong to the group before, or are shown ahead of it: they follow it
    # in the file, and take the moments before its own.
    settled = not first
    for frame in decode(numbered()):
        number = -1 if frame.pts is None else frame.pts
        if not settled and number < first:
            continue
        at_s = times.popleft() if times else None
        if at_s is None:
            return
        settled = settled or number == first
        if settled:
            yield frame, at_s


def _skip(found: Iterator[Moment], start_s: Fraction) -> tuple[deque[Moment], int]:
    """Read up to `start_s`. Return what must be decoded, and the number of the key picture from which times count."""
    waiting: deque[Moment] = deque()
    first = second = 0
    size = 0
    for moment in found:
        waiting.append(moment)
        size += moment.packet.size
        if moment.packet.is_keyframe and moment.at_s + _MOST_REORDERED * moment.lasts_s <= start_s:
            first, second = second, moment.number
            while waiting[0].number < first:
                size -= waiting.popleft().packet.size
        if moment.at_s > start_s or size > _MOST_BYTES_WAITING:
            break
    return waiting, second


def _numbered(moment: Moment, times: deque[Fraction], first: int) -> Iterator[Packet[Any]]:
    """Yield a packet with its number in place of its times, so that its frame can be told."""
    if moment.number >= first:
        times.append(moment.at_s)
    moment.packet.pts = moment.packet.dts = moment.number
    yield moment.packet


def _is_closed_group(packet: Packet[Any]) -> bool:
    """Return the closed_gop flag of a group_of_pictures_header (ISO 13818-2, 6.2.2.6); True without one."""
    data = bytes(packet) if _is_mpeg(packet) else b""
    at = data.find(b"\0\0\1\xb8")
    return at < 0 or at + 7 >= len(data) or bool(data[at + 7] & 0x40)


def _is_mpeg_b_picture(packet: Packet[Any]) -> bool:
    """Return whether an MPEG-1 or MPEG-2 picture is coded from two others (ISO 13818-2, 6.3.9: type 3)."""
    data = bytes(packet) if _is_mpeg(packet) else b""
    at = data.find(b"\0\0\1\0")
    return 0 <= at < len(data) - 5 and data[at + 5] >> 3 & 7 == 3


def _is_mpeg(packet: Packet[Any]) -> bool:
    context = packet.stream.codec_context
    return context is not None and context.name in ("mpeg1video", "mpeg2video")


def _lasts(packet: Packet[Any], rate: Fraction) -> Fraction:
    """Return the time of a picture in whole fields: soft telecine shows some for three fields, others for two."""
    if packet.duration and packet.time_base:
        fields = round(packet.duration * Fraction(packet.time_base) * rate * 2)
        if 2 <= fields <= 6:
            return fields / (2 * rate)
    return 1 / rate
