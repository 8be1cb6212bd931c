"""The block of ConvNeXt over time, of which Vocos and a VAE are built."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then an MLP over channels, scaled by `gamma` (Liu et al. 2022)."""

    def __init__(self, dim: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1 = nn.Linear(dim, hidden)
        self.pwconv2 = nn.Linear(hidden, dim)
        # Layer scale: a deep stack starts as the mean of its blocks instead of their sum.
        self.gamma = nn.Parameter(torch.full((dim,), 1.0 / layers))

    def forward(self, x: Float[Tensor, "batch dim frames"]) -> Float[Tensor, "batch dim frames"]:
        y = self.norm(self.dwconv(x).transpose(1, 2))
        y = self.gamma * self.pwconv2(nn.functional.gelu(self.pwconv1(y)))
        return x + y.transpose(1, 2)
