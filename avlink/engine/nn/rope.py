"""Rotary position embeddings (Su et al. 2021, "RoFormer"): 1D for audio, 3D for video.

The time-aligned 1D embedding of the Fusion Block (equation 4) is `aligned_rope` in engine/avlink.py.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def frequencies(pairs: int, base: float) -> Float[Tensor, " pairs"]:
    """Return `pairs` angular speeds from 1 down to nearly 1/`base` radians per position, geometrically spaced."""
    return base ** (-torch.arange(pairs, dtype=torch.float32) / pairs)


def rotary_1d(positions: Float[Tensor, " tokens"], head_dim: int, base: float) -> Float[Tensor, "tokens pairs 2"]:
    """Return the rotations of `positions` in one dimension; `head_dim` is twice the number of pairs."""
    return rotary(positions[:, None] * frequencies(head_dim // 2, base).to(positions.device))


def rotary_3d(
    times: Float[Tensor, " tokens"],
    rows: Float[Tensor, " tokens"],
    columns: Float[Tensor, " tokens"],
    head_dim: int,
    base: float,
) -> Float[Tensor, "tokens pairs 2"]:
    """Return rotations of which half turn with time, a quarter each with row and column."""
    pairs = head_dim // 2
    # Integer division: time also takes the pairs that a quarter leaves over.
    space = pairs // 4
    angles = [
        times[:, None] * frequencies(pairs - 2 * space, base).to(times.device),
        rows[:, None] * frequencies(space, base).to(times.device),
        columns[:, None] * frequencies(space, base).to(times.device),
    ]
    return rotary(torch.cat(angles, dim=1))


def rotary(angles: Float[Tensor, "tokens pairs"]) -> Float[Tensor, "tokens pairs 2"]:
    """Return the cosine and sine of each angle."""
    # The angles are fp32: bf16 has eight significant bits, so that neighbours beyond position 256 would share an angle.
    return torch.stack((angles.cos(), angles.sin()), dim=-1)


def rotate(
    x: Float[Tensor, "batch heads tokens dim"], rope: Float[Tensor, "tokens pairs 2"]
) -> Float[Tensor, "batch heads tokens dim"]:
    """Rotate each pair of channels of each head by its angle in `rope`."""
    cos, sin = rope.unbind(-1)
    # Pairs are (k, k + dim / 2), as in GPT-NeoX, not RoFormer's neighbours (2k, 2k + 1): slices instead of a stride.
    # Each (batch, heads, tokens, pairs); the rotations are the same for all heads.
    first, second = rearrange(x, "b h n (two pairs) -> two b h n pairs", two=2)
    # In fp32, and rounded once: sines of eight significant bits would turn neighbours by the same angle.
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1).to(x.dtype)
