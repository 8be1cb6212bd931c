"""Muon, with its iteration in the precision that the processor is quick at.

torch's own iterates in bfloat16 always. Where a processor only imitates that, as most CPUs do, a step of the optimiser
takes longer than the step of the model that it serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""The quintic of Newton and Schulz as tuned for Muon: singular values end up between about 0.7 and 1.2."""
_ITERATIONS = 5


def orthogonalise(gradient: Float[Tensor, "rows columns"], dtype: torch.dtype) -> Float[Tensor, "rows columns"]:
    """The matrix with its singular values drawn to about 1 (Jordan et al. 2024, "Muon"), computed in `dtype`."""
    x = gradient.to(dtype)
    tall = x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x.mT if tall else x).to(gradient.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, for weight matrices; steps are as large as AdamW's usually are.

    `lr` and decoupled `weight_decay` are as AdamW takes them (Moonlight's scale: 0.2 sqrt(longer side)).
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One step down the gradients; `closure` is not taken."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                buffer = state.setdefault("momentum_buffer", torch.zeros_like(parameter))
                buffer.lerp_(parameter.grad, 1 - group["momentum"])
                wanted = parameter.grad.lerp(buffer, group["momentum"])
                scale = 0.2 * max(parameter.shape) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(orthogonalise(wanted, self.dtype), alpha=-group["lr"] * scale)
