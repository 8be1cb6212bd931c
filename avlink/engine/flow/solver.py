"""Inference (sections 3.1 and 3.3): from noise to data along a velocity field, and guidance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from avlink.core.sampling import SolverName
from avlink.engine.flow.path import data_to_velocity, velocity_to_data

Velocity = Callable[[Tensor, float], Tensor]
"""(X_t, t) -> v."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One evaluation of the velocity field, v = velocity(x, t), and the linear update that follows it."""

    t: float
    of_x: float = 1.0
    of_v: float
    of_memory: float = 0.0
    memory_of_x: float = 0.0
    memory_of_v: float = 0.0

    def apply(self, x: Tensor, v: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the next x, and the memory for the next update.

        x' = of_x x + of_v v + of_memory memory; memory' = memory_of_x x + memory_of_v v, or None if nothing reads it.
        """
        moved = _sum((self.of_x, x), (self.of_v, v), (self.of_memory, memory))
        if not self.remembers:
            return moved, None
        return moved, _sum((self.memory_of_x, x), (self.memory_of_v, v))

    @property
    def remembers(self) -> bool:
        """True if the next update reads a memory."""
        return self.memory_of_x != 0 or self.memory_of_v != 0


def _sum(*terms: tuple[float, Tensor | None]) -> Tensor:
    # A weight of 1 multiplies nothing, so that Euler's x + dt v stays as it is, to the bit.
    parts = [x if weight == 1 else weight * x for weight, x in terms if weight != 0 and x is not None]
    return torch.stack(parts).sum(0) if len(parts) > 2 else parts[0] + parts[1] if len(parts) == 2 else parts[0]


def updates(solver: SolverName, times: Float[Tensor, " times"]) -> tuple[Update, ...]:
    """Return the evaluations and updates by which `solver` goes through `times`, from noise to data.

    `euler`, `ab2` and `dpmpp_2m` take one evaluation a step, `heun` two, but one for the last step.
    """
    steps = list(itertools.pairwise(times.tolist()))
    return tuple(_SOLVERS[solver](steps))


def _euler(steps: Sequence[tuple[float, float]]) -> Iterator[Update]:
    """Yield first-order steps, as in the paper (C.2)."""
    for now, then in steps:
        # Steps are differences of the knots, so that they add up to the whole path however the knots are spaced.
        yield Update(t=now, of_v=then - now)


def _heun(steps: Sequence[tuple[float, float]]) -> Iterator[Update]:
    """Yield steps of the mean velocity at both ends; the last is Euler's (Karras et al. 2022, algorithm 1)."""
    for now, then in steps[:-1]:
        half = (then - now) / 2
        yield Update(t=now, of_v=then - now, memory_of_v=1.0)
        # From where Euler's step ends: back by half of the first velocity, on by half of the second.
        yield Update(t=then, of_v=half, of_memory=-half)
    yield from _euler(steps[-1:])


def _ab2(steps: Sequence[tuple[float, float]]) -> Iterator[Update]:
    """Yield Adams-Bashforth steps: the velocity, carried on along the line from the one before."""
    before = 0.0
    for index, (now, then) in enumerate(steps):
        step = then - now
        ahead = step / (2 * before) if index else 0.0
        keep = float(index < len(steps) - 1)
        yield Update(t=now, of_v=step * (1 + ahead), of_memory=-step * ahead, memory_of_v=keep)
        before = step


def _dpmpp_2m(steps: Sequence[tuple[float, float]]) -> Iterator[Update]:
    """Yield steps of DPM-Solver++(2M) (Lu et al. 2022, algorithm 2), with alpha = t and sigma = 1 - t.

    It integrates predicted data over the log signal-to-noise ratio, log(t / (1 - t)).
    """
    before = math.inf
    for index, (now, then) in enumerate(steps):
        # First order where the ratio is infinite, at noise and at data.
        inner = now > 0 and then < 1
        step = _log_ratio(then) - _log_ratio(now) if inner else math.inf
        ahead = step / (2 * before) if inner else 0.0
        # x' = (sigma' / sigma) x + (1 - sigma' / sigma) D, with the data D = (1 + ahead) d - ahead d_before, and
        # d = x + (1 - t) v. Both paths begin in noise, so the weights of alpha and sigma add up to 1.
        left = (1 - then) / (1 - now)
        share = then - now * left
        keep = float(index < len(steps) - 1)
        yield Update(
            t=now,
            of_x=left + share * (1 + ahead),
            of_v=share * (1 + ahead) * (1 - now),
            of_memory=-share * ahead,
            memory_of_x=keep,
            memory_of_v=keep * (1 - now),
        )
        before = step


def _log_ratio(t: float) -> float:
    return math.log(t / (1 - t))


_SOLVERS: dict[SolverName, Callable[[Sequence[tuple[float, float]]], Iterator[Update]]] = {
    "euler": _euler,
    "heun": _heun,
    "ab2": _ab2,
    "dpmpp_2m": _dpmpp_2m,
}


def solve(
    velocity: Velocity,
    x_0: Float[Tensor, "*shape"],
    plan: Sequence[Update],
    on_step: Callable[[int, int], None] | None = None,
) -> Float[Tensor, "*shape"]:
    """Solve dx/dt = velocity(x, t) from noise `x_0` by the `updates` of a solver.

    `on_step` is called with (evaluations done, evaluations in all).
    """
    x, memory = x_0, None
    for index, update in enumerate(plan):
        x, memory = update.apply(x, velocity(x, update.t), memory)
        if on_step is not None:
            on_step(index + 1, len(plan))
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
