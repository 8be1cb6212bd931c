"""Tables of the parts that are not in the paper: motion stem, temporal controller, spotters. Imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from avlink.core.hits import HIT_KINDS
from avlink.core.tables import Ints, Positive, Table


class MotionConfig(Table):
    """Motion stem: convolutions on frames and signed frame differences, attended in the fusion. Not in the paper."""

    fps: Positive = 24
    dim: Positive = 192
    widths: Ints = (48, 96)
    layers: Positive = 4
    look_widths: Annotated[tuple[Positive, Positive, Positive], Field(strict=False)] = (24, 48, 64)
    """Channels of the convolutions on single frames, at full, half and quarter size."""
    look_blocks: int = Field(default=0, ge=0)
    """Residual blocks after these convolutions."""
    classes: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Classes that the stem predicts at each onset (materials, in the built-in model)."""


class ReadoutConfig(Table):
    """Network that reads the motion stem's tokens from the frozen video backbone instead. Not in the paper."""

    dim: Positive = 128
    """Width of its layers at each place of the picture."""
    layers: Positive = 3
    """Layers over time after the places are pooled."""


class ControllerConfig(Table):
    """Temporal controller: hits as a condition of the audio stream (FoleyCrafter). Not in the paper."""

    dim: Positive = 1024
    layers: Positive = 4
    bins: Positive = 8
    """Places of an impulse within one audio token."""
    kinds: Annotated[tuple[str, ...], Field(strict=False)] = HIT_KINDS
    """Kinds of hits that it tells apart."""
    alone: bool = False
    """Leave out the motion stem's tokens where hits are given for the whole clip: nothing but hits says then when
    something sounds, and a hit that was deleted stays silent. Needs a fusion that was trained with `motion_drop`."""
    own_fusion: bool = False
    """Give sound that follows hits Fusion Blocks of its own (`fusion_hits`): without hits the model stays as it was."""


class SpotterConfig(MotionConfig):
    """A motion stem that is trained to spot, with an input size of its own. Its classes may be kinds of hits."""

    width: int = Field(default=64, gt=0, multiple_of=4)
    height: int = Field(default=36, gt=0, multiple_of=4)


class HitHeadConfig(Table):
    """Heads on the onset curve of a motion stem and a curve of motion, which are averaged. Not in the paper."""

    width: Positive = 32
    kernel: int = Field(default=9, gt=0)
    """Taps of its convolutions: an odd number of sixtieths of a second."""
    members: Positive = 3  # heads that start from other weights
    tokens: int = Field(default=0, ge=0)
    """Channels that the stem's motion tokens are reduced to; 0 leaves them out."""

    @model_validator(mode="after")
    def _centred(self) -> HitHeadConfig:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel = {self.kernel} has no middle; take an odd number")
        return self
