"""The flow spotter: a network that finds sounding events in motion maps. Not in the paper.

It learns from rendered scenes where in the picture each event is, besides when: places teach far more than moments.
It reads maps of motion, not pixels, so that scenes of boxes and balls teach something about film.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d

from avlink.core.motion_config import MAP_PICTURE, FlowSpotterConfig, SpotterConfig
from avlink.engine.motion_maps import FEATURES, grey_of, motion_maps
from avlink.engine.nn.motion import Motion, MotionStem

MAPS_PER_TOKEN = 2
HEAT_ROWS, HEAT_COLS = 5, 8
"""Places that the network tells of: every second one of the maps."""

_USUAL_TIMES = 3.0
_AROUND = 2 * int(MAP_PICTURE.rate) + 1
"""Frames of which the usual motion is taken: a second on both sides."""
# Per channel of the maps: what moves less than this in a whole clip is noise.
_LEAST = (0.3, 0.1, 0.3, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowReading:
    """Output of the network on maps: logits, and tokens that they are read from."""

    tokens: Float[Tensor, "batch tokens dim"]
    onset_logits: Float[Tensor, "batch frames"]
    class_logits: Float[Tensor, "batch tokens classes"]
    heat: Float[Tensor, "batch frames rows cols"]
    """Logits of an event at each place."""


class TimeMix(nn.Module):
    """A residual MLP over neighbouring moments of each place; x is (batch, moments, ..., channels)."""

    def __init__(self, channels: int, taps: int, dilation: int) -> None:
        super().__init__()
        self.taps, self.dilation = taps, dilation
        self.norm = nn.LayerNorm(channels)
        self.mix = nn.Sequential(nn.Linear(taps * channels, channels), nn.GELU(), nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        reach, count = self.taps // 2 * self.dilation, x.shape[1]
        # Zeros beyond both ends of the clip.
        padded = nn.functional.pad(self.norm(x), (0, 0) * (x.ndim - 2) + (reach, reach))
        near = [padded[:, tap * self.dilation : tap * self.dilation + count] for tap in range(self.taps)]
        out: Tensor = x + self.mix(torch.cat(near, dim=-1))
        return out


class SpaceMix(nn.Module):
    """A residual depthwise convolution over the places of each moment."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.near = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.mix = nn.Sequential(nn.GELU(), nn.Linear(channels, channels))

    def forward(self, x: Float[Tensor, "b t h w c"]) -> Float[Tensor, "b t h w c"]:
        y = self.near(rearrange(self.norm(x), "b t h w c -> (b t) c h w"))
        out: Tensor = x + self.mix(rearrange(y, "(b t) c h w -> b t h w c", b=x.shape[0]))
        return out


class FlowSpotter(nn.Module):
    """Onsets and their kinds, from pictures of `MAP_PICTURE`."""

    onsets_per_frame, fps = 1, int(MAP_PICTURE.rate)

    def __init__(self, config: FlowSpotterConfig) -> None:
        super().__init__()
        self.config = config
        places, dim = config.place_dim, config.dim
        # Each token sees the maps of its own frames and of one token's frames on both sides.
        self.inputs = nn.Conv2d(3 * MAPS_PER_TOKEN * len(FEATURES), places, 3, stride=2, padding=1)
        self.places = nn.ModuleList()
        for layer in range(config.place_layers):
            self.places.extend((TimeMix(places, 5, _dilation(layer)), SpaceMix(places)))
        self.heat = nn.Sequential(nn.LayerNorm(places), nn.Linear(places, MAPS_PER_TOKEN))
        self.scores = nn.Linear(places, 2)
        self.pooled = nn.Linear(4 * places + MAPS_PER_TOKEN, dim)
        self.moments = nn.ModuleList(TimeMix(dim, 5, _dilation(layer)) for layer in range(config.layers))
        self.norm = nn.LayerNorm(dim)
        self.onsets = nn.Linear(dim, MAPS_PER_TOKEN)
        self.classes = nn.Linear(dim, max(1, len(config.classes)))

    def forward(self, pixels: Float[Tensor, "batch frames 3 height width"]) -> Motion:
        """Encode `pixels` in [-1, 1] of `MAP_PICTURE`, any number of them."""
        maps = torch.stack([motion_maps(grey_of(clip), self.fps) for clip in pixels])
        return self.told_by(self.read(maps), pixels.shape[1])

    @staticmethod
    def told_by(spotted: FlowReading, frames: int | None = None) -> Motion:
        """Return what is seen in each frame, of the first `frames`."""
        tokens, classes = (
            each.repeat_interleave(MAPS_PER_TOKEN, dim=1)[:, :frames] for each in (spotted.tokens, spotted.class_logits)
        )
        return Motion(tokens=tokens, onset_logits=spotted.onset_logits[:, :frames], class_logits=classes)

    def read(self, maps: Float[Tensor, "batch frames rows cols features"]) -> FlowReading:
        """Return what is seen in motion maps; an odd last one is repeated."""
        if maps.shape[1] % MAPS_PER_TOKEN:
            maps = torch.cat((maps, maps[:, -1:]), dim=1)
        x = rearrange(scaled(maps), "b (t two) h w f -> b t (two f) h w", two=MAPS_PER_TOKEN)
        edge = torch.zeros_like(x[:, :1])
        x = torch.cat((torch.cat((edge, x[:, :-1]), 1), x, torch.cat((x[:, 1:], edge), 1)), dim=2)
        y = nn.functional.gelu(self.inputs(rearrange(x, "b t c h w -> (b t) c h w")))
        y = rearrange(y, "(b t) c h w -> b t h w c", b=maps.shape[0])
        for layer in self.places:
            y = layer(y)
        heat = self.heat(y)
        flat = rearrange(y, "b t h w c -> b t (h w) c")
        attended = self.scores(flat).softmax(dim=2).transpose(2, 3) @ flat
        hottest = heat.flatten(2, 3).amax(dim=2)
        z = self.pooled(torch.cat((flat.mean(2), flat.amax(2), attended.flatten(2), hottest), dim=-1))
        for layer in self.moments:
            z = layer(z)
        tokens = self.norm(z)
        return FlowReading(
            tokens=tokens,
            onset_logits=self.onsets(tokens).flatten(1),
            class_logits=self.classes(tokens),
            heat=rearrange(heat, "b t h w two -> b (t two) h w"),
        )


def scaled(maps: Float[Tensor, "batch frames rows cols features"]) -> Float[Tensor, "batch frames rows cols features"]:
    """Return maps compared with the usual motion around them: some footage is all calm, and some all wild."""
    power = rearrange(maps.square().mean(dim=(2, 3)), "b t f -> b f t")
    # Around, and not of the clip: then what is seen does not depend on how much of a film is read at once.
    near = avg_pool1d(power, _AROUND, stride=1, padding=_AROUND // 2, count_include_pad=False)
    spread = rearrange(near.sqrt(), "b f t -> b t 1 1 f")
    x = maps / (_USUAL_TIMES * spread + maps.new_tensor(_LEAST))
    return x.sign() * torch.log1p(3 * x.abs().clamp(max=50))


def _dilation(layer: int) -> int:
    return (1, 2, 4)[layer % 3]


def make_spotter(config: SpotterConfig | FlowSpotterConfig) -> MotionStem | FlowSpotter:
    """Return a spotter with random weights: a network on motion maps, or a motion stem, as older models have."""
    return FlowSpotter(config) if isinstance(config, FlowSpotterConfig) else MotionStem(config)
