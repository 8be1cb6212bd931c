"""A convolutional network that finishes the pictures of the video backbone. Not in the paper.

Patches that are as large as a small backbone needs do not join at their edges, and one linear layer from a token to a
patch draws no more shapes than the token has values. The network sees whole pictures: those that the backbone predicts,
and the noisy ones, whose detail does not fit through tokens.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from avlink.core.architecture import RefinerConfig

_STRIDE = 2
"""Pixels of a place in the outer level, and places of the outer level in one of the inner, along each side."""
_FRAMES = 5
"""Pictures that one layer of a block sees."""


class PictureRefiner(nn.Module):
    """A U-Net of two levels, at a half and at a quarter of the size of the pictures.

    Starts as the identity: what it adds to the backbone's pictures is zero.
    """

    def __init__(self, config: RefinerConfig, time_dim: int) -> None:
        super().__init__()
        outer, inner, values = config.outer_dim, config.dim, 3 * _STRIDE**2
        self.inward = nn.Conv2d(2 * values, outer, 3, padding=1)
        self.down = nn.Conv2d(outer, inner, _STRIDE, stride=_STRIDE)
        self.time = nn.Linear(time_dim, 2 * inner)
        self.blocks = nn.ModuleList(_RefinerBlock(inner, config.layers) for _ in range(config.layers))
        self.up = nn.Linear(inner, outer * _STRIDE**2)
        self.outward = nn.Conv2d(2 * outer, values, 3, padding=1)
        nn.init.zeros_(self.outward.weight)
        assert self.outward.bias is not None
        nn.init.zeros_(self.outward.bias)

    def forward(
        self,
        pictures: Float[Tensor, "batch frames 3 height width"],
        x_t: Float[Tensor, "batch frames 3 height width"],
        time: Float[Tensor, "batch dim"],
    ) -> Float[Tensor, "batch frames 3 height width"]:
        """Return `pictures`, the data that the backbone predicts from `x_t`, finished."""
        frames = x_t.shape[1]
        seen = pixel_unshuffle(torch.cat((pictures, x_t), dim=2).flatten(0, 1), _STRIDE)
        outer = nn.functional.gelu(self.inward(seen), approximate="tanh")
        x = rearrange(self.down(outer), "(b f) c h w -> b f h w c", f=frames)
        shift, scale = self.time(time)[:, None, None, None].chunk(2, dim=-1)
        for block in self.blocks:
            x = block(x, shift, scale)
        x = rearrange(self.up(x), "b f h w (c i j) -> (b f) c (h i) (w j)", i=_STRIDE, j=_STRIDE)
        added = pixel_shuffle(self.outward(torch.cat((outer, x), dim=1)), _STRIDE)
        return pictures + rearrange(added, "(b f) c h w -> b f c h w", f=frames)


class _RefinerBlock(nn.Module):
    """ConvNeXt (Liu et al. 2022) on pictures, with a depthwise convolution over time as well."""

    def __init__(self, dim: int, layers: int) -> None:
        super().__init__()
        self.frames = nn.Parameter(torch.zeros(_FRAMES, dim))
        self.places = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)
        self.mlp = nn.Sequential(nn.Linear(dim, 3 * dim), nn.GELU(approximate="tanh"), nn.Linear(3 * dim, dim))
        self.gamma = nn.Parameter(torch.full((dim,), 1.0 / layers))

    def forward(
        self,
        x: Float[Tensor, "batch frames height width dim"],
        shift: Float[Tensor, "batch 1 1 1 dim"],
        scale: Float[Tensor, "batch 1 1 1 dim"],
    ) -> Float[Tensor, "batch frames height width dim"]:
        count, around = x.shape[1], _FRAMES // 2
        # A sum of shifted copies: grouped 3-D convolutions are slow on CPUs.
        padded = pad(x, (0, 0, 0, 0, 0, 0, around, around))
        y = x + torch.stack([weight * padded[:, at : at + count] for at, weight in enumerate(self.frames)]).sum(0)
        y = rearrange(self.places(rearrange(y, "b f h w c -> (b f) c h w")), "(b f) c h w -> b f h w c", f=count)
        return x + self.gamma * self.mlp(self.norm(y) * (1 + scale) + shift)
