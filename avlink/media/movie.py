"""Writing movies: generated frames, or the pictures of an edit, with their sound. H.264 in 4:2:0."""

from __future__ import annotations

from collections.abc import Iterable
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
from avlink.media.soundtrack import SoundTrack, open_movie

_ENCODERS = ("libx264", "libopenh264", "mpeg4")
_FRAMES_A_READ = 64
_HD_LINES = 720


def write_video(
    path: Path,
    frames: FrameSource,
    *,
    sound: SoundSource | None = None,
    crf: int = 18,
    scale: int = 1,
    smooth: bool = False,
) -> None:
    """Write `frames`, each side `scale` times as large, with `sound` from the first frame on.

    Enlarged pixels stay squares, or are interpolated (bicubic) if `smooth`. Odd sides grow by one row or column, as
    4:2:0 asks for even ones. `crf` is the quality, 0 (best) to 51. Memory stays constant.

    Raises OutputError if the file cannot be written.
    """
    images = (
        image
        for start in range(0, frames.num_frames, _FRAMES_A_READ)
        for image in frames.read(start, min(frames.num_frames, start + _FRAMES_A_READ))
    )
    size = (frames.width * scale, frames.height * scale)
    _encode(path, images, rate=frames.rate, size=size, sound=sound, crf=crf, smooth=smooth)


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
    _encode(path, images, rate=rate, size=(width, height), sound=sound, crf=crf, smooth=True)


def _encode(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    *,
    rate: Fraction,
    size: tuple[int, int],
    sound: SoundSource | None,
    crf: int,
    smooth: bool,
) -> None:
    path = Path(path)
    name = _encoder()
    options = {"crf": str(crf), "preset": "veryfast"} if name == "libx264" else {}
    matrix = Colorspace.ITU709 if size[1] >= _HD_LINES else Colorspace.ITU601
    reformatter = VideoReformatter()
    with open_movie(path) as target:
        stream = cast(VideoStream, target.add_stream(name, rate=rate, options=options))
        stream.width, stream.height = size[0] + size[0] % 2, size[1] + size[1] % 2
        stream.pix_fmt = "yuv420p"
        track = None if sound is None else SoundTrack(target, sound, path=path)
        for index, image in enumerate(images):
            frame = reformatter.reformat(
                VideoFrame.from_ndarray(_even(image, size), format="rgb24"),
                stream.width,
                stream.height,
                "yuv420p",
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


def _even(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Repeat the last column or row where the written side is odd (then nothing is enlarged by an even factor)."""
    wider, taller = size[0] % 2, size[1] % 2
    if not (wider or taller):
        return np.ascontiguousarray(image)
    return np.pad(image, ((0, taller), (0, wider), (0, 0)), mode="edge")


@cache
def _encoder() -> str:
    for name in _ENCODERS:
        if name in av.codec.codecs_available and av.codec.Codec(name, "w").is_encoder:
            return name
    raise AvlinkError(f"this build of PyAV encodes none of {', '.join(_ENCODERS)}; install the wheel of PyAV")
