"""The temporal controller: hits as a condition of the audio stream (FoleyCrafter, Zhang et al. 2024). Not in AV-Link.

Hits become a curve on the time axis of the audio tokens. A small network adds its features of the curve to the
activations of the audio backbone, before every span that a Fusion Block ends. Without a curve nothing is added.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.hits import Hit
from avlink.core.motion_config import ControllerConfig
from avlink.engine.nn.embed import TimeEmbedding
from avlink.engine.nn.motion import Temporal


def hit_curve(
    hits: Sequence[Hit],
    config: ControllerConfig,
    *,
    tokens: int,
    tokens_per_second: float,
    start_s: float = 0.0,
    known_s: tuple[float, float] | None = None,
) -> Float[Tensor, "tokens channels"]:
    """Return hits as a curve over audio tokens; the first token begins at `start_s`.

    A token has `config.bins` bins with the share of an impulse that falls on each, as many with its strength, one
    channel per kind, and one that is 1 throughout: it tells a curve without hits from none. A hit between two bins is
    divided between them. Hits outside are left out, and kinds that the configuration does not name count as none.

    With `known_s` the tokens that are not within that stretch are zero throughout: there the model decides.
    """
    bins, kinds = config.bins, {kind: number for number, kind in enumerate(config.kinds)}
    impulses, strengths = torch.zeros(tokens * bins), torch.zeros(tokens * bins)
    named = torch.zeros(tokens, len(kinds))
    for hit in hits:
        # Bins are centred at (b + 0.5) / (bins x tokens per second).
        at = (float(hit.time_s) - start_s) * tokens_per_second * bins - 0.5
        low = int(at // 1)
        if not -1 <= low < tokens * bins:
            continue
        for number, share in ((low, 1 - (at - low)), (low + 1, at - low)):
            if 0 <= number < tokens * bins:
                impulses[number] += share
                strengths[number] = max(float(strengths[number]), hit.strength) if share > 0 else strengths[number]
        if hit.kind in kinds:
            named[min(max(low, 0) // bins, tokens - 1), kinds[hit.kind]] = 1.0
    rows = (impulses.view(tokens, bins), strengths.view(tokens, bins), named, torch.ones(tokens, 1))
    curve = torch.cat(rows, dim=1)
    if known_s is not None:
        first, last = ((moment_s - start_s) * tokens_per_second for moment_s in known_s)
        token = torch.arange(tokens)
        curve[(token + 1 <= first) | (token >= last)] = 0
    return curve


def curve_channels(config: ControllerConfig) -> int:
    """Return the number of channels of `hit_curve`."""
    return 2 * config.bins + len(config.kinds) + 1


class TemporalController(nn.Module):
    """Features of a hit curve for each span of the audio backbone; zero before training."""

    def __init__(self, config: ControllerConfig, audio_dim: int, spans: int) -> None:
        super().__init__()
        self.config = config
        self.inputs = nn.Linear(curve_channels(config), config.dim)
        # Dilations of 1, 2, 4: four layers of five tokens see 33 of them, 1.3 s at 25 a second.
        self.layers = nn.ModuleList(Temporal(config.dim, 5, (1, 2, 4)[i % 3]) for i in range(config.layers))
        self.time = TimeEmbedding(config.dim)
        self.norm = nn.LayerNorm(config.dim)
        self.outputs = nn.ModuleList(nn.Linear(config.dim, audio_dim) for _ in range(spans))
        # As in ControlNet: an untrained controller leaves the model as it is.
        for layer in self.outputs:
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, curve: Float[Tensor, "batch tokens channels"], t_a: Float[Tensor, " batch"]
    ) -> Float[Tensor, "spans batch tokens dim"]:
        """Return what is added to the tokens before each span.

        Nothing is added to tokens whose curve is zero throughout.
        """
        # Noisy tokens need other features than nearly finished ones.
        x = self.inputs(curve) + self.time(t_a)[:, None]
        for layer in self.layers:
            x = layer(x)
        x = torch.nn.functional.gelu(self.norm(x))
        given = curve[..., -1:]
        return torch.stack([layer(x) * given for layer in self.outputs])
