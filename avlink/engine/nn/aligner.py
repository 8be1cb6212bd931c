"""The aligner: how well sound fits pictures, moment by moment, in one space. Not in the paper's model.

Two baselines of the paper's tables are guided by such a network: Seeing-and-Hearing (Xing et al. 2024) by ImageBind on
the predicted sound, Diff-Foley (Luo et al. 2023) by a classifier on noisy latents. This one reads latents at any flow
time, so that it serves both, and learns on the clips of a training.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from avlink.core.architecture import AVLinkConfig
from avlink.core.motion_config import AlignerConfig
from avlink.engine.nn.embed import TimeEmbedding
from avlink.engine.nn.motion import Pool, Temporal

_DIFFERENCE = 3.0
"""Differences of neighbouring pictures are much smaller than the pictures themselves."""
_SHARPNESS = 10.0
"""Factor of alignments in the loss, before it is learned: they lie in [-1, 1], too close together for a softmax."""


class Aligner(nn.Module):
    """Unit vectors of sound and of pictures at common moments. Raises ValueError for a model without an aligner."""

    def __init__(self, config: AVLinkConfig) -> None:
        super().__init__()
        if config.aligner is None:
            raise ValueError("an aligner needs [model.aligner]")
        rate = config.picture.fps * config.aligner.moments
        self.sound = _SoundEncoder(config.aligner, config.vae.latent_channels, config.tokens_per_second / rate)
        self.picture = _SeenEncoder(config.aligner)
        # One element, not a scalar: FSDP divides parameters along their first axis.
        self.sharpness = nn.Parameter(torch.tensor([_SHARPNESS]).log())

    def hear(
        self, latents: Float[Tensor, "batch tokens channels"], t: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch moments space"]:
        """Return the vectors of latents at flow times `t`, for at least one moment of any number of tokens."""
        return normalize(self.sound(latents, t).float(), dim=-1)

    def see(self, pixels: Float[Tensor, "batch frames 3 height width"]) -> Float[Tensor, "batch moments space"]:
        """Return the vectors of `pixels` in [-1, 1] at the video backbone's rate: frames of at least 8x8."""
        return normalize(self.picture(pixels).float(), dim=-1)


def alignment(
    sound: Float[Tensor, "batch heard space"], picture: Float[Tensor, "batch seen space"]
) -> Float[Tensor, " batch"]:
    """Return the mean cosine of unit vectors, in [-1, 1], over the moments that both sides have."""
    # Pictures cover a window to its end, and tokens may end before it.
    both = min(sound.shape[1], picture.shape[1])
    return (sound[:, :both] * picture[:, :both]).sum(-1).mean(-1)


class _SoundEncoder(nn.Module):
    """Layers over the tokens, then over the moments; `tokens` of them pass in a moment."""

    def __init__(self, config: AlignerConfig, channels: int, tokens: float) -> None:
        super().__init__()
        self.tokens = tokens
        self.time = TimeEmbedding(config.dim)
        self.inputs = nn.Linear(channels, config.dim)
        # Attacks are shorter than a moment.
        self.near = Temporal(config.dim, 5, 1)
        self.layers = _layers(config)
        self.out = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, config.space))

    def forward(
        self, latents: Float[Tensor, "batch tokens channels"], t: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch moments space"]:
        x = self.near(self.inputs(latents) + self.time(t)[:, None])
        out: Tensor = self.out(self.layers(_at_moments(x, self.tokens)))
        return out


class _SeenEncoder(nn.Module):
    """Convolutions over each picture and its differences to both neighbours, pooled, then layers over the moments."""

    def __init__(self, config: AlignerConfig) -> None:
        super().__init__()
        first, second = config.widths
        self.moments = config.moments
        self.look = nn.Sequential(
            # A stride of 4 in the first layer: at full size everything after it would be expensive.
            nn.Conv2d(9, first, 6, stride=4, padding=1),
            nn.GELU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.GELU(),
        )
        self.pool = Pool(second, config.dim)
        self.spread = nn.Linear(config.dim, config.moments * config.dim)
        self.layers = _layers(config)
        self.out = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, config.space))

    def forward(self, pixels: Float[Tensor, "batch frames 3 height width"]) -> Float[Tensor, "batch moments space"]:
        change = _DIFFERENCE * (pixels[:, 1:] - pixels[:, :-1])
        still = torch.zeros_like(pixels[:, :1])
        seen = torch.cat((pixels, torch.cat((still, change), dim=1), torch.cat((change, still), dim=1)), dim=2)
        y = self.look(rearrange(seen, "b t c h w -> (b t) c h w"))
        x = gelu(self.pool(rearrange(y, "(b t) c h w -> b t h w c", b=len(pixels))))
        x = rearrange(self.spread(x), "b t (moments c) -> b (t moments) c", moments=self.moments)
        out: Tensor = self.out(self.layers(x))
        return out


def _layers(config: AlignerConfig) -> nn.Sequential:
    return nn.Sequential(*(Temporal(config.dim, 5, (1, 2, 4)[i % 3]) for i in range(config.layers)))


def _at_moments(x: Float[Tensor, "batch tokens dim"], tokens: float) -> Float[Tensor, "batch moments dim"]:
    """Return `x` at the centres of its whole moments, one every `tokens`, between the centres of its tokens."""
    # At least one. Lengths are quotients: a window of whole moments must not lose its last one to rounding.
    count = max(1, int(x.shape[1] / tokens + 1e-6))
    centres = (torch.arange(count, device=x.device) + 0.5) * tokens - 0.5
    # In fp32, and clamped: beyond the outer centres the outer tokens are held.
    place = centres.float().clamp(0, x.shape[1] - 1)
    before = place.floor().long()
    after = (before + 1).clamp(max=x.shape[1] - 1)
    share = (place - before)[:, None].to(x.dtype)
    return x[:, before] * (1 - share) + x[:, after] * share
