"""Simpler ways than a Fusion Block to bring conditioning features into a backbone (table 2, feature injection).

Both see one vector a moment: a picture's tokens are averaged, as the cited models have one vector a picture. Neither
changes the conditioning stream.
"""

from __future__ import annotations

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import FusionConfig
from avlink.engine.nn.dit import modulate
from avlink.engine.nn.embed import sinusoids

_PLACE_DIM = 64


def moments(
    x: Float[Tensor, "batch tokens dim"], times: Float[Tensor, " tokens"]
) -> tuple[Float[Tensor, "batch moments dim"], Float[Tensor, " moments"]]:
    """Tokens of equal time, which stand together, averaged into one."""
    per_moment = int((times == times[0]).sum())
    return reduce(x, "b (t k) d -> b t d", "mean", k=per_moment), times[::per_moment]


class DirectBlock(nn.Module):
    """Direct alignment (Movie Gen Audio): features repeated to the generated stream's rate, projected, and added.

    The projection starts at zero: a fresh one leaves the backbone as it is.
    """

    def __init__(self, config: FusionConfig, conditioning_dim: int, generated_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(conditioning_dim, eps=1e-6, elementwise_affine=False)
        self.table = nn.Linear(config.dim, 2 * conditioning_dim)
        self.project = nn.Linear(conditioning_dim, generated_dim)
        for layer in (self.table, self.project):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        conditioning: Float[Tensor, "batch others other_dim"],
        time: Float[Tensor, "batch common"],
        at: Float[Tensor, " tokens"],
        others_at: Float[Tensor, " others"],
    ) -> Float[Tensor, "batch tokens dim"]:
        """`x` with the features of the nearest moment added; `at` and `others_at` are in video frames."""
        seen, when = moments(conditioning, others_at)
        shift, scale = self.table(time).chunk(2, dim=-1)
        nearest = (at[:, None] - when[None]).abs().argmin(dim=1)
        out: Tensor = x + self.project(modulate(self.norm(seen), shift, scale))[:, nearest]
        return out


class TextLink(nn.Module):
    """Concatenation to text (Diff-Foley): features after every stop, as further words with their moment."""

    def __init__(self, config: FusionConfig, conditioning_dim: int, text_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(conditioning_dim, eps=1e-6, elementwise_affine=False)
        self.project = nn.ModuleList(nn.Linear(conditioning_dim, text_dim) for _ in range(config.blocks))
        self.place = nn.Linear(_PLACE_DIM, text_dim)

    def forward(
        self, seen: list[Float[Tensor, "batch others other_dim"]], others_at: Float[Tensor, " others"], span: float
    ) -> Float[Tensor, "batch words text_dim"]:
        """Words for the features after each stop; `others_at` in video frames, of `span` in a window."""
        words = torch.stack(
            [project(self.norm(moments(x, others_at)[0])) for x, project in zip(seen, self.project, strict=True)]
        ).mean(dim=0)
        when = moments(seen[0], others_at)[1]
        out: Tensor = words + self.place(sinusoids(when / span, _PLACE_DIM).to(words.dtype))
        return out
