"""Heads that see hits: small networks on the curves of a clip, which learn from minutes of footage. Not in the paper.

They read a motion stem's logits of an onset beside a curve of motion that has no weights, and may read its tokens.
Both curves are early or late, and sharp or soft, in their own way on every kind of footage: that is what a head learns.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.motion_config import HitHeadConfig

CURVES = 2
"""Curves of a clip: the onset logits of the stem, and motion."""

LOGITS_OF_ONE = 4.0
"""Onset logits are read divided by this, so that both curves have a spread of about 1."""

_DROPPED, _DROPPED_TOKENS = 0.1, 0.2


class _Member(nn.Module):
    """One head. Before it is trained it returns the stem's own logits."""

    def __init__(self, config: HitHeadConfig, dim: int) -> None:
        super().__init__()
        width, kernel = config.width, config.kernel
        self.reduce = nn.Linear(dim, config.tokens) if config.tokens else None
        self.drop = nn.Dropout(_DROPPED_TOKENS)
        self.straight = nn.Conv1d(CURVES, 1, 1, bias=False)
        with torch.no_grad():
            self.straight.weight.zero_()[0, 0] = LOGITS_OF_ONE
        self.layers = nn.Sequential(
            nn.Conv1d(CURVES + config.tokens, width, kernel, padding=kernel // 2),
            nn.ReLU(),
            nn.Dropout(_DROPPED),
            nn.Conv1d(width, width, kernel, padding=kernel // 2),
            nn.ReLU(),
            nn.Conv1d(width, 1, 5, padding=2),
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Conv1d) and last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(
        self, curves: Float[Tensor, "batch curves bins"], tokens: Float[Tensor, "batch bins dim"]
    ) -> Float[Tensor, "batch bins"]:
        seen = [curves]
        if self.reduce is not None:
            seen.append(self.drop(self.reduce(tokens).relu()).transpose(1, 2))
        out: Tensor = self.straight(curves) + self.layers(torch.cat(seen, dim=1))
        return out[:, 0]


class HitHead(nn.Module):
    """Logits of a hit in every bin, from each of `config.members` heads on motion tokens of width `dim`."""

    def __init__(self, config: HitHeadConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(_Member(config, dim) for _ in range(config.members))

    def forward(
        self, curves: Float[Tensor, "batch curves bins"], tokens: Float[Tensor, "batch bins dim"]
    ) -> Float[Tensor, "members batch bins"]:
        """Return logits for any number of bins; without `config.tokens` the tokens are not read, and may have none."""
        return torch.stack([member(curves, tokens) for member in self.members])
