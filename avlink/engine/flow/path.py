"""The path of flow matching, written once.

Flow time t=0 is noise, t=1 is data: x_t = (1 - t) x_0 + t x_1, and the velocity is v = x_1 - x_0 (eq. 1 and 2).
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

_LEAST = 0.04
"""Data predictions are divided by 1 - t; below this the division would only amplify errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSample:
    """A point on the path and the velocity there."""

    x_t: Float[Tensor, "batch ..."]
    velocity: Float[Tensor, "batch ..."]


def spread(t: Float[Tensor, " batch"], like: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """`t` with as many axes as `like`."""
    return t.reshape(-1, *[1] * (like.ndim - 1))


def sample_path(
    x_0: Float[Tensor, "batch ..."], x_1: Float[Tensor, "batch ..."], t: Float[Tensor, " batch"]
) -> PathSample:
    """The straight path from noise `x_0` to data `x_1` at times `t` in [0, 1]."""
    s = spread(t, x_1)
    return PathSample(x_t=(1 - s) * x_0 + s * x_1, velocity=x_1 - x_0)


def data_to_velocity(
    data: Float[Tensor, "batch ..."], x_t: Float[Tensor, "batch ..."], t: Float[Tensor, " batch"]
) -> Float[Tensor, "batch ..."]:
    """V = (x_1 - x_t) / (1 - t), for t up to 0.96; held there beyond."""
    return (data - x_t) / (1 - spread(t, x_t)).clamp(min=_LEAST)


def velocity_to_data(
    velocity: Float[Tensor, "batch ..."], x_t: Float[Tensor, "batch ..."], t: Float[Tensor, " batch"]
) -> Float[Tensor, "batch ..."]:
    """x_1 = x_t + (1 - t) v."""
    return x_t + (1 - spread(t, x_t)) * velocity
