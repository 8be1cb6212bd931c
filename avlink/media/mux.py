"""Putting a new sound to an existing movie, whose picture is copied bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from avlink.core.errors import MediaError
from avlink.core.values import SoundSource
from avlink.media.container import find_video, open_input
from avlink.media.probe import probe
from avlink.media.soundtrack import SoundTrack, open_movie


def mux_sound(video_path: Path, sound: SoundSource, out_path: Path) -> None:
    """Write the picture of `video_path`, not encoded again, with `sound` as its only sound.

    The sound's first sample lies at the first picture (media time 0). The container follows the suffix of `out_path`.
    Rotation, timecode (in MOV and MP4, from PyAV 18 on) and tags stay; other sound, subtitles and further pictures are
    left out.

    Raises MediaError if the input cannot be read, has no picture, or its picture does not fit the container;
    OutputError if `out_path` cannot be written.
    """
    video_path, out_path = Path(video_path), Path(out_path)
    video = probe(video_path).video
    start_s = Fraction(0) if video is None else video.start_s
    with open_input(video_path) as source, open_movie(out_path) as target:
        picture = _picture(video_path, source)
        # "Opaque" copies what the file says; else PyAV looks for an encoder named like the decoder, and AV1 has none.
        copy = target.add_stream_from_template(picture, opaque=True)
        copy.metadata.update(picture.metadata)
        # Tags say "encoder" and the like; the container's own brand must not be copied.
        target.metadata.update({key: value for key, value in source.metadata.items() if "brand" not in key})
        # The first picture goes to time 0: MP4 can express a later start only in milliseconds.
        start = 0 if picture.time_base is None else round(start_s / picture.time_base)
        track = SoundTrack(target, sound, path=out_path)
        for packet in _packets(video_path, source, picture):
            dts = packet.dts or 0
            packet.pts, packet.dts = None if packet.pts is None else packet.pts - start, dts - start
            packet.stream = copy
            track.mux_until((dts - start) * Fraction(packet.time_base))
            target.mux(packet)
        track.finish()


def _picture(path: Path, container: InputContainer) -> VideoStream:
    stream = find_video(container)
    if stream is None:
        raise MediaError(f"'{path}' has no picture to put a sound to; name a file with video")
    return stream


def _packets(path: Path, source: InputContainer, picture: VideoStream) -> Iterator[Packet[Any]]:
    """The packets of the picture, without the empty ones that only end decoding."""
    packets = source.demux(picture)
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
        if packet.size and packet.dts is not None:
            reached = packet.dts * Fraction(packet.time_base)
            yield packet
