"""Writing movies: generated frames, or the pictures of an edit, with their sound, in H.264; pictures for an edit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import cast

import av
import av.codec
import av.codec.codec
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from avlink.core.errors import AvlinkError
from avlink.core.values import FrameSource, SoundSource
from avlink.media.soundtrack import SoundTrackWriter, open_movie

_ENCODERS = ("libx264", "libopenh264", "mpeg4")
_FRAMES_A_READ = 64
_HD_LINES = 720
_VIDEO_RANGE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How pictures are encoded: by which of libav's encoders, as which pixels.

    `matrix` turns colours into luma and chroma, and is written into the file; None means what players assume of a
    file that says nothing, by its size.
    """

    codec: str
    pixels: str
    options: Mapping[str, str] = field(default_factory=dict)
    matrix: Colorspace | None = None


SUFFIX = ".mov"
PRORES = Encoding(codec="prores_ks", pixels="yuv422p10le", options={"profile": "standard"}, matrix=Colorspace.ITU709)
MOTION_JPEG = Encoding(codec="mjpeg", pixels="yuvj422p", options={"qmin": "1", "q": "2"})
"""Where libav was built without the other."""


def write_video(
    path: Path,
    frames: FrameSource,
    *,
    sound: SoundSource | None = None,
    crf: int = 18,
    scale: int = 1,
    smooth: bool = False,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write `frames`, each side `scale` times as large, with `sound` from the first frame on.

    Enlarged pixels stay squares, or are interpolated (bicubic) if `smooth`. Odd sides grow by one row or column, as
    4:2:0 asks for even ones. `crf` is the quality, 0 (best) to 51. `tags` are noted in the file. Memory stays constant.

    Raises OutputError if the file cannot be written.
    """
    size = (frames.width * scale, frames.height * scale)
    images = each_image(frames)
    encode(path, images, rate=frames.rate, size=size, encoding=_h264(crf), sound=sound, smooth=smooth, tags=tags)


def write_movie(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    sound: SoundSource | None,
    *,
    rate: Fraction,
    width: int,
    height: int,
    crf: int = 23,
) -> None:
    """Write pictures of (height, width, 3) as they come, at `rate` a second, with `sound` from their start on.

    Raises OutputError if the file cannot be written, and whatever `images` raises.
    """
    encode(path, images, rate=rate, size=(width, height), encoding=_h264(crf), sound=sound, smooth=True)


def intermediate_encoding() -> Encoding:
    """How pictures for an edit are encoded here. Raises AvlinkError if libav can do none of it."""
    return PRORES if find_encoder(PRORES.codec, MOTION_JPEG.codec) == PRORES.codec else MOTION_JPEG


def write_intermediate(
    path: Path,
    frames: FrameSource,
    *,
    encoding: Encoding,
    scale: int = 1,
    timecode: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write `frames` at their own rate, each pixel as a square of `scale`; `timecode` is that of the first.

    Equal input gives equal bytes, and memory stays constant. Raises OutputError if the file cannot be written,
    MediaError where the encoder refuses the pictures.
    """
    size = (frames.width * scale, frames.height * scale)
    images = each_image(frames)
    encode(path, images, rate=frames.rate, size=size, encoding=encoding, timecode=timecode, tags=tags)


def supports_timecode(rate: Fraction) -> bool:
    """Whether QuickTime has timecode at this rate: a whole number of frames a second, or 1000/1001 of one."""
    return (rate * 1001 / 1000).denominator == 1 or rate.denominator == 1


def even_size(width: int, height: int) -> tuple[int, int]:
    """The size that pictures are written in: an odd side grows by one."""
    return width + width % 2, height + height % 2


def each_image(frames: FrameSource) -> Iterator[NDArray[np.uint8]]:
    """Frame by frame, of which few are in memory at a time."""
    for start in range(0, frames.num_frames, _FRAMES_A_READ):
        yield from frames.read(start, min(frames.num_frames, start + _FRAMES_A_READ))


def encode(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    *,
    rate: Fraction,
    size: tuple[int, int],
    encoding: Encoding,
    sound: SoundSource | None = None,
    timecode: str | None = None,
    smooth: bool = False,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write RGB images as a movie of `size`, (width, height), one image a frame.

    `timecode` is that of the first frame, for containers that have a place for it. Raises OutputError if the file
    cannot be written, MediaError where the encoder refuses the pictures.
    """
    path = Path(path)
    matrix = encoding.matrix or (Colorspace.ITU709 if size[1] >= _HD_LINES else Colorspace.ITU601)
    reformatter = VideoReformatter()
    with open_movie(path) as target:
        target.metadata.update(tags or {})
        stream = cast(VideoStream, target.add_stream(encoding.codec, rate=rate, options=dict(encoding.options)))
        stream.width, stream.height = even_size(*size)
        stream.pix_fmt = encoding.pixels
        if encoding.matrix is not None:
            _tell_colours(stream, encoding.matrix)
        if timecode is not None:
            stream.metadata["timecode"] = timecode
        track = None if sound is None else SoundTrackWriter(target, sound, path=path)
        for index, image in enumerate(images):
            frame = reformatter.reformat(
                VideoFrame.from_ndarray(_even(image, size), format="rgb24"),
                stream.width,
                stream.height,
                encoding.pixels,
                dst_colorspace=matrix,
                interpolation="BICUBIC" if smooth else "POINT",
                threads=1,
            )
            frame.pts, frame.time_base = index, 1 / rate
            target.mux(stream.encode(frame))
            if track is not None:
                track.mux_until(index / rate)
        target.mux(stream.encode(None))
        if track is not None:
            track.finish()


def _tell_colours(stream: VideoStream, matrix: Colorspace) -> None:
    """Write down the matrix, and the primaries and the transfer curve that go with it; in 709 all have one number."""
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = int(matrix)
    context.color_range = _VIDEO_RANGE


def _even(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Repeat the last column or row where the written side is odd (then nothing is enlarged by an even factor)."""
    wider, taller = size[0] % 2, size[1] % 2
    if not (wider or taller):
        return np.ascontiguousarray(image)
    return np.pad(image, ((0, taller), (0, wider), (0, 0)), mode="edge")


def _h264(crf: int) -> Encoding:
    codec = find_encoder(*_ENCODERS)
    options = {"crf": str(crf), "preset": "veryfast"} if codec == "libx264" else {}
    return Encoding(codec=codec, pixels="yuv420p", options=options)


@cache
def find_encoder(*names: str) -> str:
    """The first of some encoders that is there. Raises AvlinkError if none is."""
    for name in names:
        if name in av.codec.codecs_available and av.codec.Codec(name, "w").is_encoder:
            return name
    raise AvlinkError(f"this build of PyAV encodes none of {', '.join(names)}; install the wheel of PyAV")
