"""Scaling decoded frames to RGB pictures of one size: upright, in square pixels, in shape, without aliasing."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

from avlink.media.probe import VideoInfo, right_angle

_STRETCH_AT_MOST = 1.15
# libswscale's AREA | ACCURATE_RND | FULL_CHR_H_INT | FULL_CHR_H_INP; PyAV names the last three from 17.1 on only.
# Without those, one 2K frame averaged down to 64x36 is off by up to 17 of 255; with them by less than 3.
_EXACT_AREA = 0x20 | 0x40000 | 0x2000 | 0x4000
_UNSPECIFIED_MATRIX = 2
_HD_LINES = 720


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedPicture:
    """RGB uint8 `pixels` of shape (height, width, 3), shown from `begin_s` to `end_s` of media time."""

    pixels: NDArray[np.uint8]
    begin_s: Fraction
    end_s: Fraction


class Scaler:
    """Converts frames of one video to RGB pictures of one size: upright, in shape, without aliasing.

    With `matte` they are converted to their alpha channels, as grey levels: 255 where a frame is opaque, 0 in the bars.
    """

    def __init__(self, info: VideoInfo, *, width: int, height: int, matte: bool = False) -> None:
        self._matte = matte
        self._width, self._height = width, height
        self._fit_width, self._fit_height = _fit(info, width=width, height=height)
        self._reformatter = VideoReformatter()

    def scale(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return RGB uint8 of shape (height, width, 3): stretched by up to 15 %, else with black bars."""
        rotation = right_angle(frame.rotation)
        width, height = self._fit_width, self._fit_height
        if rotation % 180:
            width, height = height, width
        # For files without a colour matrix all players assume BT.709 from 720 lines up.
        unnamed = frame.colorspace == _UNSPECIFIED_MATRIX
        matrix = Colorspace.ITU709 if unnamed and frame.height >= _HD_LINES else None
        small = self._reformatter.reformat(
            frame,
            width,
            height,
            "rgba" if self._matte else "rgb24",
            src_colorspace=matrix,
            interpolation=_EXACT_AREA,
            threads=1,
        )
        colours: NDArray[Any] = small.to_ndarray()
        if self._matte:
            colours = np.repeat(colours[:, :, 3:], 3, axis=2)
        pixels = np.rot90(colours, k=rotation // 90)
        if pixels.shape[:2] == (self._height, self._width):
            return np.ascontiguousarray(pixels, dtype=np.uint8)
        framed = np.zeros((self._height, self._width, 3), np.uint8)
        top, left = (self._height - pixels.shape[0]) // 2, (self._width - pixels.shape[1]) // 2
        framed[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        return framed


def resized(pixels: NDArray[np.uint8], *, width: int, height: int) -> NDArray[np.uint8]:
    """Return RGB pictures (frames, height, width, 3) averaged to another size, as a `Scaler` does it."""
    reformatter = VideoReformatter()
    return np.stack(
        [
            reformatter.reformat(
                VideoFrame.from_ndarray(picture, format="rgb24"),
                width,
                height,
                "rgb24",
                interpolation=_EXACT_AREA,
                threads=1,
            ).to_ndarray()
            for picture in pixels
        ]
    )


def _fit(info: VideoInfo, *, width: int, height: int) -> tuple[int, int]:
    ratio = (info.width / info.height) / (width / height)
    if 1 / _STRETCH_AT_MOST <= ratio <= _STRETCH_AT_MOST:
        return width, height
    if ratio > 1:
        return width, max(1, round(height / ratio))
    return max(1, round(width * ratio)), height
