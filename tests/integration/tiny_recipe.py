"""A training recipe that goes through every stage in a few seconds."""

from __future__ import annotations

MODEL = """
[model.mel]
floor = 0.02
[model.vae]
channels = 32
mult = [1, 1, 1]
encoder_blocks = 1
decoder_blocks = 1
z_channels = 8
latent_channels = 4
linear_path = true
[model.vocoder]
kind = "vocos"
dim = 32
layers = 1
[model.text]
kind = "bytes"
dim = 32
layers = 1
heads = 2
[model.audio]
dim = 32
depth = 2
heads = 2
mlp_ratio = 2
[model.video]
dim = 32
depth = 2
heads = 2
mlp_ratio = 2
prediction = "data"
[model.picture]
patch = [1, 18, 16]
[model.fusion]
dim = 32
heads = 2
blocks = 2
mlp_ratio = 2
aligned_init = 1.4
"""

MOTION = """
[model.motion]
fps = 24
dim = 32
widths = [16, 16]
layers = 1
classes = ["wood", "metal", "glass", "stone", "rubber", "water", "cloth"]
"""


READOUT = """
[model.readout]
dim = 16
layers = 1
"""


ALIGNER = """
[model.aligner]
dim = 16
layers = 1
widths = [8, 8]
space = 8
"""


def stages(names: str, steps: int) -> str:
    """Tables for the named stages; a checkpoint every second step."""
    table = "[stages.{name}]\nsteps = {steps}\nbatch = 2\nmuon_lr = 1e-3\nwarmup_steps = 1\ncheckpoint_every = 2\n"
    return "".join(table.format(name=name, steps=steps) for name in names.split())


FOUNDRY = (
    'format = 1\nkind = "train"\nname = "tiny"\n[data]\nsource = "foundry"\nclips = 4\nheld_out = 1\nstills = 40\n'
)
