"""Encoding pictures of individual durations, as in animated images: lossless, or visually lossless."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av.codec.codec
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from avlink.core.clock import to_index
from avlink.core.errors import AvlinkError, MediaError
from avlink.media.movie import Encoding
from avlink.media.soundtrack import open_movie

_HD_LINES = 720
_CLOCK = Fraction(1000)
"""Ticks per second: animated images have times in milliseconds, and so has Matroska."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedPicture:
    """RGB uint8 `pixels` of shape (height, width, 3), shown for `duration_s` after the picture before."""

    pixels: NDArray[np.uint8]
    duration_s: Fraction


# 4:2:0 plays everywhere; only RGB is lossless, which editing programs read but browsers may not.
_VISUAL = {
    ".mp4": (
        Encoding(codec="libx264", pixels="yuv420p", options={"crf": "14", "preset": "medium", "bf": "0"}),
        Encoding(codec="mpeg4", pixels="yuv420p", options={"qmin": "1", "qmax": "3"}),
    ),
    ".webm": (
        Encoding(
            codec="libvpx-vp9", pixels="yuv420p", options={"crf": "18", "b": "0", "cpu-used": "4", "lag-in-frames": "0"}
        ),
    ),
}
_LOSSLESS = {
    ".mp4": (Encoding(codec="libx264rgb", pixels="rgb24", options={"qp": "0", "preset": "medium", "bf": "0"}),),
    ".mkv": (Encoding(codec="ffv1", pixels="bgr0", options={"level": "3"}),),
    ".webm": (
        Encoding(codec="libvpx-vp9", pixels="gbrp", options={"lossless": "1", "cpu-used": "4", "lag-in-frames": "0"}),
    ),
}


def write_animation(path: Path, pictures: Iterable[TimedPicture], *, lossless: bool) -> None:
    """Write pictures as a movie without sound, with times to the millisecond, in constant memory.

    With `lossless` every pixel is kept. Otherwise pictures are visually lossless in 4:2:0, and odd sides grow by one
    row or column. The codec follows the suffix: .mp4, .m4v, .mov, .mkv or .webm.

    Raises MediaError if there are no pictures or they change their size, OutputError if the file cannot be written.
    """
    suffix = {".m4v": ".mp4", ".mov": ".mp4"}.get(path.suffix.lower(), path.suffix.lower())
    known = _LOSSLESS if lossless else {**_VISUAL, ".mkv": _VISUAL[".mp4"]}
    with open_movie(path) as target:
        encoder: _PictureEncoder | None = None
        for picture in pictures:
            if encoder is None:
                encoder = _PictureEncoder(target, _usable(known.get(suffix, known[".mkv"])), picture)
            if picture.pixels.shape != encoder.shape:
                raise MediaError(f"the pictures for '{path}' change their size on the way; make them alike")
            encoder.add(picture)
        if encoder is None:
            raise MediaError(f"there are no pictures to write to '{path}'")
        encoder.finish()


class _PictureEncoder:
    """Encodes pictures into one stream of a movie, at absolute times."""

    def __init__(self, target: OutputContainer, encoding: Encoding, first: TimedPicture) -> None:
        self.shape = first.pixels.shape
        self._target, self._encoding = target, encoding
        height, width = self.shape[:2]
        rate = 1 / first.duration_s if first.duration_s > 0 else Fraction(25)
        self._stream = cast(VideoStream, target.add_stream(encoding.codec, rate=rate.limit_denominator(1001)))
        self._stream.pix_fmt, self._stream.options = encoding.pixels, dict(encoding.options)
        self._stream.codec_context.time_base = 1 / _CLOCK
        self._halved = encoding.pixels == "yuv420p"
        self._stream.width = width + width % 2 if self._halved else width
        self._stream.height = height + height % 2 if self._halved else height
        self._reformatter = VideoReformatter()
        self._exact_s, self._begin = Fraction(0), 0
        self._lasts: dict[int, int] = {}

    def add(self, picture: TimedPicture) -> None:
        frame = self._frame(picture.pixels)
        self._exact_s += picture.duration_s
        # Muxers refuse two pictures at one time, so one shorter than a tick is shown for a whole one.
        end = max(self._begin + 1, to_index(self._exact_s, _CLOCK))
        frame.pts, frame.time_base = self._begin, 1 / _CLOCK
        self._lasts[self._begin] = end - self._begin
        self._begin = end
        self._mux(frame)

    def finish(self) -> None:
        self._mux(None)

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            # Encoders derive the duration from the nominal rate, which means nothing here.
            packet.duration = self._lasts.pop(packet.pts or 0, 0)
            self._target.mux(packet)

    def _frame(self, pixels: NDArray[np.uint8]) -> VideoFrame:
        width, height = self._stream.width, self._stream.height
        if not self._halved:
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            return frame.reformat(format=self._encoding.pixels)
        grown = np.pad(pixels, ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0)), mode="edge")
        matrix = Colorspace.ITU709 if height >= _HD_LINES else Colorspace.ITU601
        return self._reformatter.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(grown), format="rgb24"),
            width,
            height,
            "yuv420p",
            dst_colorspace=matrix,
            interpolation="BICUBIC",
            threads=1,
        )


def _usable(encodings: tuple[Encoding, ...]) -> Encoding:
    for encoding in encodings:
        if encoding.codec in av.codec.codec.codecs_available and av.codec.codec.Codec(encoding.codec, "w").is_encoder:
            return encoding
    names = " nor ".join(encoding.codec for encoding in encodings)
    raise AvlinkError(f"this build of PyAV encodes no {names}; choose another suffix, or install the wheel of PyAV")
