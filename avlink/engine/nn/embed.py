"""Embeddings of flow times, and patches of pixels."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import VideoConfig

# As in DiT.
_FREQUENCY_DIM = 256


def sinusoids(t: Float[Tensor, " batch"], dim: int) -> Float[Tensor, "batch dim"]:
    """Return `dim / 2` cosines, then as many sines, of flow times in [0, 1] (Vaswani et al. 2017, as in DiT)."""
    half = dim // 2
    # From 1 radian per step down to nearly 1/10000, in equal ratios.
    speeds = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    # Times 1000, the number of steps for which these speeds were chosen: on [0, 1] most of them would stay constant.
    angles = 1000.0 * t.float()[:, None] * speeds
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


class TimeEmbedding(nn.Module):
    """Embedding of one or several flow times (DiT): sinusoids, then two linear layers.

    The 256 sinusoids are divided among `num_times` times, so that the layers' size does not depend on their number.
    """

    def __init__(self, dim: int, num_times: int = 1) -> None:
        super().__init__()
        self.share = _FREQUENCY_DIM // num_times
        self.layers = nn.Sequential(nn.Linear(_FREQUENCY_DIM, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, *times: Float[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        out: Tensor = self.layers(torch.cat([sinusoids(t, self.share) for t in times], dim=-1))
        return out


def patchify(pixels: Float[Tensor, "batch frames 3 height width"], config: VideoConfig) -> Float[Tensor, "batch n d"]:
    """Return patches as tokens, ordered by time, then row, then column."""
    pt, ph, pw = config.patch
    # The order within a patch belongs to the weights: it is the order of the inputs of `DiT.inputs`.
    return rearrange(pixels, "b (t pt) c (h ph) (w pw) -> b (t h w) (pt ph pw c)", pt=pt, ph=ph, pw=pw)


def unpatchify(tokens: Float[Tensor, "batch n d"], config: VideoConfig) -> Float[Tensor, "batch frames 3 height width"]:
    """Return the pixels of which `patchify` makes `tokens`."""
    pt, ph, pw = config.patch
    rows, columns = config.height // ph, config.width // pw
    return rearrange(
        tokens, "b (t h w) (pt ph pw c) -> b (t pt) c (h ph) (w pw)", h=rows, w=columns, pt=pt, ph=ph, pw=pw, c=3
    )
