"""Pictures to work on: a clip of the foundry, over and over, of any length and size, under the grain of a camera."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlink.core.clock import to_index
from avlink.foundry.clip import FRAME_RATE
from avlink.foundry.generate import make_clips
from avlink.media.movie import write_video

_GRAIN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """A `FrameSource`: `pixels` (frames, height, width, 3) repeated, each pixel `scale` times as wide and high."""

    pixels: NDArray[np.uint8]
    grain: NDArray[np.int16]
    num_frames: int
    scale: int
    rate: Fraction = FRAME_RATE

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.pixels.shape[1] * self.scale

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return self.pixels.shape[2] * self.scale

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Frames [start, stop) as RGB uint8 of shape (frames, height, width, 3)."""
        frames = [self._frame(index) for index in range(start, stop)]
        return np.stack(frames) if frames else np.zeros((0, self.height, self.width, 3), np.uint8)

    def _frame(self, index: int) -> NDArray[np.uint8]:
        large = self.pixels[index % len(self.pixels)].repeat(self.scale, 0).repeat(self.scale, 1)
        grain = np.roll(self.grain, (index * 37, index * 61), axis=(0, 1))
        return np.clip(large + grain, 0, 255).astype(np.uint8)


def make_footage(duration_s: Fraction, *, scale: int = 1) -> Footage:
    """Footage of at least `duration_s`, at 24 frames per second and 64x36 pixels times `scale`."""
    pixels = make_clips([0], split="train").frames[0].numpy()
    _, height, width, _ = pixels.shape
    grain = np.random.default_rng(0).integers(-_GRAIN, _GRAIN + 1, (height * scale, width * scale, 1), dtype=np.int16)
    return Footage(pixels=pixels, grain=grain, num_frames=to_index(duration_s, FRAME_RATE) + 1, scale=scale)


def film(path: Path, duration_s: Fraction, *, scale: int = 1, enlarge: int = 1) -> None:
    """Write footage as an H.264 movie without sound; `enlarge` is left to the encoder's scaler."""
    write_video(path, make_footage(duration_s, scale=scale), scale=enlarge, smooth=True)
