"""The results of the physics foundry: clips of rendered scenes with their true contacts, and the shape of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avlink.core.hits import Hit

VERSION = 1
"""Part of every seed: raise it where any clip changes, so that prepared clips tell which scenes they show."""

Split = Literal["train", "held_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFormat:
    """Size, rate and length of clips."""

    width: int = 160
    height: int = 90
    fps: int = 25
    duration_s: Fraction = Fraction(4)

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return max(1, round(self.duration_s * self.fps))


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsEvent:
    """A visible sounding event.

    `time_s` is from the start of the clip, `strength` in (0, 1], `kind` one of `HIT_KINDS`. `material` is one of the
    foundry's, or "" where none fits. `place` is (x, y) in the picture, each in [0, 1] from the upper left corner.
    `duration_s` is 0 for a moment. `size_px` is the size of the sounding body as the foundry's sounds count it, from 3
    (small) to 9.
    """

    time_s: float
    strength: float
    kind: str
    material: str
    place: tuple[float, float]
    duration_s: float = 0.0
    size_px: float = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsClip:
    """A rendered clip: `frames` uint8 (frames, height, width, 3) at `fps`, with its events, ascending by time.

    Frame k shows the scene from k / `fps` seconds on, for as long as the shutter is open.
    """

    seed: int
    split: Split
    family: str
    caption: str
    frames: NDArray[np.uint8]
    fps: int
    events: tuple[PhysicsEvent, ...]

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The events as hits."""
        return tuple(
            Hit(
                time_s=Fraction(event.time_s),
                duration_s=Fraction(event.duration_s),
                strength=event.strength,
                kind=event.kind,
                place=event.place,
            )
            for event in self.events
        )
