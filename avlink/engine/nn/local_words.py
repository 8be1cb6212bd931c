"""Words of a prompt with the context of their neighbours, and one word of the whole (TempoTokens)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d


class LocalWords(nn.Module):
    """Tokens of TempoTokens (Yariv et al. 2024): a moment's own, means over windows around it, and a class token.

    TempoTokens has a prompt for each picture, with these six as words. Here one prompt serves all moments of a window:
    the means are added to the moment's word, since as words of their own they would make it five times as long.
    """

    def __init__(self, half_widths: Sequence[int], dim: int) -> None:
        super().__init__()
        self.half_widths = tuple(half_widths)
        self.around = nn.ModuleList(nn.Linear(dim, dim, bias=False) for _ in half_widths)
        self.score = nn.Linear(dim, 1)
        self.whole = nn.Linear(dim, dim)

    def forward(
        self, words: Float[Tensor, "batch moments dim"]
    ) -> tuple[Float[Tensor, "batch moments dim"], Float[Tensor, "batch 1 dim"]]:
        """Return the words with the means around them added, and the word of the whole: a mean by learned weights."""
        wide = words
        for half_width, project in zip(self.half_widths, self.around, strict=True):
            wide = wide + project(local_means(words, half_width))
        weights = self.score(words).softmax(dim=1)
        return wide, self.whole(torch.sum(weights * words, dim=1, keepdim=True))


def local_means(x: Float[Tensor, "batch moments dim"], half_width: int) -> Float[Tensor, "batch moments dim"]:
    """Average each moment with those at most `half_width` before and after it; past the ends there are none."""
    rows = rearrange(x, "b t d -> b d t")
    means = avg_pool1d(rows, 2 * half_width + 1, stride=1, padding=half_width, count_include_pad=False)
    return rearrange(means, "b d t -> b t d")
