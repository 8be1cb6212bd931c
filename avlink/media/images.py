"""Probing and decoding image sequences, at the rate that the timeline gives.

Each picture is opened by itself: libav's own reader of sequences takes neither missing numbers nor steps above one.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import floor
from pathlib import Path

import av.error
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from avlink.core.errors import MediaError
from avlink.core.values import ImageSequence
from avlink.media.container import find_video, open_input
from avlink.media.probe import MediaInfo, VideoInfo, check_visible, pixel_aspect, right_angle
from avlink.media.scale import DecodedPicture, Scaler


def probe_images(images: ImageSequence) -> MediaInfo:
    """Return the format of an image sequence, by its first picture.

    Raises MediaError if that cannot be read, or is too small to show anything.
    """
    _, info = _read(images.first, images.rate)
    check_visible(images.first, info)
    return MediaInfo(path=images.first, duration_s=images.duration_s, video=info, audio=None)


def decode_images(
    images: ImageSequence, *, start_s: Fraction, stop_s: Fraction, width: int, height: int, matte: bool = False
) -> Iterator[DecodedPicture]:
    """Yield the pictures shown in [start_s, stop_s), or their mattes, fitted into width x height: `decode_pictures`.

    Raises MediaError if one of the files cannot be read.
    """
    first = min(floor(start_s * images.rate), len(images.files) - 1)
    pixels = _before(images, first, width=width, height=height, matte=matte)
    for index in range(first, len(images.files)):
        begin_s = index / images.rate
        if begin_s >= stop_s and index > first:
            return
        path = images.files[index]
        if path is not None:
            pixels = _pixels(path, images.rate, width=width, height=height, matte=matte)
        elif images.black:
            pixels = np.full_like(pixels, 255 if matte else 0)
        yield DecodedPicture(pixels=pixels, begin_s=begin_s, end_s=begin_s + 1 / images.rate)


def _before(images: ImageSequence, index: int, *, width: int, height: int, matte: bool) -> NDArray[np.uint8]:
    """Return the picture that a missing one at `index` repeats: the last existing one before it, else black."""
    path = None if images.files[index] else next((path for path in images.files[index::-1] if path), None)
    if path is None or images.black:
        return np.full((height, width, 3), 255 if matte else 0, np.uint8)
    return _pixels(path, images.rate, width=width, height=height, matte=matte)


def _pixels(path: Path, rate: Fraction, *, width: int, height: int, matte: bool) -> NDArray[np.uint8]:
    frame, info = _read(path, rate)
    return Scaler(info, width=width, height=height, matte=matte).scale(frame)


def _read(path: Path, rate: Fraction) -> tuple[VideoFrame, VideoInfo]:
    with open_input(path) as container:
        stream = find_video(container)
        if stream is None or stream.codec_context is None:
            raise MediaError(f"'{path}' is no picture that can be read here; convert the sequence to PNG or JPEG")
        try:
            frame = next(container.decode(stream), None)
        except av.error.FFmpegError as error:
            raise MediaError(f"the picture '{path}' is damaged ({error.strerror}); render it again") from error
        if frame is None:
            raise MediaError(f"the picture '{path}' is empty; render it again")
        width, height = max(1, round(frame.width * pixel_aspect(stream))), frame.height
        rotation = right_angle(frame.rotation)
        if rotation % 180:
            width, height = height, width
        info = VideoInfo(
            rate=rate,
            width=width,
            height=height,
            rotation=rotation,
            start_s=Fraction(0),
            timecode=None,
            codec=stream.codec_context.name,
        )
        return frame, info
