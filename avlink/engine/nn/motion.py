"""The motion stem: a small convolutional network that detects contacts. Not in the paper.

It reads frames at a higher rate than the video backbone, each with its signed differences to both neighbours, and
returns one token per frame. It is trained with the fusion under two auxiliary losses: onsets at twice the frame rate,
and the material at each onset. Frozen features of a small video model do not generalise to other pictures; these do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import FusionConfig
from avlink.core.motion_config import MotionConfig
from avlink.engine.nn.attention import AlignedHeads

ONSETS_PER_FRAME = 2
_APPEARANCE_EVERY = 4
"""Frames per look at colour and texture, which change slowly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Output of the stem: tokens for the Fusion Blocks, and logits for its own losses."""

    tokens: Float[Tensor, "batch frames dim"]
    onset_logits: Float[Tensor, "batch bins"]
    """Two bins a frame; bin b is centred on (b + 0.5) / (2 fps) seconds."""
    class_logits: Float[Tensor, "batch frames classes"]


class _Differences(nn.Module):
    """Convolution of each frame and of its signed differences to both neighbours, at a quarter of the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # A stride of 4 in the first layer: at full size everything after it would be expensive.
        self.space = nn.Conv2d(3, 3 * channels, 6, stride=4, padding=1)

    def forward(self, x: Float[Tensor, "b t 3 h w"]) -> Float[Tensor, "b t h2 w2 c"]:
        # In fp32 always: the difference of two nearly equal bf16 values is rounding noise.
        with torch.autocast(x.device.type, enabled=False):
            y = self.space(rearrange(x, "b t c h w -> (b t) c h w"))
            y = rearrange(y, "(b t) c h w -> b t h w c", b=x.shape[0])
            # Convolution is linear: frames are convolved once and subtracted afterwards, when they are small.
            # Each (b, t, h / 4, w / 4, channels), with filters of its own for frames, past and future.
            still, past, future = y.chunk(3, dim=-1)
            # The first frame has no past and the last one no future: nothing moves there.
            zero = torch.zeros_like(past[:, :1])
            past = torch.cat((zero, past[:, 1:] - past[:, :-1]), dim=1)
            future = torch.cat((future[:, 1:] - future[:, :-1], zero), dim=1)
            # Times 3: differences of neighbouring frames are much smaller than the frames themselves.
            return still + 3 * (past + future)


class _SpaceTime(nn.Module):
    """An optional strided convolution over each frame, then a residual mix of each position over three frames."""

    def __init__(self, in_channels: int | None, channels: int) -> None:
        super().__init__()
        self.space = None if in_channels is None else nn.Conv2d(in_channels, channels, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(channels)
        # Three frames side by side in a linear layer: on CPUs far faster than a convolution over time.
        self.mix = nn.Sequential(nn.Linear(3 * channels, channels), nn.GELU(), nn.Linear(channels, channels))

    def forward(self, x: Float[Tensor, "b t h w c"]) -> Float[Tensor, "b t h2 w2 c2"]:
        if self.space is not None:
            y = self.space(rearrange(x, "b t h w c -> (b t) c h w"))
            x = rearrange(y, "(b t) c h w -> b t h w c", b=x.shape[0])
        x = self.norm(nn.functional.gelu(x))
        # Zeros beyond both ends, as a padded convolution has.
        edge = torch.zeros_like(x[:, :1])
        before, after = torch.cat((edge, x[:, :-1]), dim=1), torch.cat((x[:, 1:], edge), dim=1)
        out: Tensor = x + self.mix(torch.cat((before, x, after), dim=-1))
        return out


class Pool(nn.Module):
    """Pooling of a frame's positions into one vector: mean, maximum, and attention by a few learned queries."""

    def __init__(self, channels: int, dim: int, queries: int = 4) -> None:
        super().__init__()
        self.scores = nn.Linear(channels, queries)
        self.out = nn.Linear((2 + queries) * channels, dim)

    def forward(self, x: Float[Tensor, "b t h w c"]) -> Float[Tensor, "b t dim"]:
        positions = rearrange(x, "b t h w c -> b t (h w) c")
        # (b, t, queries, positions) @ (b, t, positions, channels).
        attended = self.scores(positions).softmax(dim=2).transpose(2, 3) @ positions
        # The maximum finds a contact anywhere in the frame, which a mean over all positions would dilute.
        pooled = torch.cat((positions.mean(2), positions.amax(2), attended.flatten(2)), dim=2)
        out: Tensor = self.out(pooled)
        return out


class _TextureBlock(nn.Module):
    """A residual pair of convolutions over the surroundings of each position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # One group instead of batch statistics: the clips of a batch must not change each other.
        self.norm = nn.GroupNorm(1, channels)
        self.near = nn.Conv2d(channels, channels, 3, padding=1)
        self.mix = nn.Conv2d(channels, channels, 1)
        # Starts as the identity: the layers before it learn first.
        nn.init.zeros_(self.mix.weight)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        out: Tensor = x + self.mix(nn.functional.gelu(self.near(self.norm(x))))
        return out


class _Appearance(nn.Module):
    """Colour and fine texture of single frames, at full size: the cues to a material.

    Trained first and alone: single frames are cheap, and materials take many of them to learn.
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
            *(_TextureBlock(three) for _ in range(config.look_blocks)),
        )
        self.pool = Pool(three, config.dim)
        self.classes = nn.Linear(config.dim, max(1, len(config.classes)))
        self.places = nn.Conv2d(three, config.widths[0], 1)
        self.look = nn.Linear(config.dim, config.dim)

    @property
    def learned_alone(self) -> tuple[nn.Module, ...]:
        """The layers that only single frames train; on the few thousand scenes of later stages they would overfit."""
        return self.layers, self.pool, self.classes

    def classify(self, x: Float[Tensor, "frames 3 h w"]) -> Float[Tensor, "frames classes"]:
        """Return class logits of single frames."""
        out: Tensor = self.classes(self._summary(self.layers(x)))
        return out

    def _summary(self, y: Float[Tensor, "frames c h w"]) -> Float[Tensor, "frames dim"]:
        return nn.functional.gelu(self.pool(rearrange(y, "n c h w -> n 1 h w c"))[:, 0])

    def forward(self, x: Float[Tensor, "frames 3 h w"]) -> tuple[Tensor, Tensor]:
        """Return features per position, (frames, h / 4, w / 4, channels), and per frame, (frames, dim)."""
        y = self.layers(x)
        return rearrange(self.places(y), "n c h w -> n h w c"), self.look(self._summary(y))


class Temporal(nn.Module):
    """A residual depthwise convolution over time, then an MLP over channels."""

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
    """Motion tokens, onset logits and material logits of frames at `config.fps`."""

    onsets_per_frame = ONSETS_PER_FRAME

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        self.config, self.fps = config, config.fps
        widths = config.widths
        self.differences = _Differences(widths[0])
        # A model that names no materials keeps one unused class: layers of size 0 cannot be initialised.
        classes = max(1, len(config.classes))
        self.appearance = _Appearance(config)
        # The first stage works at the size that `_Differences` returns; each later one halves it.
        self.stages = nn.ModuleList(_SpaceTime(a, b) for a, b in zip((None, *widths), widths, strict=False))
        self.pool = Pool(widths[-1], config.dim)
        # Dilations of 1, 2, 4: four layers of five taps see 33 frames, more than a second.
        self.temporal = nn.ModuleList(Temporal(config.dim, 5, (1, 2, 4)[i % 3]) for i in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)
        self.onsets = nn.Linear(config.dim, ONSETS_PER_FRAME)
        self.classes = nn.Linear(config.dim, classes)

    def forward(self, pixels: Float[Tensor, "batch frames 3 height width"]) -> Motion:
        """Encode `pixels` in [-1, 1]: frames of at least 8x8, any number of them."""
        # Contrast is normalised per clip, so that lighting and exposure do not change what moves. Appearance reads the
        # pixels as they are: materials differ in absolute colour. A quarter of the pixels suffices for the contrast.
        # Over all frames of the clip together: normalised one by one, a frame of a flash would look like the others.
        some = pixels[..., ::2, ::2]
        mean = some.mean(dim=(1, 3, 4), keepdim=True)
        spread = (some - mean).square().mean(dim=(1, 2, 3, 4), keepdim=True).sqrt()
        # + 0.1: the noise of a clip without contrast is not amplified.
        y = self.differences((pixels - mean) / (spread + 0.1))
        batch, frames = pixels.shape[:2]
        places, look = self.appearance(rearrange(pixels[:, ::_APPEARANCE_EVERY], "b t c h w -> (b t) c h w"))
        # The features of frame 4 k serve frames 4 k to 4 k + 3. Cut below, where the last four are incomplete.
        held = rearrange(places, "(b t) h w c -> b t h w c", b=batch).repeat_interleave(_APPEARANCE_EVERY, dim=1)
        # (b, t, h / 4, w / 4, channels) both: the look of a place stands beside its motion.
        y = y + held[:, :frames]
        for stage in self.stages:
            y = stage(y)
        look = rearrange(look, "(b t) d -> b t d", b=batch).repeat_interleave(_APPEARANCE_EVERY, dim=1)
        tokens = self.pool(y) + look[:, :frames]
        for layer in self.temporal:
            tokens = layer(tokens)
        # Normalised: Fusion Blocks and both heads then read the same scale, however long the stem has trained.
        return self.told_by(self.norm(tokens))

    def told_by(self, tokens: Float[Tensor, "batch frames dim"]) -> Motion:
        """Return what the heads read from tokens, which may be those of a readout."""
        return Motion(
            tokens=tokens,
            # In order of time: both bins of a frame are neighbours.
            onset_logits=rearrange(self.onsets(tokens), "b t two -> b (t two)"),
            class_logits=self.classes(tokens),
        )


class MotionKeys(nn.Module):
    """Keys and values of motion tokens in a Fusion Block; without queries they are read and not refined."""

    def __init__(self, config: FusionConfig, motion_dim: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(motion_dim, eps=1e-6)
        self.kv = nn.Linear(motion_dim, 2 * config.dim)
        self.keys = AlignedHeads(config)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], rope: Float[Tensor, "tokens pairs 2"]
    ) -> tuple[Tensor, Tensor]:
        k, v = rearrange(self.kv(self.norm(x)), "b n (two h d) -> two b h n d", two=2, h=self.heads)
        return self.keys(k, rope), v
