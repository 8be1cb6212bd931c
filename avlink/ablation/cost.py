"""What one step of a variant costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from avlink.core.recipe import TrainRecipe
from avlink.engine.train.loop import step_generator
from avlink.training.data.clips import ClipStore
from avlink.training.foundry_clips import stored_fps
from avlink.training.stages.build import stage_of
from avlink.training.stages.fusion import FusionStage
from avlink.training.start import system_for

if TYPE_CHECKING:
    from avlink.core.recipe.stages import StageName
    from avlink.engine.system import System


_CLIPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What is trained, and the operations of one step: products counted twice, as multiply and add, both passes."""

    parameters: int
    flops: float


def cost(recipe: TrainRecipe, stage: StageName, base: Path) -> Cost:
    """One step of the stage at its batch, on whole clips of those in `base`."""
    system = system_for(recipe, base, stage, torch.device("cpu"))
    clips = ClipStore(base / "clips" / "train", fps=stored_fps(recipe))
    built = on_whole_clips(recipe, stage, system, clips, base)
    for module in built.trained.values():
        module.requires_grad_(True)
    parameters = sum(p.numel() for module in built.trained.values() for p in module.parameters())
    batch = recipe.stages[stage].batch
    # Some of it tells what all of it costs, on a processor that shall not take minutes for that.
    some = min(batch, _CLIPS)
    with FlopCounterMode(display=False) as counter:
        indices = [index % len(clips) for index in range(some)]
        losses = built.loss(indices, step_generator("cost", 0, 0))
        losses["total"].backward()  # type: ignore[no-untyped-call]
    return Cost(parameters=parameters, flops=counter.get_total_flops() * batch / some)


def on_whole_clips(recipe: TrainRecipe, stage: StageName, system: System, clips: ClipStore, base: Path) -> FusionStage:
    """The stage as it is trained, but never on a shorter stretch: its steps can be compared with each other."""
    built = stage_of(stage, recipe, system, clips, clips, base, keep=False)
    assert isinstance(built, FusionStage)
    built.shorter = 0.0
    return built
