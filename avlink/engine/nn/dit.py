"""The DiT backbone: one block for both modalities (section 3.2, appendix B).

The block is self-attention with QK-RMSNorm and RoPE, gated cross-attention to text, and an MLP, under adaLN-Zero on
the flow time. `AudioDiT` and `VideoDiT` add only how tokens come in, where they stand, and how they go out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avlink.core.architecture import DiTConfig, VideoConfig
from avlink.engine.nn.attention import CrossAttention, SelfAttention
from avlink.engine.nn.embed import TimeEmbedding, patchify, unpatchify
from avlink.engine.nn.rope import rotary_1d, rotary_3d


def modulate(
    x: Float[Tensor, "batch tokens dim"], shift: Float[Tensor, "batch dim"], scale: Float[Tensor, "batch dim"]
) -> Float[Tensor, "batch tokens dim"]:
    """X * (1 + scale) + shift, per sample."""
    return x * (1 + scale[:, None]) + shift[:, None]


class MLP(nn.Sequential):
    """Linear, GELU (tanh), Linear."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__(nn.Linear(dim, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, dim))


class DiTBlock(nn.Module):
    """Self-attention, text cross-attention and MLP with seven adaLN-Zero chunks; the seventh gates the text."""

    def __init__(self, config: DiTConfig, text_dim: int) -> None:
        super().__init__()
        self.norm_self = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.norm_text = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.norm_mlp = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.attention = SelfAttention(config.dim, config.heads)
        self.text = CrossAttention(config.dim, config.heads, text_dim)
        self.mlp = MLP(config.dim, config.mlp_ratio * config.dim)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(config.dim, 7 * config.dim))
        nn.init.zeros_(self.modulation[1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.modulation[1].bias)  # type: ignore[arg-type]

    def forward(
        self,
        x: Float[Tensor, "batch tokens dim"],
        time: Float[Tensor, "batch dim"],
        rope: Float[Tensor, "tokens pairs 2"],
        text: Float[Tensor, "batch words text_dim"],
        mask: Bool[Tensor, "batch words"],
    ) -> Float[Tensor, "batch tokens dim"]:
        shift_1, scale_1, gate_1, gate_text, shift_2, scale_2, gate_2 = self.modulation(time).chunk(7, dim=-1)
        x = x + gate_1[:, None] * self.attention(modulate(self.norm_self(x), shift_1, scale_1), rope)
        x = x + gate_text[:, None] * self.text(self.norm_text(x), text, mask)
        return x + gate_2[:, None] * self.mlp(modulate(self.norm_mlp(x), shift_2, scale_2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One modality on its way through its backbone: tokens and all that the blocks need beside them."""

    tokens: Float[Tensor, "batch tokens dim"]
    time: Float[Tensor, "batch dim"]
    rope: Float[Tensor, "tokens pairs 2"]
    text: Float[Tensor, "batch words text_dim"]
    mask: Bool[Tensor, "batch words"]


class DiT(nn.Module):
    """A stack of blocks on tokens of `in_dim` values; `final` puts out as many values per token."""

    def __init__(self, config: DiTConfig, in_dim: int, text_dim: int) -> None:
        super().__init__()
        self.config = config
        self.inputs = nn.Linear(in_dim, config.dim)
        self.time = TimeEmbedding(config.dim)
        self.blocks = nn.ModuleList(DiTBlock(config, text_dim) for _ in range(config.depth))
        self.final_norm = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.final_table = nn.Parameter(torch.zeros(2, config.dim))
        self.final = nn.Linear(config.dim, in_dim)
        nn.init.zeros_(self.final.weight)
        nn.init.zeros_(self.final.bias)

    def run(self, stream: Stream, start: int, stop: int) -> Float[Tensor, "batch tokens dim"]:
        """The tokens after blocks [start, stop)."""
        x = stream.tokens
        for block in self.blocks[start:stop]:
            x = block(x, stream.time, stream.rope, stream.text, stream.mask)
        return x

    def close_after(self, stream: Stream) -> Tensor:
        """The prediction of this backbone alone, all blocks run."""
        return self.close(replace(stream, tokens=self.run(stream, 0, len(self.blocks))))

    def close(self, stream: Stream) -> Tensor:
        """The prediction from the tokens after the last block."""
        return self._close(stream.tokens, stream.time)

    def _close(
        self, x: Float[Tensor, "batch tokens dim"], time: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch tokens out"]:
        shift, scale = self.final_table
        out: Tensor = self.final(modulate(self.final_norm(x), shift * time, scale * time))
        return out


class AudioDiT(DiT):
    """Backbone on 1D-VAE latents."""

    def __init__(self, config: DiTConfig, latent_channels: int, text_dim: int) -> None:
        super().__init__(config, latent_channels, text_dim)

    def open(
        self,
        latents: Float[Tensor, "batch tokens channels"],
        t: Float[Tensor, " batch"],
        text: Float[Tensor, "batch words text_dim"],
        mask: Bool[Tensor, "batch words"],
    ) -> Stream:
        """Latents at flow time `t` as a stream in front of the first block."""
        places = torch.arange(latents.shape[1], device=latents.device, dtype=torch.float32)
        rope = rotary_1d(places, self.config.dim // self.config.heads, self.config.rope_base)
        return Stream(tokens=self.inputs(latents), time=self.time(t), rope=rope, text=text, mask=mask)


class VideoDiT(DiT):
    """Backbone on patches of RGB pixels in [-1, 1]."""

    def __init__(self, config: DiTConfig, picture: VideoConfig, text_dim: int) -> None:
        pt, ph, pw = picture.patch
        super().__init__(config, 3 * pt * ph * pw, text_dim)
        self.picture = picture

    def open(
        self,
        pixels: Float[Tensor, "batch frames 3 height width"],
        t: Float[Tensor, " batch"],
        text: Float[Tensor, "batch words text_dim"],
        mask: Bool[Tensor, "batch words"],
    ) -> Stream:
        """Pixels at flow time `t` as a stream in front of the first block."""
        pt, ph, pw = self.picture.patch
        counts = (pixels.shape[1] // pt, self.picture.height // ph, self.picture.width // pw)
        axes = [torch.arange(n, device=pixels.device, dtype=torch.float32) for n in counts]
        times, rows, columns = (axis.reshape(-1) for axis in torch.meshgrid(*axes, indexing="ij"))
        rope = rotary_3d(times, rows, columns, self.config.dim // self.config.heads, self.config.rope_base)
        tokens = self.inputs(patchify(pixels, self.picture))
        return Stream(tokens=tokens, time=self.time(t), rope=rope, text=text, mask=mask)

    def close(self, stream: Stream) -> Float[Tensor, "batch frames 3 height width"]:
        """The prediction from the tokens after the last block."""
        return unpatchify(self._close(stream.tokens, stream.time), self.picture)
