"""Onsets read from the video stream of a fusion, for a loss in training alone."""

from __future__ import annotations

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import VideoConfig

ONSETS_A_SECOND = 48
"""Bins a second: as many as the motion stem has, of 24 frames."""


class OnsetReadout(nn.Module):
    """A linear layer on each token of the video stream: keys and values of the fusion can tell what it reads."""

    def __init__(self, dim: int, picture: VideoConfig) -> None:
        super().__init__()
        _, height, width = picture.patch
        self.places = (picture.height // height) * (picture.width // width)
        self.norm = nn.LayerNorm(dim)
        self.onsets = nn.Linear(dim, round(ONSETS_A_SECOND / picture.moments_per_second))

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch bins"]:
        """Return onset logits, `ONSETS_A_SECOND` of them: those of the places of a moment together."""
        logits = rearrange(self.onsets(self.norm(x)), "b (t places) bins -> b places (t bins)", places=self.places)
        # A smooth maximum: something sounds where any place shows it.
        out: Tensor = logits.float().logsumexp(dim=1)
        return out
