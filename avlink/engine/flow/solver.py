"""From noise to data along a velocity field."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
"""(x_t, t) -> v(x_t, t)."""


def euler(
    velocity: Velocity,
    x_0: Float[Tensor, "*shape"],
    times: Float[Tensor, " times"],
    on_step: Callable[[int, int], None] | None = None,
) -> Float[Tensor, "*shape"]:
    """First-order solution at times[-1] of dx/dt = velocity(x, t) with x(times[0]) = `x_0` (section 3.3, inference)."""
    x, knots = x_0, times.tolist()
    for index, (now, then) in enumerate(itertools.pairwise(knots)):
        x = x + (then - now) * velocity(x, now)
        if on_step is not None:
            on_step(index + 1, len(knots) - 1)
    return x


def guide(
    conditional: Float[Tensor, "*shape"], unconditional: Float[Tensor, "*shape"], weight: float
) -> Float[Tensor, "*shape"]:
    """Classifier-free guidance: all conditions are dropped together (appendix C.2). Weight 1 is no guidance."""
    return unconditional + weight * (conditional - unconditional)
