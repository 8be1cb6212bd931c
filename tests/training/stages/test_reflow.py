"""Reflow: a student learns straight lines between the ends of its teacher."""

from __future__ import annotations

import copy
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from avlink.core.errors import RecipeError
from avlink.core.motion_config import ControllerConfig
from avlink.core.recipe import load_recipe
from avlink.core.recipe.stages import FUSION_RATES, Conditioning, TeacherTable
from avlink.core.values import Frames, Prompt, SoundRequest
from avlink.engine.sampling import SampleConfig, SoundSampler
from avlink.engine.system import System
from avlink.engine.train.loop import LoopConfig, train_stage
from avlink.engine.train.optim import OptimConfig
from avlink.training.data.clips import ClipLabels, ClipStore
from avlink.training.stages.reflow import ReflowStage

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
from tiny import TINY


def _stage(folder: Path, *, awake: bool, alone: bool | None = None, **teacher: float) -> tuple[System, ReflowStage]:
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (8, 124, 36, 64, 3)).astype(np.uint8)
    labels = [ClipLabels(caption="wood", events=((1.0, "wood", 0.5),))] * 8
    if not (folder / "shard-00000").exists():
        ClipStore.write_shard(folder, 0, frames, np.zeros((8, 82560), np.float32), labels)
    controller = None if alone is None else ControllerConfig(dim=16, layers=1, alone=alone)
    torch.manual_seed(0)
    system = System(TINY.model_copy(update={"controller": controller})).requires_grad_(False).eval()
    if awake:
        # Gates start at zero, where nothing flows.
        for name, parameter in system.named_parameters():
            if "modulation" in name or "final" in name or "pooled" in name or name.startswith(("fusion", "controller")):
                torch.nn.init.normal_(parameter, std=0.15)
    stage = ReflowStage(
        system,
        ClipStore(folder),
        torch.randn(8, 129, 4),
        teacher=TeacherTable(**teacher),  # type: ignore[arg-type]
        conditioning=Conditioning(),
        rates=FUSION_RATES.model_copy(update={"hits_drop": 0.5}),
    )
    return system, stage


def test_a_teacher_that_stands_still_is_straight_already(tmp_path: Path) -> None:
    """Backbones at their zero start give a velocity of zero everywhere, whose lines are points."""
    _, stage = _stage(tmp_path, awake=False)
    assert float(stage.loss([0, 1, 2], _seeded(0))["total"]) == 0


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
    untaught = copy.deepcopy(system)
    config = LoopConfig(steps=40, batch=4, optim=OptimConfig(lr=3e-3, warmup_steps=2), ema=0.5, checkpoint_every=40)
    train_stage(stage, config, tmp_path / "run", lambda *_: None)
    changed = {name for name, value in system.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("fusion_v2a.") for name in changed)

    # On pictures and noise that it has not seen: sounds of a few steps without guidance against those of its teacher.
    few = SampleConfig(steps=segments, guidance=1.0, shift=1.0)
    whole = SoundSampler(untaught, SampleConfig(steps=8, guidance=2.0, shift=1.0))
    distances = [
        np.mean([np.abs(_sound(sampler, seed) - _sound(whole, seed)).mean() for seed in range(4)])
        for sampler in (SoundSampler(untaught, few), SoundSampler(system, few))
    ]
    assert distances[1] < 0.85 * distances[0]

    # A run that goes on has the same teacher.
    again, resumed = _stage(tmp_path, awake=True, steps=8, segments=segments, guidance=2.0, shift=1.0)
    train_stage(resumed, config, tmp_path / "run", lambda *_: None)
    for one, other in zip(resumed.teacher.parameters(), stage.teacher.parameters(), strict=True):
        assert torch.equal(one, other)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in system.state_dict().items())


def _sound(sampler: SoundSampler, seed: int) -> np.ndarray:
    pixels = np.random.default_rng(100 + seed).integers(0, 255, (12, 36, 64, 3), np.uint8)
    frames = Frames(pixels=pixels, rate=Fraction(6))
    (sound,) = sampler.generate([SoundRequest(frames=frames, duration_s=Fraction(2), prompt=Prompt(), seed=seed)])
    return sound.read(0, 32000)


@pytest.mark.parametrize("alone", [True, False])
def test_hits_come_without_the_stem_where_samplers_leave_it_out(alone: bool, tmp_path: Path) -> None:
    _, stage = _stage(tmp_path, awake=True, alone=alone, steps=1)
    met = set()
    for seed in range(16):
        generator = _seeded(seed)
        batch = stage.batch_of([0, 1, 2, 3], generator)
        given = stage._given(batch, torch.full((4,), 0.96), generator)
        assert given.hits is not None
        told = given.hits.flatten(1).any(1)
        met.add((given.motion is not None, bool(told.any()), bool(told.all())))
    # All clips of a step are told, without the stem, or none is; else some of them are, and the stem stays.
    assert (
        met == {(False, True, True), (True, False, False)} if alone else {with_stem for with_stem, *_ in met} == {True}
    )


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_what_cannot_be_straightened_is_refused() -> None:
    with pytest.raises(ValidationError, match="steps = 8 do not divide among 3 segments"):
        TeacherTable(segments=3)
    with pytest.raises(RecipeError, match="'reflow_v2a' straightens one fusion for sound"):
        load_recipe("paper/fusion_joint", "train", ["stages.reflow_v2a.steps=1", "stages.reflow_v2a.batch=1"])
    for setting in (
        "stages.reflow_v2a.time_location=0.5",
        "stages.reflow_v2a.distill=1.0",
        'conditioning.times="uniform"',
    ):
        with pytest.raises(RecipeError, match="says nothing to a reflow"):
            load_recipe("foley48/reflow", "train", [setting])
    for name in ("reflow_v2a", "readout"):
        table = [f"stages.{name}.untrained=true", f"stages.{name}.steps=1", f"stages.{name}.batch=1"]
        with pytest.raises(RecipeError, match=f"stages.{name}.untrained: this stage does not train both backbones"):
            load_recipe("foley48/fusion_v2a", "train", [*table, "model.readout.dim=16"])
