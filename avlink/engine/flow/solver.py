"""Inference (sections 3.1 and 3.3): from noise to data along a velocity field, and guidance."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from avlink.engine.flow.path import data_to_velocity, velocity_to_data

Velocity = Callable[[Tensor, float], Tensor]
"""(X_t, t) -> v."""


def euler(
    velocity: Velocity,
    x_0: Float[Tensor, "*shape"],
    times: Float[Tensor, " times"],
    on_step: Callable[[int, int], None] | None = None,
) -> Float[Tensor, "*shape"]:
    """Solve dx/dt = velocity(x, t) from x(times[0]) = `x_0` to times[-1] by first-order Euler steps.

    `on_step` is called with (steps done, steps in all).
    """
    # First order, as in the paper. On a small model 8, 16, 32 and 64 steps gave one onset F1 within its error: a method
    # of higher order, with several evaluations a step, has nothing to save.
    x, knots = x_0, times.tolist()
    for index, (now, then) in enumerate(itertools.pairwise(knots)):
        # Steps are differences of the knots, so that they add up to the whole path however the knots are spaced.
        x = x + (then - now) * velocity(x, now)
        if on_step is not None:
            on_step(index + 1, len(knots) - 1)
    return x


def guide(
    conditional: Float[Tensor, "*shape"], unconditional: Float[Tensor, "*shape"], weight: float
) -> Float[Tensor, "*shape"]:
    """Classifier-free guidance (Ho and Salimans 2022); `weight` 1 is the conditional velocity, the paper uses 5.

    All conditions are dropped together for the unconditional velocity (appendix C.2).
    """
    # The weight counts from the unconditional velocity. Ho and Salimans count from the conditional one: their w is this
    # weight less 1.
    return unconditional + weight * (conditional - unconditional)


def rescale(
    guided: Float[Tensor, "batch ..."],
    conditional: Float[Tensor, "batch ..."],
    x_t: Float[Tensor, "batch ..."],
    t: Float[Tensor, " batch"],
    share: float,
) -> Float[Tensor, "batch ..."]:
    """Return a guided velocity whose data spreads as far as that of the conditional one (Lin et al. 2024, section 3.4).

    Guidance makes data larger than any that was learned from: sounds that are all at full scale. `share` 0 leaves it
    so, 1 takes the standard deviation of the conditional data.
    """
    data, usual = velocity_to_data(guided, x_t, t), velocity_to_data(conditional, x_t, t)
    axes = tuple(range(1, data.ndim))
    # The floor: data of zeros has no spread, and stays as it is.
    factor = usual.std(axes, keepdim=True) / data.std(axes, keepdim=True).clamp(min=1e-6)
    # What changes is added. The whole data as a velocity would shrink near t = 1, where the divisor has a floor.
    return guided + data_to_velocity(share * (factor - 1) * data, torch.zeros_like(x_t), t)
