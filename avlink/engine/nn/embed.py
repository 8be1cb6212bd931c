"""Embeddings of flow time and of patches of pixels."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import VideoConfig

_FREQUENCY_DIM = 256


def sinusoids(t: Float[Tensor, " batch"], dim: int) -> Float[Tensor, "batch dim"]:
    """Sinusoidal features of flow times in [0, 1], spread as DiT spreads its 1000 steps."""
    half = dim // 2
    speeds = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angles = 1000.0 * t.float()[:, None] * speeds
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


class TimeEmbedding(nn.Module):
    """Flow times to a conditioning vector: 256 sinusoids shared out among `num_times` times, then two layers."""

    def __init__(self, dim: int, num_times: int = 1) -> None:
        super().__init__()
        self.share = _FREQUENCY_DIM // num_times
        self.layers = nn.Sequential(nn.Linear(_FREQUENCY_DIM, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, *times: Float[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        out: Tensor = self.layers(torch.cat([sinusoids(t, self.share) for t in times], dim=-1))
        return out


def patchify(pixels: Float[Tensor, "batch frames 3 height width"], config: VideoConfig) -> Float[Tensor, "batch n d"]:
    """Pixels to patch tokens, ordered by time, then row, then column."""
    pt, ph, pw = config.patch
    return rearrange(pixels, "b (t pt) c (h ph) (w pw) -> b (t h w) (pt ph pw c)", pt=pt, ph=ph, pw=pw)


def unpatchify(tokens: Float[Tensor, "batch n d"], config: VideoConfig) -> Float[Tensor, "batch frames 3 height width"]:
    """The inverse of `patchify`."""
    pt, ph, pw = config.patch
    rows, columns = config.height // ph, config.width // pw
    return rearrange(
        tokens, "b (t h w) (pt ph pw c) -> b (t pt) c (h ph) (w pw)", h=rows, w=columns, pt=pt, ph=ph, pw=pw, c=3
    )
