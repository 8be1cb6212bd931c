"""The pictures of a window as the input of MMAudio's two picture encoders.

AVLink provides one rate and size: the higher of the two rates, 25 a second, and the height of the larger size. Pictures
of another aspect ratio have black bars, which are removed here. As in MMAudio's own `load_video`, CLIP gets the whole
picture stretched to 384x384, 8 times a second, each time the picture of that moment; the synchronisation encoder gets
the central square at 224x224, 25 times a second, scaled to [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlink import PictureSpec

if TYPE_CHECKING:
    from avlink import FrameSource

SPEC = PictureSpec(rate=Fraction(25), width=680, height=384)
CLIP_RATE, CLIP_SIZE = 8, 384
SYNC_RATE, SYNC_SIZE = 25, 224
_BLOCK = 25
_LOOKS = 16
_SMALLEST = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The part of each frame inside the black bars, in pixels."""

    top: int
    left: int
    height: int
    width: int


def find_box(frames: FrameSource) -> Box:
    """Return the picture between black bars, which have equal sizes on both sides and are black in every frame.

    Up to 16 frames of the clip are examined. A clip that is all black has no bars.
    """
    step = max(1, frames.num_frames // _LOOKS)
    brightest = np.zeros((frames.height, frames.width), np.uint8)
    for index in range(0, frames.num_frames, step):
        np.maximum(brightest, frames.read(index, index + 1)[0].max(axis=2), out=brightest)
    top, height = _span(brightest.max(axis=1))
    left, width = _span(brightest.max(axis=0))
    return Box(top=top, left=left, height=height, width=width)


def _span(seen: NDArray[np.uint8]) -> tuple[int, int]:
    size, (places,) = len(seen), np.nonzero(seen)
    if not len(places):
        return 0, size
    before, after = int(places[0]), int(size - 1 - places[-1])
    # Bars of an odd sum differ by one line. A dark area on one side only, such as a night sky, is picture.
    if abs(before - after) > 1 or size - before - after < _SMALLEST:
        return 0, size
    return before, size - before - after


def read_window(
    frames: FrameSource, box: Box, start_s: Fraction, clip_count: int, sync_count: int
) -> tuple[Tensor, Tensor]:
    """Return (1, clip_count, 3, 384, 384) in [0, 1] and (1, sync_count, 3, 224, 224) in [-1, 1], from `start_s` on.

    The last picture is repeated beyond the end.
    """
    first, last = int(start_s * SYNC_RATE), frames.num_frames - 1
    clip_at = [first + index * SYNC_RATE // CLIP_RATE for index in range(clip_count)]
    sync_at = [*range(first, first + sync_count)]
    clip: list[Tensor] = []
    sync: list[Tensor] = []
    # One second at a time: a window of 8 s in full size would be 160 MB.
    for begin in range(first, max(clip_at[-1], sync_at[-1]) + 1, _BLOCK):
        start = min(begin, last)
        block = frames.read(start, min(begin + _BLOCK, last + 1) if begin <= last else last + 1)
        block = block[:, box.top : box.top + box.height, box.left : box.left + box.width]
        for chosen, at, pictures, size in (
            (clip, clip_at, block, CLIP_SIZE),
            (sync, sync_at, _middle(block), SYNC_SIZE),
        ):
            wanted = [min(index, last) - start for index in at if begin <= index < begin + _BLOCK]
            if wanted:
                chosen.append(_scaled(pictures[wanted], size))
    return torch.cat(clip)[None], torch.cat(sync)[None] * 2 - 1


def _middle(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pictures.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pictures[:, top : top + side, left : left + side]


def _scaled(pictures: NDArray[np.uint8], size: int) -> Tensor:
    """Return (pictures, 3, size, size) in [0, 1]: antialiased bicubic on bytes, as torchvision resizes."""
    # The memory layout stays channels-last: torch resizes that ten times as fast.
    pixels = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    scaled = torch.nn.functional.interpolate(pixels, (size, size), mode="bicubic", antialias=True, align_corners=False)
    return scaled.float() / 255
