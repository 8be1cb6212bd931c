"""The motion stem: a small convolutional network that sees when things touch.

It reads frames at a higher rate than the video backbone, each with its signed differences to both neighbours, and puts
out one token a frame. Trained with the fusion under two auxiliary losses: onsets at twice the frame rate, and the
material at each onset. The frozen features of a small video model do not carry over to other pictures; these do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import MotionConfig

ONSETS_PER_FRAME = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What the stem saw: tokens for the Fusion Blocks, and its own guesses."""

    tokens: Float[Tensor, "batch frames dim"]
    onset_logits: Float[Tensor, "batch bins"]
    """Two bins a frame; bin b is centred on (b + 0.5) / (2 fps) seconds."""
    class_logits: Float[Tensor, "batch frames classes"]


class _SpaceTime(nn.Module):
    """A strided convolution over each picture, then a depthwise one over time, with a residual around the latter."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.space = nn.Conv2d(in_channels, channels, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(4, channels)
        self.time = nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0), groups=channels)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Float[Tensor, "bt c h w"], frames: int) -> Float[Tensor, "bt c2 h2 w2"]:
        x = nn.functional.gelu(self.norm(self.space(x)))
        moving = self.time(rearrange(x, "(b t) c h w -> b c t h w", t=frames))
        moving = rearrange(moving, "b c t h w -> (b t) c h w")
        out: Tensor = x + self.mix(nn.functional.gelu(moving))
        return out


class _Temporal(nn.Module):
    """A gated residual convolution over time."""

    def __init__(self, dim: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.depthwise = nn.Conv1d(
            dim, dim, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=dim
        )
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x: Float[Tensor, "batch frames dim"]) -> Float[Tensor, "batch frames dim"]:
        y = rearrange(self.depthwise(rearrange(self.norm(x), "b t d -> b d t")), "b d t -> b t d")
        out: Tensor = x + self.mlp(y)
        return out


class MotionStem(nn.Module):
    """Frames at `config.fps` to motion tokens, onset logits and material logits."""

    def __init__(self, config: MotionConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        widths = (9, *config.widths)
        self.stages = nn.ModuleList(_SpaceTime(a, b) for a, b in zip(widths, widths[1:], strict=False))
        # Mean says how much of the picture moves, maximum says that something somewhere does.
        self.pool = nn.Linear(2 * widths[-1], config.dim)
        self.temporal = nn.ModuleList(_Temporal(config.dim, 5, (1, 2, 4)[i % 3]) for i in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)
        self.onsets = nn.Linear(config.dim, ONSETS_PER_FRAME)
        self.classes = nn.Linear(config.dim, classes)

    def forward(self, pixels: Float[Tensor, "batch frames 3 height width"]) -> Motion:
        """`pixels` in [-1, 1]; any picture size of at least 8x8, any number of frames."""
        batch, frames = pixels.shape[:2]
        # Contrast normalisation per clip: lighting and exposure must not matter.
        centred = pixels - pixels.mean(dim=(1, 3, 4), keepdim=True)
        scaled = centred / (centred.square().mean(dim=(1, 2, 3, 4), keepdim=True).sqrt() + 0.1)
        step = scaled[:, 1:] - scaled[:, :-1]
        edge = torch.zeros_like(scaled[:, :1])
        before, after = torch.cat((edge, step), dim=1), torch.cat((step, edge), dim=1)
        x = rearrange(torch.cat((scaled, 3 * before, 3 * after), dim=2), "b t c h w -> (b t) c h w")
        x = x.contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            x = stage(x, frames)
        pooled = torch.cat((x.mean(dim=(2, 3)), x.amax(dim=(2, 3))), dim=1)
        tokens = rearrange(self.pool(pooled), "(b t) d -> b t d", b=batch)
        for layer in self.temporal:
            tokens = layer(tokens)
        tokens = self.norm(tokens)
        return Motion(
            tokens=tokens,
            onset_logits=rearrange(self.onsets(tokens), "b t two -> b (t two)"),
            class_logits=self.classes(tokens),
        )
