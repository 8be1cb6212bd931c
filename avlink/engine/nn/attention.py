"""Multi-head attention with QK-RMSNorm (appendix B), rotary positions and an optional mask of keys."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention

from avlink.core.architecture import FusionConfig
from avlink.engine.nn.rope import rotate


class HeadNorm(nn.Module):
    """RMSNorm over the channels of each head, with a learned scale (QK normalisation, appendix B)."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(head_dim))

    def forward(self, x: Float[Tensor, "*lead dim"]) -> Float[Tensor, "*lead dim"]:
        # In fp32 whatever the model runs in: it bounds the logits, which is what keeps bf16 training stable.
        # Afterwards |q| = |k| = sqrt(head_dim) at unit scales, so that no logit exceeds sqrt(head_dim), whatever the
        # projections have grown to.
        return rms_norm(x.float(), self.weight.shape, self.weight.float(), eps=1e-6).to(x.dtype)


class SelfAttention(nn.Module):
    """Full self-attention over one stream; tokens outside `mask` are not attended to."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm, self.k_norm = HeadNorm(dim // heads), HeadNorm(dim // heads)
        self.out = nn.Linear(dim, dim)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        rope: Float[Tensor, "tokens pairs 2"],
        mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens dim"]:
        q, k, v = rearrange(self.qkv(x), "b n (three h d) -> three b h n d", three=3, h=self.heads)
        # Normalised first: a rotation keeps the norm, and the learned scale must not depend on the position.
        q, k = rotate(self.q_norm(q), rope), rotate(self.k_norm(k), rope)
        # Padding is masked as keys only: what its queries return is masked wherever it is read.
        # (batch, 1, 1, tokens): the same keys for all heads and queries.
        seen = None if mask is None else mask[:, None, None, :]
        attended = scaled_dot_product_attention(q, k, v, attn_mask=seen)
        out: Tensor = self.out(rearrange(attended, "b h n d -> b n (h d)"))
        return out


class CrossAttention(nn.Module):
    """Attention from a stream to text tokens of width `text_dim`; padding is masked. Words carry no position here."""

    def __init__(self, dim: int, heads: int, text_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(text_dim, 2 * dim)
        self.q_norm, self.k_norm = HeadNorm(dim // heads), HeadNorm(dim // heads)
        self.out = nn.Linear(dim, dim)

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        text: Float[Tensor, "batch words text_dim"],
        mask: Bool[Tensor, "batch words"],
    ) -> Float[Tensor, "batch tokens dim"]:
        # Queries have the length of the stream, keys that of the prompt; neither is rotated, as their positions have
        # nothing in common.
        q = rearrange(self.q(x), "b n (h d) -> b h n d", h=self.heads)
        k, v = rearrange(self.kv(text), "b n (two h d) -> two b h n d", two=2, h=self.heads)
        # Every prompt has a word, also the empty one: a row that is masked as a whole would be NaN.
        seen = mask[:, None, None, :]
        attended = scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v, attn_mask=seen)
        out: Tensor = self.out(rearrange(attended, "b h n d -> b n (h d)"))
        return out


class AlignedHeads(nn.Module):
    """QK-RMSNorm, the optional aligned bias, and rotation of queries or keys in a Fusion Block."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        head_dim = config.dim // config.heads
        self.norm = HeadNorm(head_dim)
        self.bias: nn.Parameter | None = None
        if config.aligned_init:
            # Equal biases on the first channel of every pair: after rotation their dot product is a sum of
            # cos(theta (tau_q - tau_k)), which peaks where both tokens stand at the same moment.
            # The first half of a head's channels are the cosine components, by the layout of `rotate`.
            start = torch.zeros(config.heads, 1, head_dim)
            start[..., : head_dim // 2] = config.aligned_init
            self.bias = nn.Parameter(start)

    def forward(
        self, x: Float[Tensor, "batch heads tokens dim"], rope: Float[Tensor, "tokens pairs 2"]
    ) -> Float[Tensor, "batch heads tokens dim"]:
        x = self.norm(x)
        if self.bias is not None:
            # Between norm and rotation: the norm would scale the bias with the content of the token, and the rotation
            # must turn it.
            x = x + self.bias.to(x.dtype)
        return rotate(x, rope)
