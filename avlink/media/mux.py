"""Muxing new sound with the picture of an existing movie, which is copied without encoding."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from avlink.core.errors import AvlinkError, MediaError
from avlink.core.paths import atomic_write
from avlink.core.values import SoundSource, Waveform
from avlink.media.container import find_video, open_input, read_packets
from avlink.media.counted import is_counted, moments
from avlink.media.mp4_metadata import is_mp4, read_user_data, rewrite_with_user_data
from avlink.media.pictures import counted_order
from avlink.media.probe import VideoInfo, probe
from avlink.media.soundtrack import SoundTrackWriter, open_movie, sound_clock

_MP4_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".3gp"})
_TRIED_PACKETS = 8
# Tags in which libavformat describes the container itself; the new file gets its own.
_OF_THE_CONTAINER = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "duration"})


def mux_sound(video_path: Path, sound: SoundSource, out_path: Path, *, tags: Mapping[str, str] | None = None) -> None:
    """Write the picture of `video_path`, without encoding it again, with `sound` as its only sound.

    The sound's first sample lies at the first picture (media time 0). The container follows the suffix of `out_path`.
    Rotation, timecode (in MOV and MP4, from PyAV 18 on) and tags are kept, from MP4 to MP4 byte for byte, and `tags`
    are added; other sound, subtitles and further pictures are dropped.

    Raises MediaError if the input cannot be read, has no picture, or its picture does not fit the container;
    OutputError if `out_path` cannot be written.
    """
    _mux(Path(video_path), sound, Path(out_path), tags=dict(tags or {}))


def check_fits(video_path: Path, out_path: Path, *, channels: int, sample_rate: int) -> None:
    """Find out whether `mux_sound` could write the picture of `video_path` with such a sound to `out_path`.

    The container of its suffix is given the first packets, in a temporary file. Raises what `mux_sound` raises.
    """
    silence = Waveform(samples=np.zeros((channels, sample_rate // 10), np.float32), sample_rate=sample_rate)
    with tempfile.TemporaryDirectory(prefix="avlink-mux-") as folder:
        movie = Path(folder, f"movie{out_path.suffix}")
        try:
            _mux(Path(video_path), silence, movie, tags={}, packets=_TRIED_PACKETS)
        except AvlinkError as error:
            raise type(error)(str(error).replace(str(movie), str(out_path))) from error


def _mux(
    video_path: Path, sound: SoundSource, out_path: Path, *, tags: dict[str, str], packets: int | None = None
) -> None:
    """Write the picture, of which only the first `packets` if they are given, with a sound."""
    video = probe(video_path).video
    start_s = Fraction(0) if video is None else video.start_s
    by_hand = out_path.suffix.lower() in _MP4_SUFFIXES
    notes = tags
    user_data = read_user_data(video_path) if by_hand and is_mp4(video_path) else []
    clocks = (sound_clock(sound, out_path), 1 if video is None else video.rate.numerator)
    with open_input(video_path) as source, open_movie(out_path, index_first=not by_hand, clocks=clocks) as target:
        picture = _picture(video_path, source)
        # Without `opaque`, PyAV looks for an encoder with the decoder's name, and AV1's has none.
        copy = target.add_stream_from_template(picture, opaque=True)
        copy.metadata.update(picture.metadata)
        kept = {key: value for key, value in source.metadata.items() if key.lower() not in _OF_THE_CONTAINER}
        target.metadata.update(kept | notes)
        if not user_data:
            notes = kept | notes
        # The first picture goes to time 0: MP4 can express a later start only in milliseconds.
        start = 0 if picture.time_base is None else round(start_s / picture.time_base)
        track = SoundTrackWriter(target, sound, path=out_path)
        if video is not None and is_counted(picture) and out_path.suffix.lower() != ".avi":
            timed = _in_order(video_path, source, picture, video)
        else:
            step = 1 if video is None or not picture.time_base else max(1, round(1 / video.rate / picture.time_base))
            timed = _from_start(video_path, source, picture, start=start, step=step)
        for packet in islice(timed, packets):
            packet.stream = copy
            track.mux_until((packet.dts or 0) * Fraction(packet.time_base))
            target.mux(packet)
        track.finish()
    if by_hand:
        # libavformat writes either only the tags that it has a name for, or all of them in another form than before.
        with atomic_write(out_path) as result:
            rewrite_with_user_data(out_path, result, user_data, notes)


def read_tags(path: Path) -> dict[str, str]:
    """Return the text tags of a movie's container by name, without those that describe the container itself.

    Raises MediaError if the file cannot be read.
    """
    with open_input(Path(path)) as container:
        tags = {str(name): str(text) for name, text in container.metadata.items()}
    return {name: text for name, text in tags.items() if name.lower() not in _OF_THE_CONTAINER}


def picture_digest(path: Path) -> str:
    """Return a digest of the coded picture: equal for movies with the same packets in the same order.

    Raises MediaError if the file cannot be read or has no picture.
    """
    content = hashlib.blake2b(digest_size=20)
    with open_input(Path(path)) as container:
        for packet in _packets(path, container, _picture(path, container)):
            data = bytes(packet)
            content.update(len(data).to_bytes(8, "big") + data)
    return content.hexdigest()


def _picture(path: Path, container: InputContainer) -> VideoStream:
    stream = find_video(container)
    if stream is None:
        raise MediaError(f"'{path}' has no picture to put a sound to; name a file with video")
    return stream


def _packets(path: Path, source: InputContainer, picture: VideoStream) -> Iterator[Packet[Any]]:
    """Yield the packets of the picture, without the empty ones that flush decoders."""
    packets = read_packets(source, picture)
    reached = Fraction(0)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            raise MediaError(
                f"the picture of '{path}' is damaged: copying stopped after {float(reached):.3f} s; render it again"
            ) from error
        if packet is None:
            return
        if packet.size:
            reached = (packet.dts or packet.pts or 0) * Fraction(packet.time_base)
            yield packet


def _from_start(
    path: Path, source: InputContainer, picture: VideoStream, *, start: int, step: int
) -> Iterator[Packet[Any]]:
    """Yield packets with `start` as time 0, and with times of decoding that no picture is shown before."""
    late = _decoded_late(path, step)
    for packet, dts in _with_order(_packets(path, source, picture), step):
        packet.pts, packet.dts = None if packet.pts is None else packet.pts - start, dts - start - late
        yield packet


def _in_order(path: Path, source: InputContainer, picture: VideoStream, video: VideoInfo) -> Iterator[Packet[Any]]:
    """Yield the packets of a stream that is timed by order with the times at which their pictures are shown."""
    shown, early_s = counted_order(path, video)
    for moment in moments(source, _packets(path, source, picture), rate=video.rate, start_s=video.start_s):
        packet, tick_s = moment.packet, Fraction(moment.packet.time_base)
        packet.pts = round(shown.get(moment.number, moment.at_s) / tick_s)
        packet.dts, packet.duration = round((moment.at_s - early_s) / tick_s), round(moment.lasts_s / tick_s)
        yield packet


def _decoded_late(path: Path, step: int) -> int:
    """Return the ticks by which decoding must be earlier, so that no picture is shown before it is decoded.

    QuickTime files of some cameras have times of decoding after those of display, which no muxer takes.
    """
    with open_input(path) as source:
        picture = _picture(path, source)
        if picture.codec_context is None or not picture.codec_context.has_b_frames:
            return 0
        ordered = _with_order(_packets(path, source, picture), step)
        return max([0, *(dts - packet.pts for packet, dts in ordered if packet.pts is not None)])


def _with_order(packets: Iterator[Packet[Any]], step: int) -> Iterator[tuple[Packet[Any], int]]:
    """Yield packets with their decoding times; `step` is the duration of one picture.

    Matroska stores no decoding times: libav reconstructs them, except for the first ones of streams with B-frames.
    """
    waiting: list[Packet[Any]] = []
    last: int | None = None
    for packet in packets:
        if packet.dts is None and last is None:
            waiting.append(packet)
            continue
        dts = (last or 0) + 1 if packet.dts is None else packet.dts
        if last is not None:
            dts = max(dts, last + 1)
        yield from ((early, dts - step * (len(waiting) - index)) for index, early in enumerate(waiting))
        waiting = []
        yield packet, dts
        last = dts
    yield from ((packet, packet.pts or index * step) for index, packet in enumerate(waiting))
