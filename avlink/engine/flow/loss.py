"""The flow-matching objective (equations 2 and 5)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from avlink.engine.flow.path import PathSample


def flow_matching_loss(predicted: Float[Tensor, "batch ..."], path: PathSample) -> Float[Tensor, ""]:
    """Return the mean squared error of a predicted velocity: `||G(X_t, t) - (X_1 - X_0)||^2`, averaged over all values.

    Of one backbone alone this is equation 2; of the generated modality of a linked model it is equation 5, where
    `predicted` is `G_V2A(A_ta, V_tv, t_a, t_v)` and `path` the path of the audio.
    """
    # In fp32: a sum of bf16 squares over a window of pixels loses most of its digits.
    return (predicted.float() - path.velocity).square().mean()


def motion_loss(predicted: Float[Tensor, "batch frames ..."], path: PathSample) -> Float[Tensor, ""]:
    """Return the mean squared error of the differences between neighbouring frames of a predicted velocity.

    Added to `flow_matching_loss` it has the same minimum: both are least where the velocity is the mean of all that are
    possible.
    """
    return (predicted.float() - path.velocity).diff(dim=1).square().mean()
