"""Decoding spans of video into upright RGB pictures of one size with square pixels, with exact times.

Media time 0 is the first picture. Pictures are scaled by area averaging, against aliasing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from avlink.core.errors import MediaError
from avlink.core.values import ImageSequence
from avlink.media.alpha import alpha_decoder
from avlink.media.container import find_video, from_key_picture, open_input, read_packets
from avlink.media.counted import Moment, counted_frames, is_counted, moments
from avlink.media.images import decode_images
from avlink.media.probe import VideoInfo, check_visible, picture_time, read_video_info
from avlink.media.scale import DecodedPicture, Scaler

_SEEK_BEYOND_S = 2
# Formats in which packets have the same times after a seek as in a file that is read through.
_SEEKS_EXACTLY = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mxf", "avi", "asf", "nut", "dv"})
# Steps back from the wanted time, tried in order while the index leads to a key picture beyond it.
_SEEK_MARGINS_S = (0, 2, 10, 60)


def decode_pictures(
    path: Path | ImageSequence, *, start_s: Fraction, stop_s: Fraction, width: int, height: int, matte: bool = False
) -> Iterator[DecodedPicture]:
    """Yield the pictures shown in [start_s, stop_s) of media time, in order and without holes.

    Each is fitted into width x height: stretched where the shapes differ by up to 15 %, else with black bars. The first
    is the picture shown at `start_s`, which may begin before. Pictures end early where the video does; if that is
    before `start_s`, its last picture alone is given. With `matte` their alpha channels are given as grey levels, 255
    where a picture is opaque.

    Raises MediaError if the file cannot be opened, has no picture, or is damaged on the way (with the time reached).
    """
    if isinstance(path, ImageSequence):
        yield from decode_images(path, start_s=start_s, stop_s=stop_s, width=width, height=height, matte=matte)
        return
    with open_input(path) as container:
        info = read_video_info(path, container, _video(path, container))
    check_visible(path, info)
    scaler = Scaler(info, width=width, height=height, matte=matte)
    held: VideoFrame | None = None
    held_from = Fraction(0)
    with open_input(path) as container:
        for frame, time_s in _frames_from(path, container, info, start_s, matte=matte):
            if held is not None and time_s <= held_from:
                # Timestamps that step back: the picture before stays.
                continue
            if held is not None and time_s > start_s:
                yield DecodedPicture(pixels=scaler.scale(held), begin_s=held_from, end_s=time_s)
            held, held_from = frame, time_s
            if held_from >= stop_s:
                return
        if held is not None:
            yield DecodedPicture(pixels=scaler.scale(held), begin_s=held_from, end_s=held_from + _shown_for(held, info))


def counted_order(path: Path, info: VideoInfo) -> tuple[dict[int, Fraction], Fraction]:
    """Return when each picture of a counted stream (`is_counted`) is shown, in seconds by the number of its packet.

    With it comes the longest time by which one is shown before the moment of its packet. All of the film is decoded.
    Raises MediaError if it is damaged.
    """
    shown: dict[int, Fraction] = {}
    stored: dict[int, Fraction] = {}
    with open_input(path) as container:
        stream = _video(path, container)
        stream.thread_type = "AUTO"

        def noted() -> Iterator[Moment]:
            for moment in moments(container, read_packets(container, stream), rate=info.rate, start_s=info.start_s):
                stored[moment.number] = moment.at_s
                yield moment

        decode = partial(_decode, path, time_of=lambda frame: None, decoder=None)
        for frame, at_s in counted_frames(stream, noted(), decode, start_s=Fraction(0)):
            shown[frame.pts or 0] = at_s
    early_s = max((stored[number] - at_s for number, at_s in shown.items()), default=Fraction(0))
    return shown, max(early_s, Fraction(0))


def _video(path: Path, container: InputContainer) -> VideoStream:
    stream = find_video(container)
    if stream is None:
        raise MediaError(f"'{path}' has no picture; name a file with video")
    return stream


def _shown_for(frame: VideoFrame, info: VideoInfo) -> Fraction:
    declared = (frame.duration or 0) * Fraction(frame.time_base or 0)
    return max(declared, 1 / info.rate)


def _frames_from(
    path: Path, container: InputContainer, info: VideoInfo, start_s: Fraction, *, matte: bool
) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Yield decoded frames with their media times; the first is at or before `start_s` wherever the video allows."""
    stream = _video(path, container)
    stream.thread_type = "AUTO"
    if is_counted(stream):
        found = moments(container, read_packets(container, stream), rate=info.rate, start_s=info.start_s)
        decode = partial(_decode, path, time_of=lambda frame: None, decoder=None)
        yield from counted_frames(stream, found, decode, start_s=start_s)
        return
    for margin_s in _SEEK_MARGINS_S if container.format.name in _SEEKS_EXACTLY else ():
        wanted_s = start_s - margin_s
        if wanted_s <= _SEEK_BEYOND_S or stream.time_base is None:
            break
        try:
            container.seek(int((info.start_s + wanted_s) / stream.time_base), stream=stream, backward=True)
        except av.error.FFmpegError:
            break
        decoder = alpha_decoder(stream) if matte else None
        frames = _after_key_picture(_timed(path, read_packets(container, stream), info, decoder))
        first = next(frames, None)
        if first is not None and first[1] <= start_s:
            yield first
            yield from frames
            return
    # No usable index: read from the beginning in a fresh container, because not every format can seek back.
    with open_input(path) as fresh:
        stream = _video(path, fresh)
        stream.thread_type = "AUTO"
        decoder = alpha_decoder(stream) if matte else None
        packets = from_key_picture(read_packets(fresh, stream), info.start_s + start_s)
        yield from _timed(path, packets, info, decoder)


def _after_key_picture(frames: Iterator[tuple[VideoFrame, Fraction]]) -> Iterator[tuple[VideoFrame, Fraction]]:
    # After a seek, the leading pictures of an open GOP lack their references and decode to garbage.
    found = False
    for item in frames:
        found = found or item[0].key_frame
        if found:
            yield item


def _timed(
    path: Path, packets: Iterator[Packet[Any]], info: VideoInfo, decoder: VideoCodecContext | None
) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Yield decoded frames with their media times; one without a time follows the frame before it."""
    reached = Fraction(0)

    def time_of(frame: VideoFrame) -> Fraction | None:
        time_s = picture_time(frame)
        return None if time_s is None else time_s - info.start_s

    for frame in _decode(path, packets, time_of=time_of, decoder=decoder):
        time_s = time_of(frame)
        media_s = reached if time_s is None else time_s
        reached = media_s + _shown_for(frame, info)
        yield frame, media_s


def _decode(
    path: Path,
    packets: Iterator[Packet[Any]],
    *,
    time_of: Callable[[VideoFrame], Fraction | None],
    decoder: VideoCodecContext | None,
) -> Iterator[VideoFrame]:
    """Yield the frames of packets, by a `decoder` other than that of their stream where one is given."""
    found, reached = False, None
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else _decoded(packet, decoder)
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            if not found and isinstance(error, av.error.InvalidDataError):
                continue
            where = "its start" if reached is None else f"{float(reached):.3f} s"
            raise MediaError(
                f"the picture of '{path}' is damaged: decoding stopped after {where}; copy or render it again"
            ) from error
        if packet is None:
            return
        for frame in frames:
            found, reached = True, time_of(frame) or reached
            yield frame


def _decoded(packet: Packet[Any], decoder: VideoCodecContext | None) -> Sequence[VideoFrame]:
    if decoder is None:
        return packet.decode()
    return decoder.decode(packet if packet.size else None)
