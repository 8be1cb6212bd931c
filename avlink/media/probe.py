"""Probing media files: streams, rates, sizes and lengths, decoding at most one picture.

Media time 0 is the first picture of a file that has one, else its first sample of sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from statistics import median_low
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from avlink.core.clock import exact_rate
from avlink.core.errors import MediaError
from avlink.core.limits import SECONDS_A_KILOBYTE
from avlink.media.container import find_audio, find_video, open_input, read_packets
from avlink.media.dates import recorded_at
from avlink.media.length import picture_length, sound_length, stated_length

_SMALLEST_SIDE = 8
_ANY_SIZE_S = 600
_MOST_DIGITS = 20
_SANE_RATES = (Fraction(1, 10), Fraction(300))
_PACKETS_TO_MEASURE = 120
_COMMON_RATES = tuple(
    exact_rate(rate) for rate in (10, 12, 12.5, 15, 20, 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60, 90, 100, 120)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """Moving pictures, with their size in square pixels as shown, after rotation and pixel aspect.

    `rotation` is in degrees counter-clockwise, a multiple of 90, and already applied to `width` and `height`.
    `start_s` is the first picture's time in the container. `timecode` is the text of the start timecode, if any.
    """

    rate: Fraction
    width: int
    height: int
    rotation: int
    start_s: Fraction
    timecode: str | None
    codec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInfo:
    """Sound; `start_s` is the first sample's time in the container.

    `duration_s` is None if the container does not know or guesses it. `time_reference_s` is the real time from midnight
    to the first sample in seconds, if the file has one, as Broadcast Wave does.
    """

    sample_rate: int
    channels: int
    start_s: Fraction
    codec: str
    duration_s: Fraction | None = None
    time_reference_s: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """A media file. `duration_s` is that of the picture if there is one, else that of the sound.

    `recorded` is yyyy-mm-ddThh:mm:ss by the file's own tags, "" where it has no date.
    """

    path: Path
    duration_s: Fraction
    video: VideoInfo | None
    audio: AudioInfo | None
    recorded: str = ""

    @property
    def has_video(self) -> bool:
        """True if there are moving pictures; cover art does not count."""
        return self.video is not None

    @property
    def has_audio(self) -> bool:
        """True if there is sound."""
        return self.audio is not None


def probe(path: Path) -> MediaInfo:
    """Probe a media file: open it, decode one picture, and read packets only where the index is not enough.

    Raises MediaError for a file that cannot be opened (see `open_input`), a still picture, a file with neither picture
    nor sound, one that is shorter than its own index says, and one that cannot be as long as it says.
    """
    path = Path(path)
    with open_input(path) as container:
        format_name = container.format.name
        if format_name == "image2" or format_name.endswith("_pipe"):
            raise MediaError(f"'{path}' is a still picture; only moving pictures can be given a sound")
        video, audio = find_video(container), find_audio(container)
        audio_info = None if audio is None else _audio_info(path, audio)
        recorded = recorded_at(container)
        if video is not None:
            _check_whole(path, video)
            video_info = read_video_info(path, container, video)
            length_s = picture_length(path, video, rate=video_info.rate, start_s=video_info.start_s)
        elif audio is not None:
            _check_whole(path, audio)
            video_info, length_s = None, sound_length(path, audio)
        else:
            raise MediaError(f"'{path}' holds neither picture nor sound; check the link")
        sound_s = None if audio_info is None else audio_info.duration_s
        _check_claim(path, max(length_s, sound_s or length_s))
        return MediaInfo(path=path, duration_s=length_s, video=video_info, audio=audio_info, recorded=recorded)


def require_video(info: MediaInfo) -> VideoInfo:
    """Return the picture of a file that must have one.

    Raises MediaError if there is none, or if it is too small to show anything.
    """
    if info.video is None:
        raise MediaError(f"'{info.path}' has no picture, only sound; name a file with video")
    check_visible(info.path, info.video)
    return info.video


def check_visible(path: Path, video: VideoInfo) -> None:
    """Check the size of a picture. Raises MediaError if it is too small to show anything."""
    if min(video.width, video.height) < _SMALLEST_SIDE:
        raise MediaError(
            f"the picture of '{path}' is {video.width}x{video.height} pixels, in which nothing can be seen; "
            f"{_SMALLEST_SIDE}x{_SMALLEST_SIDE} is the least"
        )


def read_video_info(path: Path, container: InputContainer, stream: VideoStream) -> VideoInfo:
    """Return the format of `stream`, reading packets from the start of `container`.

    Raises MediaError if not one picture can be decoded.
    """
    if stream.codec_context is None:
        raise MediaError(f"the picture of '{path}' is in a format that cannot be decoded here; convert it to H.264")
    # Starting decoder threads takes longer than decoding one picture.
    stream.codec_context.thread_count = 1
    times: list[int] = []
    packets = _noting_times(read_packets(container, stream), times)
    first = _first_picture(path, packets)
    width, height = max(1, round(first.width * pixel_aspect(stream))), first.height
    rotation = right_angle(first.rotation)
    if rotation % 180:
        width, height = height, width
    start_s = picture_time(first)
    return VideoInfo(
        rate=_rate_by_container(stream) or _rate_by_packets(stream, packets, times),
        width=width,
        height=height,
        rotation=rotation,
        start_s=_start(stream) if start_s is None else start_s,
        timecode=_timecode(container, stream),
        codec=stream.codec_context.name,
    )


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Return the width of a pixel over its height; 1 if the file has no sane value."""
    aspect = stream.sample_aspect_ratio
    return Fraction(aspect) if aspect and Fraction(1, 10) <= aspect <= 10 else Fraction(1)


def right_angle(degrees: int) -> int:
    """Return the nearest multiple of 90 degrees, within (-180, 180]."""
    turned = round(degrees / 90) * 90 % 360
    return turned - 360 if turned > 180 else turned


def picture_time(frame: VideoFrame) -> Fraction | None:
    """Return the container time of a decoded picture in exact seconds; None if it has none."""
    if frame.pts is None or frame.time_base is None:
        return None
    return frame.pts * Fraction(frame.time_base)


def _audio_info(path: Path, stream: AudioStream) -> AudioInfo:
    if stream.codec_context is None or not stream.rate:
        raise MediaError(f"the sound of '{path}' is in a format that cannot be decoded here; convert it to WAV or AAC")
    reference = stream.container.metadata.get("time_reference", "")
    has_reference = reference.isdecimal() and len(reference) <= _MOST_DIGITS
    return AudioInfo(
        sample_rate=stream.rate,
        channels=stream.channels,
        start_s=_start(stream),
        codec=stream.codec_context.name,
        duration_s=stated_length(stream),
        time_reference_s=Fraction(int(reference), stream.rate) if has_reference else None,
    )


def _start(stream: Stream) -> Fraction:
    if stream.start_time is None or stream.time_base is None:
        return Fraction(0)
    return stream.start_time * Fraction(stream.time_base)


def _noting_times(packets: Iterable[Packet[Any]], times: list[int]) -> Iterator[Packet[Any]]:
    for packet in packets:
        if packet.pts is not None:
            times.append(packet.pts)
        yield packet


def _first_picture(path: Path, packets: Iterator[Packet[Any]]) -> VideoFrame:
    try:
        for packet in packets:
            # Packets before the first key picture may fail, as in a recording that was cut.
            with suppress(av.error.InvalidDataError):
                for frame in packet.decode():
                    if isinstance(frame, VideoFrame):
                        return frame
    except av.error.FFmpegError as error:
        raise MediaError(f"the picture of '{path}' cannot be decoded ({error.strerror}); convert it") from error
    raise MediaError(f"'{path}' holds not one picture that can be decoded; copy or render it again")


def _rate_by_container(stream: VideoStream) -> Fraction | None:
    mean, grid = stream.average_rate, stream.guessed_rate
    agree = mean and grid and abs(mean - grid) <= grid / 100 and _SANE_RATES[0] <= mean <= _SANE_RATES[1]
    if not mean or not agree:
        return None
    # Timestamps at 90 kHz or in milliseconds cannot express 24000/1001 exactly.
    nearest = _nearest_common_rate(mean)
    return nearest if abs(nearest - mean) <= nearest / 10_000 else Fraction(mean)


def _rate_by_packets(stream: VideoStream, packets: Iterator[Packet[Any]], times: list[int]) -> Fraction:
    """Return the frame rate by the times of the first packets, for variable rates and for FLV, which says 1000."""
    with suppress(av.error.FFmpegError):
        for _ in islice(packets, _PACKETS_TO_MEASURE):
            pass
    steps = [after - before for before, after in pairwise(sorted(times)) if after > before]
    if not steps or stream.time_base is None:
        return Fraction(25)
    # The mean of the usual steps, not their median: timestamps in milliseconds alternate between 33 and 34 at 30 fps.
    typical = median_low(steps)
    usual = [step for step in steps if abs(step - typical) <= max(typical / 4, 1)]
    measured = Fraction(len(usual), sum(usual)) / Fraction(stream.time_base)
    nearest = _nearest_common_rate(measured)
    if abs(nearest - measured) <= nearest / 50:
        return nearest
    return exact_rate(min(max(measured, _SANE_RATES[0]), _SANE_RATES[1]))


def _nearest_common_rate(rate: Fraction) -> Fraction:
    return min(_COMMON_RATES, key=lambda common: abs(common - rate))


def _timecode(container: InputContainer, stream: VideoStream) -> str | None:
    sources = (stream.metadata, *(data.metadata for data in container.streams.data), container.metadata)
    return next((tags["timecode"] for tags in sources if tags.get("timecode")), None)


def _check_whole(path: Path, stream: Stream) -> None:
    """Compare the index with the size of the file: a truncated "faststart" file opens as if it were complete.

    Raises MediaError if the index points beyond the end.
    """
    entries = stream.index_entries
    if "mp4" not in stream.container.format.name.split(",") or not len(entries):
        return
    needed = max(entries[i].pos + entries[i].size for i in range(max(0, len(entries) - 50), len(entries)))
    present = path.stat().st_size
    if needed > present:
        raise MediaError(
            f"the media file '{path}' is cut short: its index points to {needed} bytes, it has {present}; "
            "copy or render it again"
        )


def _check_claim(path: Path, duration_s: Fraction) -> None:
    """Compare a length with the size of the file: a broken header claims hours in a few kilobytes.

    The emptiest real files, black or silent ones, hold some hundred bytes a second. Raises MediaError.
    """
    kilobytes = Fraction(path.stat().st_size, 1000)
    if duration_s > _ANY_SIZE_S and duration_s > kilobytes * SECONDS_A_KILOBYTE.most:
        raise MediaError(
            f"'{path}' says that it is {float(duration_s / 3600):.2f} hours long, in {float(kilobytes):.0f} kB; files "
            f"of more than {SECONDS_A_KILOBYTE.most} s in a kilobyte are not believed: {SECONDS_A_KILOBYTE.advice}"
        )
