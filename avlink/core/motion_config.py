"""Tables of the parts that are not in the paper's model: motion stem, controller, aligner, spotters.

Imports no torch.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from avlink.core.hits import HIT_KINDS
from avlink.core.tables import Ints, Positive, Table, kind_of
from avlink.core.values import PictureSpec


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

    dim: Positive = 96
    """Width of its layers at each place of the picture."""
    layers: Positive = 2
    """Layers over time after the places are pooled."""


class AlignerConfig(Table):
    """Network that tells how well sound fits pictures, for guidance at sampling; see `avlink.engine.nn.aligner`.

    Not in the paper's model: two of its baselines are guided by such a network.
    """

    dim: Positive = 96
    """Width of its layers over time."""
    layers: Positive = 3
    """Layers over time on each side."""
    widths: Annotated[tuple[Positive, Positive], Field(strict=False)] = (24, 48)
    """Channels of the convolutions on pictures, at a quarter and an eighth of their size."""
    space: Positive = 64
    """Width of the vectors that are compared."""
    moments: Positive = 2
    """Moments in the time of one picture, each with a vector of sound and one of pictures."""


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


MAP_PICTURE = PictureSpec(rate=Fraction(60), width=128, height=72)
"""Pictures that motion maps are made of. A film's own frames are held at this rate, and found again by what is held."""


class FlowSpotterConfig(Table):
    """Network that spots events in motion maps, which are made of `MAP_PICTURE`. Its classes are kinds of hits."""

    kind: Literal["flow"]
    place_dim: Positive = 48
    """Width of its layers at each place of the picture."""
    place_layers: Positive = 3
    dim: Positive = 128
    """Width of its layers over the whole picture."""
    layers: Positive = 4
    classes: Annotated[tuple[str, ...], Field(strict=False)] = ("hit", "step", "drop", "slide", "splash", "flash")


class SpotterConfig(MotionConfig):
    """A motion stem that is trained to spot, with an input size of its own. Its classes may be kinds of hits."""

    width: int = Field(default=64, gt=0, multiple_of=4)
    height: int = Field(default=36, gt=0, multiple_of=4)


def _spotter_kind(value: object) -> str:
    return "flow" if kind_of(value) == "flow" else "stem"


AnySpotterConfig = Annotated[
    Annotated[SpotterConfig, Tag("stem")] | Annotated[FlowSpotterConfig, Tag("flow")], Discriminator(_spotter_kind)
]


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
