"""Scaling: upright, in shape, and no brighter or darker than before."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from av.video.frame import VideoFrame

from avlink.media.probe import VideoInfo
from avlink.media.scale import Scaler, resized


def info(width: int, height: int) -> VideoInfo:
    return VideoInfo(
        rate=Fraction(25), width=width, height=height, rotation=0, start_s=Fraction(0), timecode=None, codec="rawvideo"
    )


def scaled(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    return Scaler(info(pixels.shape[1], pixels.shape[0]), width=width, height=height).scale(frame)


def test_the_mean_of_a_picture_stays() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (144, 256, 3), np.uint8)
    small = scaled(pixels, 64, 36)
    assert small.shape == (36, 64, 3)
    # Averages over areas of 4 x 4, not samples of single pixels.
    areas = pixels.reshape(36, 4, 64, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - areas).max() < 3


@pytest.mark.parametrize(
    ("size", "bars"),
    [((128, 72), (0, 0)), ((128, 80), (0, 0)), ((128, 128), (0, 14)), ((288, 72), (10, 0))],
)
def test_shapes_are_stretched_a_little_and_kept_beyond(size: tuple[int, int], bars: tuple[int, int]) -> None:
    white = np.full((size[1], size[0], 3), 255, np.uint8)
    small = scaled(white, 64, 36)
    top, left = bars
    assert small[:top].max(initial=0) == 0 and small[:, :left].max(initial=0) == 0
    assert small[top : 36 - top, left : 64 - left].min() == 255


def test_resized_pictures_are_those_of_a_scaler() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 72, 128, 3), np.uint8)
    small = resized(pixels, width=32, height=18)
    assert all(np.array_equal(small[index], scaled(pixels[index], 32, 18)) for index in range(3))
