"""Preprocessing of pictures: blocks of floats, scaling, cropping, normalisation."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from avlink import Content, FrameSource

BLOCK = 16
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def require_frames(content: Content) -> FrameSource:
    """Return the content as pictures. Raises TypeError for anything else."""
    if not isinstance(content, FrameSource):
        raise TypeError(f"pictures are wanted, not {type(content).__name__}")
    return content


def blocks(frames: FrameSource, device: str, size: int = BLOCK) -> Iterator[Tensor]:
    """Yield all pictures, `size` at a time, as (pictures, 3, height, width) in [0, 1]."""
    for start in range(0, frames.num_frames, size):
        pixels = torch.tensor(frames.read(start, min(start + size, frames.num_frames)))
        yield pixels.to(device).permute(0, 3, 1, 2).float() / 255


def short_side(pictures: Tensor, side: int, mode: str = "bicubic") -> Tensor:
    """Return pictures scaled to a shorter side of `side` pixels, antialiased and clamped to [0, 1]."""
    height, width = pictures.shape[-2:]
    # torchvision truncates the longer side; `max` keeps float errors from making a side too short to crop.
    scale = side / min(height, width)
    size = (max(side, int(height * scale)), max(side, int(width * scale)))
    if size == (height, width):
        return pictures
    # Bicubic overshoots at edges; on bytes, as the originals scale, that would be clipped.
    return interpolate(pictures, size=size, mode=mode, antialias=True, align_corners=False).clamp(0, 1)


def stretched(pictures: Tensor, height: int, width: int, *, antialias: bool = True) -> Tensor:
    """Return pictures scaled to a size; the aspect ratio is not kept."""
    size = (height, width)
    return interpolate(pictures, size=size, mode="bilinear", antialias=antialias, align_corners=False)


def middle(pictures: Tensor, side: int) -> Tensor:
    """Return the central square."""
    top, left = (round((length - side) / 2) for length in pictures.shape[-2:])
    return pictures[..., top : top + side, left : left + side]


def normalised(pictures: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Return (pictures - mean) / std for each colour."""
    shift, scale = (torch.tensor(values, device=pictures.device).reshape(-1, 1, 1) for values in (mean, std))
    return (pictures - shift) / scale
