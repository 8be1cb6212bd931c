"""The cost of the training steps of a variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from avlink.core.recipe import TrainRecipe
from avlink.engine.train.loop import step_generator
from avlink.training.data.clips import ClipStore
from avlink.training.data.foundry import stored_fps
from avlink.training.stages.build import build_stage
from avlink.training.stages.fusion import FusionStage
from avlink.training.weights import system_for_stage

if TYPE_CHECKING:
    from avlink.core.recipe.stages import StageName
    from avlink.engine.system import System
    from avlink.engine.train.loop import Stage


_MAX_CLIPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """Trained parameters, and FLOPs of the forward and backward passes of one step; a multiply-add counts as two."""

    parameters: int
    flops: float


def variant_cost(recipe: TrainRecipe, stages: Sequence[StageName], base: Path) -> StepCost:
    """Return the parameters that all `stages` train, and the mean FLOPs of their steps in the recipe's proportion."""
    costs = [step_cost(recipe, stage, base) for stage in stages]
    steps = [recipe.stages[stage].steps for stage in stages]
    spent = sum(cost.flops * count for cost, count in zip(costs, steps, strict=True))
    return StepCost(parameters=sum(cost.parameters for cost in costs), flops=spent / sum(steps))


def step_cost(recipe: TrainRecipe, stage: StageName, base: Path) -> StepCost:
    """Return the cost of one step of the stage at its batch size, on whole clips of those in `base`."""
    # Weights cost the same whatever they are: a stage before this one may not have run.
    system = system_for_stage(recipe, base, stage, torch.device("cpu"), whole=False)
    clips = ClipStore(base / "clips" / "train", fps=stored_fps(recipe))
    built = whole_clip_stage(recipe, stage, system, clips, base)
    for module in built.trained.values():
        module.requires_grad_(True)
    parameters = sum(p.numel() for module in built.trained.values() for p in module.parameters())
    batch = recipe.stages[stage].batch
    # FLOPs are proportional to the clips: a few of them are enough, and do not take minutes on a CPU.
    some = min(batch, _MAX_CLIPS)
    with FlopCounterMode(display=False) as counter:
        indices = [index % len(clips) for index in range(some)]
        losses = built.loss(indices, step_generator("cost", 0, 0))
        losses["total"].backward()  # type: ignore[no-untyped-call]
    return StepCost(parameters=parameters, flops=counter.get_total_flops() * batch / some)


def whole_clip_stage(recipe: TrainRecipe, stage: StageName, system: System, clips: ClipStore, base: Path) -> Stage:
    """Return the stage as it is trained, but a fusion never on a shorter stretch, so that its steps are comparable."""
    built = build_stage(stage, recipe, system, clips, clips, base, write_samples=False)
    if isinstance(built, FusionStage):
        built.shorter = 0.0
    return built
