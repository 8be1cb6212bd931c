"""Which flow times are trained: the logit-normal distribution (appendix D.1)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def logit_normal(count: int, *, location: float, scale: float, generator: torch.Generator) -> Float[Tensor, " count"]:
    """T = sigmoid(N(location, scale)). Backbones are trained at location 0, fusions at -1 (more noise), scale 1."""
    normal = torch.randn(count, generator=generator, device=generator.device)
    return torch.sigmoid(location + scale * normal)


def euler_times(steps: int) -> Float[Tensor, " times"]:
    """`steps` + 1 flow times from noise (0) to data (1), evenly spaced.

    Raises ValueError below one step.
    """
    if steps < 1:
        raise ValueError(f"sampling needs at least one step, got {steps}")
    return torch.linspace(0.0, 1.0, steps + 1)
