"""The path of flow matching (Lipman et al. 2023, Liu et al. 2023). Its time convention holds everywhere in AVLink.

Flow time t = 0 is noise, t = 1 is data: X_t = (1 - t) X_0 + t X_1 (equation 1), with velocity v = X_1 - X_0.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

_LEAST = 0.04
"""The least 1 - t by which predictions of data are divided: below it the division would amplify their errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSample:
    """A point X_t on the path, and the velocity there."""

    x_t: Float[Tensor, "batch ..."]
    velocity: Float[Tensor, "batch ..."]


def spread(t: Float[Tensor, " batch"], like: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """Return `t` with as many axes as `like`, to be broadcast over all but the first."""
    return t.reshape(-1, *[1] * (like.ndim - 1))


def sample_path(
    x_0: Float[Tensor, "batch ..."], x_1: Float[Tensor, "batch ..."], t: Float[Tensor, " batch"]
) -> PathSample:
    """Return X_t on the straight path from noise `x_0` to data `x_1` at times `t` in [0, 1] (equation 1)."""
    s = spread(t, x_1)
    # Not x_0 + s (x_1 - x_0), which at s = 1 is the data only up to rounding.
    return PathSample(x_t=(1 - s) * x_0 + s * x_1, velocity=x_1 - x_0)


def data_to_velocity(
    data: Float[Tensor, "batch ..."], x_t: Float[Tensor, "batch ..."], t: Float[Tensor, " batch"]
) -> Float[Tensor, "batch ..."]:
    """Return v = (X_1 - X_t) / (1 - t) of predicted data; beyond t = 0.96 the divisor stays at 0.04."""
    # An error of the data becomes one of the velocity 1 / (1 - t) times as large: the flow-matching loss weighs errors
    # of the data by 1 / (1 - t)^2, up to 625 times.
    return (data - x_t) / (1 - spread(t, x_t)).clamp(min=_LEAST)


def velocity_to_data(
    velocity: Float[Tensor, "batch ..."], x_t: Float[Tensor, "batch ..."], t: Float[Tensor, " batch"]
) -> Float[Tensor, "batch ..."]:
    """Return X_1 = X_t + (1 - t) v."""
    return x_t + (1 - spread(t, x_t)) * velocity
