"""The foundry: paired video, sound and caption with true event times, made from a seed."""

from avlink.foundry.clip import (
    CLIP_FRAMES,
    CLIP_SAMPLES,
    FRAME_RATE,
    HEIGHT,
    SAMPLE_RATE,
    WIDTH,
    ClipBatch,
    ClipInfo,
    Event,
    Split,
)
from avlink.foundry.generate import make_clips, make_stills

__all__ = [
    "CLIP_FRAMES",
    "CLIP_SAMPLES",
    "FRAME_RATE",
    "HEIGHT",
    "SAMPLE_RATE",
    "WIDTH",
    "ClipBatch",
    "ClipInfo",
    "Event",
    "Split",
    "make_clips",
    "make_stills",
]
