"""What the foundry hands out: clips of paired picture, sound, caption and true event times."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

FRAME_RATE = Fraction(24)
CLIP_FRAMES = 124
HEIGHT = 36
WIDTH = 64
SAMPLE_RATE = 16000
CLIP_SAMPLES = 82560
CLIP_S = CLIP_SAMPLES / SAMPLE_RATE

Split = Literal["train", "held_out", "transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One heard contact: its moment in seconds, the material that sounds and how hard it was hit (0 to 1).

    Flashes and explosions sound as material "air".
    """

    time_s: float
    material: str
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipInfo:
    """What is true of one clip. `envelope` is the level (0 to 1) a frame of a sound that lasts, else None."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipBatch:
    """Clips: `frames` uint8 (clips, 124, 36, 64, 3) at 24 per second, `sound` float32 (clips, 82560) in +-1."""

    frames: torch.Tensor
    sound: torch.Tensor
    clips: tuple[ClipInfo, ...]
