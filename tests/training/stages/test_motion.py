from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from avlink.core.errors import InputError
from avlink.core.motion_config import SpotterConfig
from avlink.core.recipe import load_recipe
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore, StillStore
from avlink.training.data.index import ClipLabels
from avlink.training.stages.motion import AppearanceStage, MotionStage, SpotterStage
from avlink.training.validation import motion
from avlink.training.weights import system_for_stage

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


def test_the_spotter_learns_from_pictures_of_its_own_size_and_no_other_part_changes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (2, 24, 40, 72, 3), np.uint8)
    labels = [ClipLabels(caption="", events=((0.5, "drop", 1.0),))] * 2
    ClipStore.write_shard(tmp_path / "clips", 0, frames, None, labels)
    config = TINY.model_copy(
        update={"spotter": SpotterConfig(dim=16, widths=(8, 8), width=72, height=40, classes=("hit", "drop"))}
    )
    system = System(config)
    stage = SpotterStage(system, ClipStore(tmp_path / "clips"))
    assert set(stage.trained) == {"spotter"}
    losses = stage.loss([0, 1], torch.Generator().manual_seed(0))
    losses["total"].backward()
    assert losses["class"] > 0
    learned = {name.partition(".")[0] for name, p in system.named_parameters() if p.grad is not None and p.grad.any()}
    assert learned == {"spotter"}
    assert motion(system, ClipStore(tmp_path / "clips"), "spotter").keys() == {"f1_100ms", "f1_50ms", "class"}
    with pytest.raises(InputError, match="stage 'spotter' reads 72x40 at 24 fps"):
        SpotterStage(system, ClipStore(tmp_path / "clips", fps=30))


def test_a_spotter_starts_as_the_motion_stem_whose_tensors_fit_it(tmp_path: Path) -> None:
    recipe = load_recipe("spotter", "train", ["data.clips=1"])
    system = system_for_stage(recipe, tmp_path, "spotter", torch.device("cpu"))
    assert system.motion is not None and system.spotter is not None
    given, state = system.motion.state_dict(), system.spotter.state_dict()
    fresh = [key for key, value in state.items() if given[key].shape != value.shape]
    assert 0 < len(fresh) < 5
    assert all(torch.equal(given[key], value) for key, value in state.items() if key not in fresh)
