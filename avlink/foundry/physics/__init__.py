"""The physics foundry: clips of 3-D scenes with exact contacts, to train the network that sees sounding events.

Scenes are planned from a seed, simulated and rendered by MuJoCo (the extra `foundry3d`), and filmed as cameras and
codecs do. What strikes on purpose follows planned paths, so its times are exact; what falls and rolls is simulated,
and its contacts come from the physics.
"""

from avlink.foundry.physics.backend import missing_reason
from avlink.foundry.physics.clip import VERSION, ClipFormat, PhysicsClip, PhysicsEvent, Split
from avlink.foundry.physics.families import FAMILIES, SILENT
from avlink.foundry.physics.generate import make_clip
from avlink.foundry.physics.simulate import MERGE_S

__all__ = [
    "FAMILIES",
    "MERGE_S",
    "SILENT",
    "VERSION",
    "ClipFormat",
    "PhysicsClip",
    "PhysicsEvent",
    "Split",
    "make_clip",
    "missing_reason",
]
