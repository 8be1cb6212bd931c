"""The base models G_A and G_V (section 3.2, appendix B): a DiT with one kind of block for both modalities.

A block is self-attention with QK-RMSNorm and RoPE, gated cross-attention to text, and an MLP, under adaLN-Zero on the
flow time. `AudioDiT` and `VideoDiT` differ only in how their tokens are embedded, positioned and decoded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avlink.core.architecture import DiTConfig, VideoConfig
from avlink.engine.flow.path import data_to_velocity
from avlink.engine.nn.attention import CrossAttention, SelfAttention
from avlink.engine.nn.embed import TimeEmbedding, patchify, unpatchify
from avlink.engine.nn.rope import rotary_1d, rotary_3d
from avlink.engine.text.encoder import TextEmbeddings


def modulate(
    x: Float[Tensor, "batch tokens dim"], shift: Float[Tensor, "batch dim"], scale: Float[Tensor, "batch dim"]
) -> Float[Tensor, "batch tokens dim"]:
    """Return x * (1 + scale) + shift, with one shift and one scale for all tokens of a sample."""
    # 1 + scale: a modulation that starts at zero is the identity.
    return x * (1 + scale[:, None]) + shift[:, None]


class MLP(nn.Sequential):
    """Linear, GELU (tanh), Linear."""

    def __init__(self, dim: int, hidden: int) -> None:
        # The tanh form of GELU, as in DiT.
        super().__init__(nn.Linear(dim, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, dim))


class DiTBlock(nn.Module):
    """Self-attention, text cross-attention and MLP with seven adaLN-Zero chunks; the fourth gates the text."""

    def __init__(self, config: DiTConfig, text_dim: int) -> None:
        super().__init__()
        # Norms have no weights of their own: adaLN sets scale and shift.
        self.norm_self = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.norm_text = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.norm_mlp = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.attention = SelfAttention(config.dim, config.heads)
        self.text = CrossAttention(config.dim, config.heads, text_dim)
        self.mlp = MLP(config.dim, config.mlp_ratio * config.dim)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(config.dim, 7 * config.dim))
        # adaLN-Zero: with all gates at zero every block starts as the identity, so that deep stacks train at once.
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
        # Seven chunks of (batch, dim), each for all tokens of a sample. The order is part of the weights: bundles hold
        # one matrix.
        shift_1, scale_1, gate_1, gate_text, shift_2, scale_2, gate_2 = self.modulation(time).chunk(7, dim=-1)
        # In the order of section 3.2: attention to the stream itself, to the text, then the MLP.
        x = x + gate_1[:, None] * self.attention(modulate(self.norm_self(x), shift_1, scale_1), rope)
        # The text has a gate only: its norm needs no scale and shift that depend on the flow time.
        x = x + gate_text[:, None] * self.text(self.norm_text(x), text, mask)
        return x + gate_2[:, None] * self.mlp(modulate(self.norm_mlp(x), shift_2, scale_2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One modality between two blocks of its backbone: the activations `tokens`, and the blocks' other inputs."""

    tokens: Float[Tensor, "batch tokens dim"]
    time: Float[Tensor, "batch dim"]
    rope: Float[Tensor, "tokens pairs 2"]
    text: Float[Tensor, "batch words text_dim"]
    mask: Bool[Tensor, "batch words"]


class DiT(nn.Module, ABC):
    """A stack of blocks on tokens of `in_dim` values; `final` returns as many values per token."""

    def __init__(self, config: DiTConfig, in_dim: int, text_dim: int) -> None:
        super().__init__()
        self.config = config
        # Patches are embedded by a linear layer: a strided convolution on whole patches is the same.
        self.inputs = nn.Linear(in_dim, config.dim)
        self.time = TimeEmbedding(config.dim)
        self.pooled = nn.Linear(text_dim, config.dim, bias=False) if config.pooled_text else None
        self.blocks = nn.ModuleList(DiTBlock(config, text_dim) for _ in range(config.depth))
        self.final_norm = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.final_table = nn.Parameter(torch.zeros(2, config.dim))
        self.final = nn.Linear(config.dim, in_dim)
        # A prediction of zero is the mean of all velocities: a better start than random projections.
        nn.init.zeros_(self.final.weight)
        nn.init.zeros_(self.final.bias)
        if self.pooled is not None:
            nn.init.zeros_(self.pooled.weight)

    def forward(
        self, x_t: Float[Tensor, "batch ..."], t: Float[Tensor, " batch"], text: TextEmbeddings
    ) -> Float[Tensor, "batch ..."]:
        """Return G(X_t, t), the velocity that this backbone alone predicts (equation 2)."""
        return self.velocity(self.run(self.embed(x_t, t, text), 0, len(self.blocks)), x_t, t)

    @abstractmethod
    def embed(self, x_t: Float[Tensor, "batch ..."], t: Float[Tensor, " batch"], text: TextEmbeddings) -> Stream:
        """Return `x_t` at flow time `t` as the input of the first block."""

    def run(self, stream: Stream, start: int, stop: int) -> Stream:
        """Return the stream after blocks [start, stop)."""
        x = stream.tokens
        for block in self.blocks[start:stop]:
            x = block(x, stream.time, stream.rope, stream.text, stream.mask)
        return replace(stream, tokens=x)

    def velocity(
        self, stream: Stream, x_t: Float[Tensor, "batch ..."], t: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch ..."]:
        """Return the velocity from the stream after the last block."""
        # A network that predicts data can be narrower than a patch: pictures fill few of its dimensions, while noise, a
        # part of every velocity, fills all of them and does not fit through `final`.
        out = self.decode(self._final(stream.tokens, stream.time))
        return out if self.config.prediction == "velocity" else data_to_velocity(out, x_t, t)

    def decode(self, tokens: Float[Tensor, "batch tokens out"]) -> Float[Tensor, "batch ..."]:
        """Return tokens of `in_dim` values in the shape of X_t."""
        return tokens

    def _condition(self, t: Float[Tensor, " batch"], text: TextEmbeddings) -> Float[Tensor, "batch dim"]:
        """Return the embedding of flow times, with the mean of the captions' tokens if the model has it."""
        time: Tensor = self.time(t)
        if self.pooled is None:
            return time
        mask = text.mask[..., None]
        mean = (text.tokens * mask).sum(1) / mask.sum(1)
        return time + self.pooled(mean.to(time.dtype))

    def _final(
        self, x: Float[Tensor, "batch tokens dim"], time: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch tokens out"]:
        # A table of 2 D values that scales the time embedding, where DiT has a matrix of D x 2 D.
        shift, scale = self.final_table
        out: Tensor = self.final(modulate(self.final_norm(x), shift * time, scale * time))
        return out


class AudioDiT(DiT):
    """G_A, the backbone on 1D-VAE latents, with 1D RoPE."""

    def __init__(self, config: DiTConfig, latent_channels: int, text_dim: int) -> None:
        super().__init__(config, latent_channels, text_dim)

    def embed(
        self, x_t: Float[Tensor, "batch tokens channels"], t: Float[Tensor, " batch"], text: TextEmbeddings
    ) -> Stream:
        # From 0 in every window: a backbone knows positions within its window, not within the clip.
        positions = torch.arange(x_t.shape[1], device=x_t.device, dtype=torch.float32)
        rope = rotary_1d(positions, self.config.dim // self.config.heads, self.config.rope_base)
        time = self._condition(t, text)
        return Stream(tokens=self.inputs(x_t), time=time, rope=rope, text=text.tokens, mask=text.mask)


class VideoDiT(DiT):
    """G_V, the backbone on patches of RGB pixels in [-1, 1], with 3D RoPE."""

    def __init__(self, config: DiTConfig, picture: VideoConfig, text_dim: int) -> None:
        pt, ph, pw = picture.patch
        super().__init__(config, 3 * pt * ph * pw, text_dim)
        self.picture = picture

    def embed(
        self, x_t: Float[Tensor, "batch frames 3 height width"], t: Float[Tensor, " batch"], text: TextEmbeddings
    ) -> Stream:
        pt, ph, pw = self.picture.patch
        counts = (x_t.shape[1] // pt, self.picture.height // ph, self.picture.width // pw)
        axes = [torch.arange(n, device=x_t.device, dtype=torch.float32) for n in counts]
        # "ij" orders positions as `patchify` orders tokens: time, row, column.
        times, rows, columns = (axis.reshape(-1) for axis in torch.meshgrid(*axes, indexing="ij"))
        rope = rotary_3d(times, rows, columns, self.config.dim // self.config.heads, self.config.rope_base)
        tokens = self.inputs(patchify(x_t, self.picture))
        time = self._condition(t, text)
        return Stream(tokens=tokens, time=time, rope=rope, text=text.tokens, mask=text.mask)

    def decode(self, tokens: Float[Tensor, "batch tokens out"]) -> Float[Tensor, "batch frames 3 height width"]:
        return unpatchify(tokens, self.picture)
