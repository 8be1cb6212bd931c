"""A system small enough to run in a blink, and clips for it."""

from __future__ import annotations

import torch

from avlink.core.architecture import AVLinkConfig, DiTConfig, FusionConfig, TextConfig, VideoConfig
from avlink.core.codec_config import MelSpec, VAEConfig, VocosConfig
from avlink.core.motion_config import MotionConfig
from avlink.engine.system import System

TINY = AVLinkConfig(
    mel=MelSpec(floor=0.02),
    vae=VAEConfig(channels=32, mult=(1, 1, 1), encoder_blocks=1, decoder_blocks=1, z_channels=8, latent_channels=4),
    vocoder=VocosConfig(dim=32, layers=2),
    text=TextConfig(kind="bytes", dim=32, layers=1, heads=2),
    audio=DiTConfig(dim=32, depth=2, heads=2, mlp_ratio=2),
    video=DiTConfig(dim=48, depth=4, heads=2, mlp_ratio=2, prediction="data"),
    picture=VideoConfig(patch=(1, 18, 16)),
    fusion=FusionConfig(dim=32, heads=2, blocks=2, mlp_ratio=2, aligned_init=1.4),
    motion=MotionConfig(dim=32, widths=(16, 16), layers=1, classes=("wood", "metal")),
)


def awake(config: AVLinkConfig) -> System:
    """Return a system with open gates and a fusion that is not fresh, always the same."""
    torch.manual_seed(0)
    system = System(config).eval()
    with torch.no_grad():
        for name, parameter in system.named_parameters():
            if "modulation" in name or "final" in name or name.startswith("fusion"):
                parameter.normal_(0, 0.2)
    return system
