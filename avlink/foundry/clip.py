"""The foundry's results: clips of paired pictures, sound and captions with true event times, and their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

FRAME_RATE = Fraction(24)
CLIP_FRAMES = 124
"""31 frames of the paper's video model at 6 per second, times 4."""
HEIGHT = 36
WIDTH = 64
SAMPLE_RATE = 16000
CLIP_SAMPLES = 82560
"""129 latent tokens of 640 samples: 5.16 s, the longest whole number of tokens within the pictures."""
CLIP_S = CLIP_SAMPLES / SAMPLE_RATE


def clip_samples(rate: int) -> int:
    """Return the samples of a clip at `rate` a second: as long as at 16 kHz, rounded up."""
    return -(-CLIP_SAMPLES * rate // SAMPLE_RATE)


Split = Literal["train", "held_out", "transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An audible contact: its time in seconds, the material that sounds, and the strength of the blow (0 to 1).

    Flashes and explosions have the material "air".
    """

    time_s: float
    material: str
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipInfo:
    """The ground truth of one clip. `envelope` is the level (0 to 1) per frame of a continuous sound, else None."""

    seed: int
    split: Split
    kind: str
    group: str
    style: str
    narrow: bool
    materials: tuple[str, ...]
    recoloured: bool
    caption: str
    events: tuple[Event, ...]
    envelope: NDArray[np.float32] | None = None
    edited: bool = False
    """True where the events are other than those that the picture shows."""
    named: bool = False
    """True where the caption names what sounds, and the picture shows other bodies at the same moments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipBatch:
    """Clips: `frames` uint8 (clips, 124, 36, 64, 3) at 24 per second, `sound` float32 (clips, samples) in [-1, 1]."""

    frames: torch.Tensor
    sound: torch.Tensor
    clips: tuple[ClipInfo, ...]
