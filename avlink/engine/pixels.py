"""Pictures as tensors: bytes to pixels and back, and lower frame rates."""

from __future__ import annotations

import numpy as np
import torch
from einops import reduce
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor


def to_pixels(frames: UInt8[Tensor, "batch frames height width 3"]) -> Float[Tensor, "batch frames 3 height width"]:
    """Convert RGB bytes to pixels in [-1, 1], channels before rows."""
    # In place: float() has made a copy.
    return frames.float().mul_(1 / 127.5).sub_(1.0).permute(0, 1, 4, 2, 3)


def to_bytes(pixels: Float[Tensor, "frames 3 height width"]) -> NDArray[np.uint8]:
    """Convert pixels to RGB bytes, (frames, height, width, 3); values beyond [-1, 1] are clipped."""
    # round, since the conversion truncates: bytes come back from `to_pixels` as they were.
    values = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return values.permute(0, 2, 3, 1).cpu().numpy()


def lower_frame_rate(
    pixels: Float[Tensor, "batch frames 3 height width"], factor: int
) -> Float[Tensor, "batch frames2 3 height width"]:
    """Average every `factor` frames into one; an incomplete last group repeats the last frame."""
    missing = -pixels.shape[1] % factor
    if missing:
        # The last frame is held, so that a clip keeps its length rounded up to a whole frame.
        pixels = torch.cat((pixels, pixels[:, -1:].expand(-1, missing, -1, -1, -1)), dim=1)
    # A mean is what a longer shutter records. Dropping frames would lose contacts that fall between them.
    return reduce(pixels, "b (t factor) c h w -> b t c h w", "mean", factor=factor)
