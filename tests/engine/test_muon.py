"""Muon: what torch's own does, in any precision."""

from __future__ import annotations

import pytest
import torch

from avlink.engine.train.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(40, 64), (64, 40), (32, 96)])
def test_singular_values_are_drawn_to_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(3, *shape), torch.float32))
    assert values.min() > 0.3 and values.max() < 1.3


def test_steps_are_those_of_torch() -> None:
    """In the same precision to its last digit but a few; in fp32 as near as bfloat16 can tell."""
    torch.manual_seed(0)
    shapes = [(48, 32), (32, 48), (48, 32)]
    start = [torch.randn(shape) for shape in shapes]
    gradients = [[torch.randn(shape) for shape in shapes] for _ in range(4)]

    def run(make: object) -> torch.Tensor:
        weights = [torch.nn.Parameter(values.clone()) for values in start]
        optimiser = make(weights)  # type: ignore[operator]
        for step in gradients:
            for weight, gradient in zip(weights, step, strict=True):
                weight.grad = gradient.clone()
            optimiser.step()
        return torch.cat([weight.detach().flatten() for weight in weights])

    theirs = run(lambda p: torch.optim.Muon(p, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"))
    ours = run(lambda p: Muon(p, lr=0.02, weight_decay=0.1, dtype=torch.bfloat16))
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)
    exact = run(lambda p: Muon(p, lr=0.02, weight_decay=0.1, dtype=torch.float32))
    assert (exact - theirs).norm() < 0.03 * (theirs - torch.cat([values.flatten() for values in start])).norm()
