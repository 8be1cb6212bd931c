from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from avlink.engine.system import System
from avlink.training.data.clips import ClipStore, StillStore
from avlink.training.data.index import ClipLabels
from avlink.training.stages.motion import AppearanceStage, MotionStage

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
from tiny import TINY


def test_each_stage_of_the_stem_learns_its_own_part(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    StillStore.write_shard(
        tmp_path / "stills", 0, rng.integers(0, 255, (4, 36, 64, 3), np.uint8), ["wood", "metal"] * 2
    )
    frames, sound = rng.integers(0, 255, (2, 24, 36, 64, 3), np.uint8), np.zeros((2, 16000))
    ClipStore.write_shard(
        tmp_path / "clips", 0, frames, sound, [ClipLabels(caption="", events=((0.5, "wood", 1.0),))] * 2
    )
    system = System(TINY)
    assert system.motion is not None
    look = {id(parameter) for module in system.motion.appearance.learned_alone for parameter in module.parameters()}
    for stage, alone in (
        (AppearanceStage(system, StillStore(tmp_path / "stills")), True),
        (MotionStage(system, ClipStore(tmp_path / "clips")), False),
    ):
        system.zero_grad()
        for module in stage.frozen:
            module.requires_grad_(False)
        stage.loss([0, 1], torch.Generator().manual_seed(0))["total"].backward()
        learned = {id(p) for p in system.motion.parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        assert learned and (learned & look != set()) == alone
