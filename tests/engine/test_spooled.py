"""Long pictures in rows: a step over windows is what it is with everything in memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from avlink.core.sampling import SolverName
from avlink.engine.flow.schedule import flow_times
from avlink.engine.flow.solver import solve, updates
from avlink.engine.sampling.spooled import SpooledTensor, update_rows
from avlink.engine.windows import blend, plan_windows


@pytest.mark.parametrize("seconds", [1.0, 5.0, 5.5, 13.0, 41.0])
@pytest.mark.parametrize("at_once", [1, 2, 8])
@pytest.mark.parametrize("window_s", [5.2, 2.9])
@pytest.mark.parametrize("solver", ["euler", "dpmpp_2m"])
def test_a_step_in_rows_is_the_step_in_memory(
    seconds: float, at_once: int, window_s: float, solver: SolverName
) -> None:
    torch.manual_seed(0)
    fps, shape = 6, (3, 2, 4)
    x = torch.randn(round(seconds * fps), *shape)
    windows = plan_windows(seconds, window_s)
    spans = [(w.start_s * fps, min(len(x), w.start_s * fps + round(w.duration_s * fps + 0.499))) for w in windows]

    def velocity(stacked: Tensor, part: list[int]) -> Tensor:
        assert len(part) <= at_once and len({spans[i][1] - spans[i][0] for i in part}) == 1
        # Neighbours disagree, and what is said depends on what was read.
        return stacked.flip(1) * 0.5 + torch.tensor(part).reshape(-1, 1, 1, 1, 1)

    def blended(x: Tensor, t: float) -> Tensor:
        pieces = [velocity(x[a:b][None], [i])[0] for i, (a, b) in enumerate(spans)]
        return blend(pieces, [a for a, _ in spans], len(x))

    plan = updates(solver, flow_times(3))
    rows, memory = SpooledTensor(x.split(11), shape=shape), SpooledTensor((), shape=shape)
    for update in plan:
        update_rows(rows, memory, spans, velocity, update, at_once=at_once, device=torch.device("cpu"))
    torch.testing.assert_close(rows.read(0, len(x)), solve(blended, x, plan))
    # Euler's method remembers nothing, and writes nothing.
    assert memory.num_rows == (0 if solver == "euler" else len(x))


def test_rows_can_be_replaced_and_read_in_any_order() -> None:
    rows = SpooledTensor([torch.zeros(5, 2)], shape=(2,))
    rows.write(3, torch.ones(4, 2))
    assert rows.num_rows == 7
    assert rows.read(2, 6)[:, 0].tolist() == [0, 1, 1, 1]
    assert rows.read(0, 3).sum() == 0
