"""The foundry: procedural clips of paired pictures, sound and captions with true event times, made from seeds.

Plans, renderers and synthesis of its own. Which clips a training takes, and where they are kept, belongs in
`avlink.training`.
"""

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
from avlink.foundry.generate import make_clips, make_sound, make_stills
from avlink.foundry.hits import hit_kind, true_hits

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
    "hit_kind",
    "make_clips",
    "make_sound",
    "make_stills",
    "true_hits",
]
