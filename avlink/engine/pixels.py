"""Pixels of pictures as tensors: bytes to numbers, and fewer frames a second."""

from __future__ import annotations

import torch
from einops import reduce
from jaxtyping import Float, UInt8
from torch import Tensor


def to_pixels(frames: UInt8[Tensor, "batch frames height width 3"]) -> Float[Tensor, "batch frames 3 height width"]:
    """RGB bytes to [-1, 1], channels in front."""
    return frames.float().mul_(1 / 127.5).sub_(1.0).permute(0, 1, 4, 2, 3)


def slower(
    pixels: Float[Tensor, "batch frames 3 height width"], factor: int
) -> Float[Tensor, "batch frames2 3 height width"]:
    """Each `factor` frames averaged into one, as a longer shutter would; the last one may hold fewer."""
    missing = -pixels.shape[1] % factor
    if missing:
        pixels = torch.cat((pixels, pixels[:, -1:].expand(-1, missing, -1, -1, -1)), dim=1)
    return reduce(pixels, "b (t factor) c h w -> b t c h w", "mean", factor=factor)
