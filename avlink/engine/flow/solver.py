"""Inference (sections 3.1 and 3.3): from noise to data along a velocity field, and guidance."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

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
