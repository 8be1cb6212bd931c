"""The semantic adapter (FoleyCrafter, after IP-Adapter): the whole clip as a few words of an attention of its own.

It tells what is seen, and not when; a temporal controller adds the moments. FoleyCrafter's attention stands beside that
to the prompt in every block; here it stands in the places of the Fusion Blocks, which the ablations share.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import AVLinkConfig, DiTConfig
from avlink.engine.avlink import Fusion
from avlink.engine.nn.attention import CrossAttention
from avlink.engine.one_way import OneWayAVLink

_WORDS = 4
"""Words that stand for a clip, as in IP-Adapter."""


class AdapterBlock(nn.Module):
    """Cross-attention from the generated stream to words made of the mean of the conditioning one."""

    def __init__(self, generated: DiTConfig, conditioning_dim: int) -> None:
        super().__init__()
        self.words = nn.Linear(conditioning_dim, _WORDS * generated.dim)
        self.norm_words = nn.LayerNorm(generated.dim)
        self.norm = nn.LayerNorm(generated.dim, eps=1e-6, elementwise_affine=False)
        self.attention = CrossAttention(generated.dim, generated.heads, generated.dim)
        # As in Fusion Blocks: a fresh one leaves the backbone as it is.
        nn.init.zeros_(self.attention.out.weight)
        nn.init.zeros_(self.attention.out.bias)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], conditioning: Float[Tensor, "batch others other_dim"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return `x` with what it reads of the whole clip."""
        words = self.norm_words(self.words(conditioning.mean(dim=1)).unflatten(1, (_WORDS, -1)))
        mask = torch.ones(words.shape[:2], dtype=torch.bool, device=x.device)
        out: Tensor = x + self.attention(self.norm(x), words, mask)
        return out


class AdapterFusion(Fusion):
    """An `AdapterBlock` in the place of every Fusion Block."""

    def _make_blocks(self, config: AVLinkConfig) -> nn.ModuleList:
        of_sound = self.direction == "audio"
        generated: DiTConfig = config.audio if of_sound else config.video
        given = self.video_dim if of_sound else self.audio_dim
        return nn.ModuleList(AdapterBlock(generated, given) for _ in range(config.fusion.blocks))


class AdapterAVLink(OneWayAVLink):
    """Backbones of which the generating one attends to the whole clip of the other."""

    def read(
        self, block: nn.Module, generated: Tensor, given: Tensor, time: Tensor, taus: tuple[Tensor, Tensor]
    ) -> Tensor:
        made: Tensor = block(generated, given)
        return made
