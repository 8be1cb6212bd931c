"""Muon, with its iteration in the precision that the processor is quick at.

torch's own iterates in bfloat16 always. Where a processor only imitates that, as most CPUs do, a step of the optimiser
takes longer than the step of the model that it serves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""The quintic of Newton and Schulz as tuned for Muon: singular values end up between about 0.7 and 1.2."""
_ITERATIONS = 5


def orthogonalise(
    gradients: Float[Tensor, "batch rows columns"], dtype: torch.dtype
) -> Float[Tensor, "batch rows columns"]:
    """Each matrix with its singular values drawn to about 1 (Jordan et al. 2024, "Muon"), computed in `dtype`."""
    x = gradients.to(dtype)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x.mT if tall else x).to(gradients.dtype)


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
            alike: dict[tuple[torch.Size, torch.device], list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape, parameter.device].append(parameter)
            # Those of one shape at once: a GPU starts each product in the time that it takes to do many.
            for parameters in alike.values():
                self._descend(parameters, group["lr"], group["lr"] * group["weight_decay"], group["momentum"])

    def _descend(self, parameters: list[Tensor], lr: float, decay: float, momentum: float) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        for parameter in parameters:
            if "momentum_buffer" not in self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        buffers = [self.state[p]["momentum_buffer"] for p in parameters]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        wanted = torch.stack(torch._foreach_lerp(gradients, buffers, momentum))
        scale = 0.2 * max(parameters[0].shape) ** 0.5
        torch._foreach_mul_(parameters, 1 - decay)
        torch._foreach_add_(parameters, orthogonalise(wanted, self.dtype).unbind(), alpha=-lr * scale)
