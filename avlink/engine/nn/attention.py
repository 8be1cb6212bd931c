"""Multi-head attention with QK-RMSNorm (appendix B), rotary positions and an optional mask of keys."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention

from avlink.engine.nn.rope import rotate


class HeadNorm(nn.Module):
    """RMSNorm over each head's channels, with a learned scale; in fp32 whatever the model runs in."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(head_dim))

    def forward(self, x: Float[Tensor, "*lead dim"]) -> Float[Tensor, "*lead dim"]:
        return rms_norm(x.float(), self.weight.shape, self.weight.float(), eps=1e-6).to(x.dtype)


class SelfAttention(nn.Module):
    """Full self-attention over one stream; tokens outside `mask` are not attended."""

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
        q, k = rotate(self.q_norm(q), rope), rotate(self.k_norm(k), rope)
        seen = None if mask is None else mask[:, None, None, :]
        attended = scaled_dot_product_attention(q, k, v, attn_mask=seen)
        out: Tensor = self.out(rearrange(attended, "b h n d -> b n (h d)"))
        return out


class CrossAttention(nn.Module):
    """Attention from a stream to text tokens of width `text_dim`; padding is masked."""

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
        q = rearrange(self.q(x), "b n (h d) -> b h n d", h=self.heads)
        k, v = rearrange(self.kv(text), "b n (two h d) -> two b h n d", two=2, h=self.heads)
        seen = mask[:, None, None, :]
        out: Tensor = self.out(
            rearrange(
                scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v, attn_mask=seen), "b h n d -> b n (h d)"
            )
        )
        return out
