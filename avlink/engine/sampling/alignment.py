"""Guidance by an aligner: velocities that lead to sound which fits the pictures better."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from avlink.core.errors import InputError
from avlink.core.sampling import SampleConfig
from avlink.engine.flow.path import velocity_to_data
from avlink.engine.nn.aligner import Aligner, alignment
from avlink.engine.system import System


class AlignmentGuide:
    """Gradients of an aligner, on the predicted data (Xing et al. 2024) or on the noisy latents (Luo et al. 2023)."""

    def __init__(self, aligner: Aligner, config: SampleConfig) -> None:
        self.aligner, self.weight, self.noisy = aligner, config.alignment, config.alignment_at == "noisy"

    @torch.no_grad()
    def see(self, pixels: Float[Tensor, "frames 3 height width"]) -> Float[Tensor, "moments space"]:
        """Return what the aligner sees in the pictures of a window, for all its steps."""
        return self.aligner.see(pixels[None])[0]

    def guided(
        self,
        velocity: Float[Tensor, "batch tokens channels"],
        x_t: Float[Tensor, "batch tokens channels"],
        t: Float[Tensor, " batch"],
        seen: Float[Tensor, "batch moments space"],
    ) -> Float[Tensor, "batch tokens channels"]:
        """Return `velocity` at `x_t`, moved towards sound that fits `seen`.

        Guided by noisy latents it stays as it is at t = 0.
        """
        # Noise alone holds no sound: the gradient would be another noise, at full length.
        if self.noisy and not t.any():
            return velocity
        read, times = (x_t, t) if self.noisy else (velocity_to_data(velocity, x_t, t), torch.ones_like(t))
        # The aligner alone, not the backbone, as in both sources: a step costs hardly more than without.
        with torch.enable_grad():
            read = read.detach().requires_grad_(True)
            (up,) = torch.autograd.grad(alignment(self.aligner.hear(read, times), seen).sum(), read)
        # Plus: the path goes from noise to data, X_1 = X_t + (1 - t) v, so that a velocity along the gradient of the
        # alignment moves both what is predicted and the next X_t uphill. The gradient's own length depends on the
        # aligner and on t; brought to that of the velocity, a weight means the same at every step of every model.
        return velocity + self.weight * _rms(velocity) * up / _rms(up).clamp(min=1e-12)


def make_guide(system: System, config: SampleConfig) -> AlignmentGuide | None:
    """Return the guide that `config` asks for, or None. Raises InputError for a model without an aligner."""
    # Without the picture there is nothing to be aligned with.
    if config.alignment == 0 or not config.use_picture:
        return None
    if system.aligner is None:
        raise InputError(
            f"alignment = {config.alignment:g} guides by an aligner, which this model has not: "
            "train one (stage 'aligner'), or set alignment = 0"
        )
    return AlignmentGuide(system.aligner, config)


def _rms(x: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, "batch 1 1"]:
    # Of each window alone: windows of one batch must not change each other.
    return x.square().mean(dim=(1, 2), keepdim=True).sqrt()
