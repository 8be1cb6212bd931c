"""Synchformer's encoders: a divided space-time and a spectrogram transformer, with aggregation by class tokens."""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from avlink_metrics.weights import Shapes

_EPS = 1e-6


class Linears(nn.Module):
    """Linear layers with the names and widths of the checkpoint."""

    def __init__(self, shapes: Shapes, prefix: str, *names: str) -> None:
        super().__init__()
        for name in names:
            out, into = shapes.of(f"{prefix}.{name}.weight", 2)
            self.add_module(name, nn.Linear(into, out, bias=f"{prefix}.{name}.bias" in shapes.tensors))

    def forward(self, x: Tensor, name: str) -> Tensor:
        """Apply the layer `name` to `x`."""
        return self.get_submodule(name)(x)


def attend(heads: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return multi-head attention of queries, keys and values, (batch, tokens, dim) each."""
    q, k, v = (rearrange(x, "b n (h d) -> b h n d", h=heads) for x in (q, k, v))
    return rearrange(scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)")


class _DividedAttention(Linears):
    """Attention within each picture, or at each position over time; the class token takes part in all and sees all."""

    def __init__(self, shapes: Shapes, prefix: str, heads: int) -> None:
        super().__init__(shapes, prefix, "qkv", "proj")
        self._heads = heads

    def forward(self, x: Tensor, apart: str, **sizes: int) -> Tensor:  # type: ignore[override]
        q, k, v = super().forward(x, "qkv").chunk(3, dim=-1)
        whole = attend(self._heads, q[:, :1], k, v)
        there = f"b (f n) d -> {apart}"
        parts = [rearrange(part[:, 1:], there, **sizes) for part in (q, k, v)]
        # The class token joins the keys and values of every group, one copy each.
        times = len(parts[0]) // len(x)
        seen = [
            torch.cat((repeat(token[:, :1], "b 1 d -> (b r) 1 d", r=times), part), dim=1)
            for token, part in zip((k, v), parts[1:], strict=True)
        ]
        found = rearrange(attend(self._heads, parts[0], *seen), f"{apart} -> b (f n) d", b=len(x), **sizes)
        return super().forward(torch.cat((whole, found), dim=1), "proj")


class _VisualBlock(nn.Module):
    def __init__(self, shapes: Shapes, prefix: str, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim, eps=_EPS) for _ in range(3))
        self.attn = _DividedAttention(shapes, f"{prefix}.attn", heads)
        self.timeattn = _DividedAttention(shapes, f"{prefix}.timeattn", heads)
        self.mlp = Linears(shapes, f"{prefix}.mlp", "fc1", "fc2")

    def forward(self, x: Tensor, frames: int, places: int) -> Tensor:
        # Divided attention: time before space, as in TimeSformer and Motionformer.
        x = x + self.timeattn(self.norm3(x), "(b n) f d", n=places)
        x = x + self.attn(self.norm1(x), "(b f) n d", f=frames)
        return x + self.mlp(gelu(self.mlp(self.norm2(x), "fc1")), "fc2")


class _Aggregator(nn.TransformerEncoderLayer):
    """A transformer layer whose class token aggregates a set of tokens."""

    def __init__(self, shapes: Shapes, prefix: str, dim: int, heads: int) -> None:
        hidden = shapes.of(f"{prefix}.linear1.weight", 2)[0]
        super().__init__(
            dim, heads, hidden, 0.0, activation=gelu, layer_norm_eps=_EPS, batch_first=True, norm_first=True
        )
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))

    def aggregate(self, x: Tensor) -> Tensor:
        """Return the class token of (sets, tokens, dim), of shape (sets, dim)."""
        return self(torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1))[:, 0]


class VisualEncoder(nn.Module):
    """Maps (segments, 3, 16, 224, 224) in [-1, 1] to (segments, 8, dim)."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        prefix = "vfeat_extractor"
        dim, _, *kernel = shapes.of(f"{prefix}.patch_embed_3d.proj.weight", 5)
        places, frames = shapes.of(f"{prefix}.pos_embed", 3)[1], shapes.of(f"{prefix}.temp_embed", 3)[1]
        # 64 dimensions a head, as in every ViT of this size; the checkpoint does not tell.
        heads = max(1, dim // 64)
        # Unused: a layer of the picture network that it was initialised from, still in the checkpoint.
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, dim, kernel[1], kernel[1])
        self.patch_embed_3d = nn.Module()
        size = (kernel[0], kernel[1], kernel[2])
        self.patch_embed_3d.proj = nn.Conv3d(3, dim, size, size)
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, places, dim))
        self.temp_embed = nn.Parameter(torch.empty(1, frames, dim))
        count = shapes.count(prefix + ".blocks.{}.norm1.weight")
        self.blocks = nn.ModuleList(_VisualBlock(shapes, f"{prefix}.blocks.{i}", dim, heads) for i in range(count))
        self.norm = nn.LayerNorm(dim, eps=_EPS)
        self.spatial_attn_agg = _Aggregator(shapes, f"{prefix}.spatial_attn_agg", dim, heads)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        frames, places = self.temp_embed.shape[1], self.pos_embed.shape[1] - 1
        x = self.patch_embed_3d.get_submodule("proj")(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1)
        # Position in the picture and position in time are embedded apart and added; the class token has no time.
        where = self.pos_embed[:, None, 1:] + self.temp_embed[:, :, None]
        x = x + torch.cat((self.pos_embed[:, :1], where.flatten(1, 2)), dim=1)
        for block in self.blocks:
            x = block(x, frames, places)
        x = rearrange(self.norm(x[:, 1:]), "b (f n) d -> (b f) n d", f=frames)
        return rearrange(self.spatial_attn_agg.aggregate(x), "(b f) d -> b f d", f=frames)


class _AudioLayer(nn.Module):
    def __init__(self, shapes: Shapes, prefix: str, dim: int) -> None:
        super().__init__()
        self.layernorm_before, self.layernorm_after = (nn.LayerNorm(dim, eps=1e-12) for _ in range(2))
        self.attention = nn.Module()
        self.attention.attention = Linears(shapes, f"{prefix}.attention.attention", "query", "key", "value")
        self.attention.output = Linears(shapes, f"{prefix}.attention.output", "dense")
        self.intermediate = Linears(shapes, f"{prefix}.intermediate", "dense")
        self.output = Linears(shapes, f"{prefix}.output", "dense")
        self._heads = max(1, dim // 64)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.layernorm_before(x)
        linear = self.attention.get_submodule("attention")
        found = attend(self._heads, *(linear(seen, name) for name in ("query", "key", "value")))
        x = x + self.attention.get_submodule("output")(found, "dense")
        return x + self.output(gelu(self.intermediate(self.layernorm_after(x), "dense")), "dense")


class AudioEncoder(nn.Module):
    """Maps log mel spectrograms (segments, 128, 66) to (segments, 6, dim)."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        prefix = "afeat_extractor"
        dim, _, patch, _ = shapes.of(f"{prefix}.ast.embeddings.patch_embeddings.projection.weight", 4)
        tokens = shapes.of(f"{prefix}.ast.embeddings.position_embeddings", 3)[1]
        self.ast = nn.Module()
        self.ast.embeddings = embeddings = nn.Module()
        embeddings.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        embeddings.distillation_token = nn.Parameter(torch.empty(1, 1, dim))
        embeddings.position_embeddings = nn.Parameter(torch.empty(1, tokens, dim))
        embeddings.patch_embeddings = nn.Module()
        embeddings.patch_embeddings.projection = nn.Conv2d(1, dim, patch, 10)
        self.ast.encoder = nn.Module()
        name = f"{prefix}.ast.encoder.layer"
        count = shapes.count(name + ".{}.layernorm_before.weight")
        self.ast.encoder.layer = nn.Sequential(*(_AudioLayer(shapes, f"{name}.{i}", dim) for i in range(count)))
        self.ast.layernorm = nn.LayerNorm(dim, eps=1e-12)
        self.freq_attn_agg = _Aggregator(shapes, f"{prefix}.freq_attn_agg", dim, max(1, dim // 64))

    def forward(self, mel: Tensor) -> Tensor:
        """See the class."""
        embeddings = self.ast.get_submodule("embeddings")
        patches = embeddings.get_submodule("patch_embeddings.projection")(mel[:, None])
        tokens = [embeddings.get_parameter(name) for name in ("cls_token", "distillation_token")]
        x = torch.cat(
            [*(token.expand(len(mel), -1, -1) for token in tokens), patches.flatten(2).transpose(1, 2)], dim=1
        )
        x = self.ast.get_submodule("encoder.layer")(x + embeddings.get_parameter("position_embeddings"))
        # AST's class and distillation tokens are dropped: Synchformer aggregates the patches itself.
        x = self.ast.get_submodule("layernorm")(x)[:, 2:]
        columns = patches.shape[3]
        x = rearrange(x, "b (f t) d -> (b t) f d", t=columns)
        return rearrange(self.freq_attn_agg.aggregate(x), "(b t) d -> b t d", t=columns)
