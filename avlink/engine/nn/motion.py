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
_LOOK_EVERY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What the stem saw: tokens for the Fusion Blocks, and its own guesses."""

    tokens: Float[Tensor, "batch frames dim"]
    onset_logits: Float[Tensor, "batch bins"]
    """Two bins a frame; bin b is centred on (b + 0.5) / (2 fps) seconds."""
    class_logits: Float[Tensor, "batch frames classes"]


class _Differences(nn.Module):
    """Convolution of each frame and of its signed differences to both neighbours.

    Convolution is linear: all three are one convolution of the frame, subtracted afterwards where pictures are already
    small. In fp32 always, since the difference of two nearly equal bf16 values is noise.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        # It shrinks fourfold at once: at full size everything after it would be expensive.
        self.space = nn.Conv2d(3, 3 * channels, 6, stride=4, padding=1)

    def forward(self, x: Float[Tensor, "b t 3 h w"]) -> Float[Tensor, "b t h2 w2 c"]:
        with torch.autocast(x.device.type, enabled=False):
            y = self.space(rearrange(x, "b t c h w -> (b t) c h w"))
            y = rearrange(y, "(b t) c h w -> b t h w c", b=x.shape[0])
            still, past, future = y.chunk(3, dim=-1)
            zero = torch.zeros_like(past[:, :1])
            past = torch.cat((zero, past[:, 1:] - past[:, :-1]), dim=1)
            future = torch.cat((future[:, 1:] - future[:, :-1], zero), dim=1)
            return still + 3 * (past + future)


class _SpaceTime(nn.Module):
    """An optional strided convolution over each picture, then a residual mix of each place with its past and future.

    The mix is a linear layer on three frames side by side: on CPUs far quicker than a convolution over time.
    """

    def __init__(self, in_channels: int | None, channels: int) -> None:
        super().__init__()
        self.space = None if in_channels is None else nn.Conv2d(in_channels, channels, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(channels)
        self.mix = nn.Sequential(nn.Linear(3 * channels, channels), nn.GELU(), nn.Linear(channels, channels))

    def forward(self, x: Float[Tensor, "b t h w c"]) -> Float[Tensor, "b t h2 w2 c2"]:
        if self.space is not None:
            y = self.space(rearrange(x, "b t h w c -> (b t) c h w"))
            x = rearrange(y, "(b t) c h w -> b t h w c", b=x.shape[0])
        x = self.norm(nn.functional.gelu(x))
        edge = torch.zeros_like(x[:, :1])
        before, after = torch.cat((edge, x[:, :-1]), dim=1), torch.cat((x[:, 1:], edge), dim=1)
        out: Tensor = x + self.mix(torch.cat((before, x, after), dim=-1))
        return out


class _Pool(nn.Module):
    """A picture's places to one vector: mean, maximum, and where a few learned questions look."""

    def __init__(self, channels: int, dim: int, questions: int = 4) -> None:
        super().__init__()
        self.scores = nn.Linear(channels, questions)
        self.out = nn.Linear((2 + questions) * channels, dim)

    def forward(self, x: Float[Tensor, "b t h w c"]) -> Float[Tensor, "b t dim"]:
        places = rearrange(x, "b t h w c -> b t (h w) c")
        looks = self.scores(places).softmax(dim=2).transpose(2, 3) @ places
        pooled = torch.cat((places.mean(2), places.amax(2), looks.flatten(2)), dim=2)
        out: Tensor = self.out(pooled)
        return out


class _LookBlock(nn.Module):
    """A residual pair of convolutions: how the texture of a place goes on around it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.near = nn.Conv2d(channels, channels, 3, padding=1)
        self.mix = nn.Conv2d(channels, channels, 1)
        # It begins as no block at all: what comes before it learns first.
        nn.init.zeros_(self.mix.weight)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        out: Tensor = x + self.mix(nn.functional.gelu(self.near(self.norm(x))))
        return out


class _Appearance(nn.Module):
    """What things look like: colour and fine texture of single frames, at full size.

    Trained first and alone: single frames are cheap, and what a thing is made of takes many of them to learn.
    """

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        one, two, three = config.look_widths
        self.layers = nn.Sequential(
            nn.Conv2d(3, one, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(one, two, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(two, three, 3, stride=2, padding=1),
            nn.GELU(),
            *(_LookBlock(three) for _ in range(config.look_blocks)),
        )
        self.pool = _Pool(three, config.dim)
        self.classes = nn.Linear(config.dim, max(1, len(config.classes)))
        self.places = nn.Conv2d(three, config.widths[0], 1)
        self.look = nn.Linear(config.dim, config.dim)

    @property
    def learned_alone(self) -> tuple[nn.Module, ...]:
        """What single pictures teach; the few thousand scenes of later stages would be learned by heart instead."""
        return self.layers, self.pool, self.classes

    def name(self, x: Float[Tensor, "frames 3 h w"]) -> Float[Tensor, "frames classes"]:
        """Class logits of single frames."""
        out: Tensor = self.classes(self._summary(self.layers(x)))
        return out

    def _summary(self, y: Float[Tensor, "frames c h w"]) -> Float[Tensor, "frames dim"]:
        return nn.functional.gelu(self.pool(rearrange(y, "n c h w -> n 1 h w c"))[:, 0])

    def forward(self, x: Float[Tensor, "frames 3 h w"]) -> tuple[Tensor, Tensor]:
        """What is where, (frames, h / 4, w / 4, channels), and what there is at all, (frames, dim)."""
        y = self.layers(x)
        return rearrange(self.places(y), "n c h w -> n h w c"), self.look(self._summary(y))


class _Temporal(nn.Module):
    """A gated residual convolution over time."""

    def __init__(self, dim: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x: Float[Tensor, "batch frames dim"]) -> Float[Tensor, "batch frames dim"]:
        y = rearrange(self.depthwise(rearrange(self.norm(x), "b t d -> b d t")), "b d t -> b t d")
        out: Tensor = x + self.mlp(y)
        return out


class MotionStem(nn.Module):
    """Frames at `config.fps` to motion tokens, onset logits and material logits."""

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.differences = _Differences(widths[0])
        classes = max(1, len(config.classes))
        self.appearance = _Appearance(config)
        self.stages = nn.ModuleList(_SpaceTime(a, b) for a, b in zip((None, *widths), widths, strict=False))
        self.pool = _Pool(widths[-1], config.dim)
        self.temporal = nn.ModuleList(_Temporal(config.dim, 5, (1, 2, 4)[i % 3]) for i in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)
        self.onsets = nn.Linear(config.dim, ONSETS_PER_FRAME)
        self.classes = nn.Linear(config.dim, classes)

    def forward(self, pixels: Float[Tensor, "batch frames 3 height width"]) -> Motion:
        """`pixels` in [-1, 1]; any picture size of at least 8x8, any number of frames."""
        # Contrast is normalised per clip: lighting and exposure must not matter to what moves. What a thing is made
        # of shows in its own colours, which are read as they are. A quarter of the pixels tells the contrast.
        some = pixels[..., ::2, ::2]
        mean = some.mean(dim=(1, 3, 4), keepdim=True)
        spread = (some - mean).square().mean(dim=(1, 2, 3, 4), keepdim=True).sqrt()
        y = self.differences((pixels - mean) / (spread + 0.1))
        # Looks change slowly: one frame in four tells them.
        batch, frames = pixels.shape[:2]
        places, look = self.appearance(rearrange(pixels[:, ::_LOOK_EVERY], "b t c h w -> (b t) c h w"))
        held = rearrange(places, "(b t) h w c -> b t h w c", b=batch).repeat_interleave(_LOOK_EVERY, dim=1)
        y = y + held[:, :frames]
        for stage in self.stages:
            y = stage(y)
        look = rearrange(look, "(b t) d -> b t d", b=batch).repeat_interleave(_LOOK_EVERY, dim=1)
        tokens = self.pool(y) + look[:, :frames]
        for layer in self.temporal:
            tokens = layer(tokens)
        tokens = self.norm(tokens)
        return Motion(
            tokens=tokens,
            onset_logits=rearrange(self.onsets(tokens), "b t two -> b (t two)"),
            class_logits=self.classes(tokens),
        )
