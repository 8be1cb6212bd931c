"""Rotary position embeddings: 1D for audio, 3D for video, and the time-aligned 1D of the Fusion Block (eq. 4)."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def frequencies(pairs: int, base: float) -> Float[Tensor, " pairs"]:
    """`pairs` angular speeds from 1 down to nearly 1/`base` radians per position, geometrically spaced."""
    return base ** (-torch.arange(pairs, dtype=torch.float32) / pairs)


def rotary_1d(positions: Float[Tensor, " tokens"], head_dim: int, base: float) -> Float[Tensor, "tokens pairs 2"]:
    """Cosine and sine of `positions` times each frequency; `head_dim` is twice the number of pairs."""
    return rotary(positions[:, None] * frequencies(head_dim // 2, base).to(positions.device))


def rotary_3d(
    times: Float[Tensor, " tokens"],
    rows: Float[Tensor, " tokens"],
    columns: Float[Tensor, " tokens"],
    head_dim: int,
    base: float,
) -> Float[Tensor, "tokens pairs 2"]:
    """Half of the pairs turn with time, a quarter each with row and column."""
    pairs = head_dim // 2
    space = pairs // 4
    angles = [
        times[:, None] * frequencies(pairs - 2 * space, base).to(times.device),
        rows[:, None] * frequencies(space, base).to(times.device),
        columns[:, None] * frequencies(space, base).to(times.device),
    ]
    return rotary(torch.cat(angles, dim=1))


def rotary(angles: Float[Tensor, "tokens pairs"]) -> Float[Tensor, "tokens pairs 2"]:
    """(cos, sin) of each angle, in fp32: in bf16 late positions would share an angle."""
    return torch.stack((angles.cos(), angles.sin()), dim=-1)


def rotate(
    x: Float[Tensor, "batch heads tokens dim"], rope: Float[Tensor, "tokens pairs 2"]
) -> Float[Tensor, "batch heads tokens dim"]:
    """Turn the pairs (first half, second half) of each head by the angles in `rope`."""
    cos, sin = rope.unbind(-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    first, second = rearrange(x, "b h n (two pairs) -> two b h n pairs", two=2)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)
