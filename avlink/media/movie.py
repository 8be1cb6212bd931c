"""Writing movies: frames with sound in H.264 for viewing, and intermediates in ProRes for editing."""

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
from avlink.media.soundtrack import SoundTrackWriter, open_movie, sound_clock

_ENCODERS = ("libx264", "libopenh264", "mpeg4")
_FRAMES_A_READ = 64
_HD_LINES = 720
_VIDEO_RANGE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """An encoder of libav, with its pixel format and options.

    `matrix` is the colour matrix, which is noted in the file; None means the one that players assume by picture size
    where the file notes none.
    """

    codec: str
    pixels: str
    options: Mapping[str, str] = field(default_factory=dict)
    matrix: Colorspace | None = None


SUFFIX = ".mov"
PRORES = Encoding(codec="prores_ks", pixels="yuv422p10le", options={"profile": "standard"}, matrix=Colorspace.ITU709)
MOTION_JPEG = Encoding(codec="mjpeg", pixels="yuvj422p", options={"qmin": "1", "q": "2"})
"""Fallback where libav was built without ProRes."""


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
    """Write `frames`, enlarged by the integer `scale`, with `sound` from the first frame on.

    Enlarged pixels stay squares, or are interpolated (bicubic) if `smooth`. Odd sides grow by one row or column, since
    4:2:0 needs even ones. `crf` is the quality, 0 (best) to 51. `tags` are noted in the file. Memory stays constant.

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
    """Write pictures of shape (height, width, 3) at `rate` per second, with `sound` from their start on.

    Raises OutputError if the file cannot be written, and whatever `images` raises.
    """
    encode(path, images, rate=rate, size=(width, height), encoding=_h264(crf), sound=sound, smooth=True)


def intermediate_encoding() -> Encoding:
    """Return the encoding of intermediates: ProRes 422, else Motion JPEG. Raises AvlinkError if libav has neither.

    libav encodes ProRes itself under the LGPL, and editing programs read it without plugin or licence. H.264 is missing
    from some of them on Linux, and its frames depend on each other.
    """
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
    """Write `frames` at their own rate, enlarged by the integer `scale`; `timecode` is that of the first.

    `tags` are noted in the file. Equal input gives equal bytes, and memory stays constant.

    Raises OutputError if the file cannot be written, MediaError if the encoder refuses the pictures.
    """
    size = (frames.width * scale, frames.height * scale)
    images = each_image(frames)
    encode(path, images, rate=frames.rate, size=size, encoding=encoding, timecode=timecode, tags=tags)


def supports_timecode(rate: Fraction) -> bool:
    """Return whether QuickTime has timecode at this rate: a whole number of frames per second, or 1000/1001 of one."""
    return (rate * 1001 / 1000).denominator == 1 or rate.denominator == 1


def even_size(width: int, height: int) -> tuple[int, int]:
    """Return the size in which pictures are written: odd sides grow by one."""
    return width + width % 2, height + height % 2


def each_image(frames: FrameSource) -> Iterator[NDArray[np.uint8]]:
    """Yield single frames, with few of them in memory."""
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
    """Write RGB images as a movie of `size`, (width, height), one image per frame.

    `timecode` is that of the first frame, for containers that can store it. Raises OutputError if the file cannot be
    written, MediaError if the encoder refuses the pictures.
    """
    path = Path(path)
    matrix = encoding.matrix or (Colorspace.ITU709 if size[1] >= _HD_LINES else Colorspace.ITU601)
    reformatter = VideoReformatter()
    with open_movie(path, clocks=(sound_clock(sound, path), rate.numerator)) as target:
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
    """Note the matrix with its primaries and transfer curve: of BT.709 all three have the same number."""
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = int(matrix)
    context.color_range = _VIDEO_RANGE


def _even(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Repeat the last column or row of an odd side; with an even `scale` no written side is odd."""
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
    """Return the first of some encoders that libav has. Raises AvlinkError if it has none."""
    for name in names:
        if name in av.codec.codecs_available and av.codec.Codec(name, "w").is_encoder:
            return name
    raise AvlinkError(f"this build of PyAV encodes none of {', '.join(names)}; install the wheel of PyAV")
