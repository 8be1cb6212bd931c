"""Pictures as editing programs like them: QuickTime in which every frame stands alone, with a timecode.

ProRes 422, which libav encodes itself under the LGPL and every editing program reads without a plugin or a licence;
H.264 is missing from some of them on Linux, and has frames that lean on each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from av.video.reformatter import Colorspace

from avlink.core.values import FrameSource
from avlink.media.movie import Encoding, each_image, encode, find_encoder

SUFFIX = ".mov"
PRORES = Encoding(codec="prores_ks", pixels="yuv422p10le", options={"profile": "standard"}, matrix=Colorspace.ITU709)
MOTION_JPEG = Encoding(codec="mjpeg", pixels="yuvj422p", options={"qmin": "1", "q": "2"})
"""Where libav was built without the other."""


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

    `tags` are noted in the file.

    Equal input gives equal bytes, and memory stays constant. Raises OutputError if the file cannot be written,
    MediaError where the encoder refuses the pictures.
    """
    size = (frames.width * scale, frames.height * scale)
    images = each_image(frames)
    encode(path, images, rate=frames.rate, size=size, encoding=encoding, timecode=timecode, tags=tags)


def can_stamp(rate: Fraction) -> bool:
    """Whether QuickTime has timecode at this rate: a whole number of frames a second, or 1000/1001 of one."""
    return (rate * 1001 / 1000).denominator == 1 or rate.denominator == 1
