"""Reflow: a student learns straight lines between the ends of its teacher."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from avlink.core.errors import RecipeError
from avlink.core.recipe import load_recipe
from avlink.core.recipe.stages import FUSION_RATES, Conditioning, TeacherTable
from avlink.engine.system import System
from avlink.engine.train.loop import LoopConfig, train_stage
from avlink.engine.train.optim import OptimConfig
from avlink.training.data.clips import ClipLabels, ClipStore
from avlink.training.stages.reflow import ReflowStage

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
from tiny import TINY


def _stage(folder: Path, *, awake: bool, **teacher: float) -> tuple[System, ReflowStage]:
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (8, 124, 36, 64, 3)).astype(np.uint8)
    labels = [ClipLabels(caption="wood", events=((1.0, "wood", 0.5),))] * 8
    ClipStore.write_shard(folder, 0, frames, np.zeros((8, 82560), np.float32), labels)
    torch.manual_seed(0)
    system = System(TINY).requires_grad_(False).eval()
    if awake:
        # Gates start at zero, where nothing flows.
        for name, parameter in system.named_parameters():
            if "modulation" in name or "final" in name or "pooled" in name or name.startswith("fusion"):
                torch.nn.init.normal_(parameter, std=0.15)
    stage = ReflowStage(
        system,
        ClipStore(folder),
        torch.randn(8, 129, 4),
        teacher=TeacherTable(**teacher),  # type: ignore[arg-type]
        conditioning=Conditioning(),
        rates=FUSION_RATES,
    )
    return system, stage


def test_a_teacher_that_stands_still_is_straight_already(tmp_path: Path) -> None:
    """Backbones at their zero start give a velocity of zero everywhere, whose lines are points."""
    _, stage = _stage(tmp_path, awake=False)
    assert float(stage.loss([0, 1, 2], torch.Generator().manual_seed(0))["total"]) == 0


def test_segments_join_and_hold_all_steps_of_the_teacher(tmp_path: Path) -> None:
    _, stage = _stage(tmp_path, awake=False, steps=6, segments=3, shift=4.0)
    assert [len(times) for times in stage.segments] == [3, 3, 3]
    assert stage.segments[0][0] == 0 and stage.segments[-1][-1] == 1
    assert all(a[-1] == b[0] for a, b in zip(stage.segments, stage.segments[1:], strict=False))
    # An Euler step of the student begins where a segment does: at the times of its own sampler.
    assert [times[0] for times in stage.segments] == pytest.approx([0, 1 / 9, 1 / 3])


@pytest.mark.parametrize("segments", [1, 2])
def test_a_student_comes_near_its_teacher_in_fewer_steps(segments: int, tmp_path: Path) -> None:
    system, stage = _stage(tmp_path, awake=True, steps=8, segments=segments, guidance=2.0, shift=1.0)
    before = {name: value.clone() for name, value in system.state_dict().items()}
    teacher = {name: value.clone() for name, value in stage.teacher.state_dict().items()}

    def loss() -> float:
        with torch.no_grad():
            return float(np.mean([float(stage.loss([0, 1, 2, 3], _seeded(seed))["total"]) for seed in range(4)]))

    untaught = loss()
    config = LoopConfig(steps=40, batch=4, optim=OptimConfig(lr=3e-3, warmup_steps=2), ema=0.5)
    train_stage(stage, config, tmp_path / "run", lambda *_: None)
    assert loss() < 0.7 * untaught
    changed = {name for name, value in system.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("fusion_v2a.") for name in changed)
    assert all(torch.equal(value, teacher[name]) for name, value in stage.teacher.state_dict().items())


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_what_cannot_be_straightened_is_refused() -> None:
    with pytest.raises(ValidationError, match="steps = 8 do not divide among 3 segments"):
        TeacherTable(segments=3)
    with pytest.raises(RecipeError, match="'reflow_v2a' straightens a fusion for sound alone"):
        load_recipe("paper/fusion_joint", "train", ["stages.reflow_v2a.steps=1", "stages.reflow_v2a.batch=1"])
