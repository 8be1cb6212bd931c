"""Flow times: the training distribution p_t, and the steps of the sampler."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def logit_normal(count: int, *, location: float, scale: float, generator: torch.Generator) -> Float[Tensor, " count"]:
    """Return t = sigmoid(n) with n from N(location, scale) (section 3.1, appendix D.1).

    The paper trains base models at location 0 and Fusion Blocks at -1, both at scale 1.
    """
    # A lower location means more noise. What is generated follows its condition in the early steps, so that is where
    # Fusion Blocks have most to learn.
    normal = torch.randn(count, generator=generator, device=generator.device)
    return torch.sigmoid(location + scale * normal)


def flow_times(steps: int, shift: float = 1.0) -> Float[Tensor, " times"]:
    """Return `steps` + 1 flow times from noise (0) to data (1): even ones, or with a `shift` beyond 1 more near noise.

    The shift is that of Esser et al. 2024, equation 23: t / (t + shift (1 - t)).

    Raises ValueError below one step.
    """
    if steps < 1:
        raise ValueError(f"sampling needs at least one step, got {steps}")
    even = torch.linspace(0.0, 1.0, steps + 1)
    return even / (even + shift * (1 - even))
