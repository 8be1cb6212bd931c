"""Flow matching: the path, its inverses, the time distribution, and the solver's order of convergence."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from avlink.core.sampling import SolverName
from avlink.engine.flow.loss import flow_matching_loss, motion_loss
from avlink.engine.flow.path import data_to_velocity, sample_path, velocity_to_data
from avlink.engine.flow.schedule import flow_times, logit_normal
from avlink.engine.flow.solver import guide, rescale, solve, updates

SOLVERS: tuple[SolverName, ...] = ("euler", "heun", "ab2", "dpmpp_2m")


def test_path_begins_in_noise_and_ends_in_data() -> None:
    noise, data = torch.randn(3, 5, 4), torch.randn(3, 5, 4)
    assert torch.equal(sample_path(noise, data, torch.zeros(3)).x_t, noise)
    assert torch.equal(sample_path(noise, data, torch.ones(3)).x_t, data)


def test_data_and_velocity_are_each_others_inverse() -> None:
    noise, data = torch.randn(8, 5, dtype=torch.float64), torch.randn(8, 5, dtype=torch.float64)
    t = torch.rand(8, dtype=torch.float64) * 0.95
    path = sample_path(noise, data, t)
    torch.testing.assert_close(velocity_to_data(path.velocity, path.x_t, t), data)
    torch.testing.assert_close(data_to_velocity(data, path.x_t, t), path.velocity)


def test_the_loss_is_the_mean_squared_error_of_the_velocity_in_single_precision() -> None:
    noise, data = torch.randn(3, 5, 4), torch.randn(3, 5, 4)
    path = sample_path(noise, data, torch.rand(3))
    assert flow_matching_loss(data - noise, path) == 0
    torch.testing.assert_close(flow_matching_loss(data - noise + 2.0, path), torch.tensor(4.0))
    half = flow_matching_loss((data - noise + 2.0).bfloat16(), path)
    assert half.dtype == torch.float32 and float(half) == pytest.approx(4.0, rel=0.01)


def test_the_loss_of_motion_counts_what_changes_from_frame_to_frame() -> None:
    noise, data = torch.randn(2, 6, 3, 4, 4), torch.randn(2, 6, 3, 4, 4)
    path = sample_path(noise, data, torch.rand(2))
    assert motion_loss(data - noise, path) == 0
    # An error that all frames share moves nothing.
    torch.testing.assert_close(motion_loss(data - noise + 2.0, path), torch.tensor(0.0), atol=1e-9, rtol=0)
    drift = torch.arange(6.0).reshape(6, 1, 1, 1) * 0.5
    torch.testing.assert_close(motion_loss(data - noise + drift, path), torch.tensor(0.25))


def test_logit_normal_has_its_median_at_the_sigmoid_of_its_location() -> None:
    draws = logit_normal(20000, location=-1.0, scale=1.0, generator=torch.Generator().manual_seed(0))
    assert draws.min() > 0 and draws.max() < 1
    assert float(draws.median()) == pytest.approx(1 / (1 + math.e), abs=0.01)
    logits = torch.logit(draws)
    assert float(logits.std()) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_solvers_are_exact_on_straight_paths(solver: SolverName, steps: int) -> None:
    noise, data = torch.randn(4, 3), torch.randn(4, 3)
    plan = updates(solver, flow_times(steps))
    assert len(plan) == (2 * steps - 1 if solver == "heun" else steps)
    torch.testing.assert_close(solve(lambda x, t: data - noise, noise, plan), data)


def _bent(x: Tensor, t: float) -> Tensor:
    """A smooth velocity, which decides between two kinds of data, at -1 and 1."""
    width = (1 - t) ** 2 + 0.1 * t**2
    return (torch.tanh(t * x / width) - x) * (1 - t) / width


@pytest.mark.parametrize(
    ("solver", "order", "whole"),
    # DPM-Solver integrates over the log signal-to-noise ratio, which is infinite at both ends: its order holds between.
    [("euler", 1, True), ("heun", 2, True), ("ab2", 2, True), ("dpmpp_2m", 2, False)],
)
def test_halving_the_step_divides_the_error_by_two_to_the_order(solver: SolverName, order: int, whole: bool) -> None:
    def end(steps: int) -> Tensor:
        even = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        times = even if whole else torch.sigmoid(8 * even - 4)
        return solve(_bent, torch.linspace(-2, 2, 9, dtype=torch.float64), updates(solver, times))

    def error(steps: int) -> float:
        return float((end(steps) - end(6400)).abs().max())

    assert math.log2(error(100) / error(200)) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("shift", [1.0, 5.0, 0.5])
def test_shifted_steps_lead_from_noise_to_data_and_turn_to_noise(shift: float) -> None:
    times, even = flow_times(8, shift), flow_times(8)
    assert times[0] == 0 and times[-1] == 1 and (times.diff() > 0).all()
    # The odds of data are those of even steps over the shift.
    torch.testing.assert_close(torch.logit(times[1:-1]), torch.logit(even[1:-1]) - math.log(shift))
    # Wherever the steps lie, a straight path is followed exactly.
    plan = updates("euler", times)
    torch.testing.assert_close(solve(lambda x, t: torch.ones(3), torch.zeros(3), plan), torch.ones(3))


def test_steps_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        flow_times(0)


def test_guidance_of_one_is_the_conditional_and_zero_the_unconditional() -> None:
    a, b = torch.randn(5), torch.randn(5)
    torch.testing.assert_close(guide(a, b, 1.0), a)
    torch.testing.assert_close(guide(a, b, 0.0), b)


def test_rescaled_guidance_spreads_as_far_as_the_conditional_and_leaves_its_direction() -> None:
    x_t, plain, drop = torch.randn(3, 2, 40, 4).unbind()
    t = torch.tensor([0.0, 0.7])
    guided = guide(plain, drop, 6.0)
    torch.testing.assert_close(rescale(guided, plain, x_t, t, 0.0), guided)
    made = velocity_to_data(rescale(guided, plain, x_t, t, 1.0), x_t, t)
    torch.testing.assert_close(made.std((1, 2)), velocity_to_data(plain, x_t, t).std((1, 2)))
    loud = velocity_to_data(guided, x_t, t)
    torch.testing.assert_close(made / made.std((1, 2), keepdim=True), loud / loud.std((1, 2), keepdim=True))
    torch.testing.assert_close(rescale(plain, plain, x_t, t, 1.0), plain)
    # Up to the last of many steps.
    late = torch.tensor([0.98, 0.999])
    assert torch.equal(rescale(guided, plain, x_t, late, 0.0), guided)
