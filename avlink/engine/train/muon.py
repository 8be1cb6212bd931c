"""Muon, with a choice of precision for its iteration.

torch.optim.Muon always iterates in bfloat16. Most CPUs emulate that type, and a step of the optimiser then takes longer
than the step of the model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic Newton-Schulz iteration as tuned for Muon (Jordan et al. 2024).

They trade convergence to exactly 1 for speed: singular values end between about 0.7 and 1.2, which is near enough.
"""
_ITERATIONS = 5


def orthogonalise(
    gradients: Float[Tensor, "batch rows columns"], dtype: torch.dtype
) -> Float[Tensor, "batch rows columns"]:
    """Return each matrix with singular values driven to about 1 (Jordan et al. 2024, "Muon"), computed in `dtype`."""
    x = gradients.to(dtype)
    tall = x.shape[1] > x.shape[2]
    # The Gram matrix of the shorter side is the cheaper one.
    x = x.mT if tall else x
    # The iteration converges for singular values up to 1, and the Frobenius norm bounds the largest one.
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        # X (a I + b A + c A^2) with A = X X^T: on singular values the polynomial a s + b s^3 + c s^5. Products only, no
        # decomposition, which GPUs are slow at.
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x.mT if tall else x).to(gradients.dtype)


class Muon(torch.optim.Optimizer):
    """Orthogonalised Nesterov momentum for weight matrices.

    Updates are scaled by 0.2 sqrt(longer side) (Liu et al. 2025, "Moonlight"), which gives them the root mean square
    of AdamW's, so `lr` and decoupled `weight_decay` mean the same as there.
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
        """Update the parameters; raises ValueError for a `closure`, which is not supported."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            same_shape: dict[tuple[torch.Size, torch.device], list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    same_shape[parameter.shape, parameter.device].append(parameter)
            # One batched product per shape: on a GPU, launching many small products costs more than computing them.
            for parameters in same_shape.values():
                self._update(parameters, group["lr"], group["lr"] * group["weight_decay"], group["momentum"])

    def _update(self, parameters: list[Tensor], lr: float, decay: float, momentum: float) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        for parameter in parameters:
            if "momentum_buffer" not in self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        buffers = [self.state[p]["momentum_buffer"] for p in parameters]
        # A mean of gradients, as AdamW's first moment; orthogonalisation drops its scale.
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        # Nesterov: the step looks ahead along the momentum.
        wanted = torch.stack(torch._foreach_lerp(gradients, buffers, momentum))
        scale = 0.2 * max(parameters[0].shape) ** 0.5
        # Decoupled, as in AdamW: the decay acts on the weights, and is not orthogonalised with the gradient.
        torch._foreach_mul_(parameters, 1 - decay)
        torch._foreach_add_(parameters, orthogonalise(wanted, self.dtype).unbind(), alpha=-lr * scale)
