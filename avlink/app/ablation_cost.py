"""What one step of a variant costs, and the first clips of a store, on which that is counted."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from avlink.app.extracted import extractor_of
from avlink.app.prepare import stored_fps
from avlink.app.stages import tasks_of
from avlink.app.start import system_for
from avlink.core.recipe import TrainRecipe
from avlink.engine.extracted import describe
from avlink.engine.train.clips import ClipStore
from avlink.engine.train.loop import step_generator
from avlink.engine.train.stages.codec import encode_all
from avlink.engine.train.stages.fusion import FusionStage

if TYPE_CHECKING:
    from avlink.core.training import StageName, Task
    from avlink.engine.models.system import System
    from avlink.engine.train.clip_rows import RowsByClip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What is trained, and the operations of one step: products counted twice, as multiply and add, both passes."""

    parameters: int
    flops: float


def cost(recipe: TrainRecipe, stage: StageName, base: Path) -> Cost:
    """One step of the stage at its batch, on whole clips."""
    system = system_for(recipe, base, stage, torch.device("cpu"))
    clips = ClipStore(base / "clips" / "train", fps=stored_fps(recipe))
    built = _stage(system, clips, recipe, stage, tasks_of(stage, recipe))
    for module in built.trained.values():
        module.requires_grad_(True)
    parameters = sum(p.numel() for module in built.trained.values() for p in module.parameters())
    batch = recipe.stages[stage].batch
    with FlopCounterMode(display=False) as counter:
        losses = built.loss([index % len(clips) for index in range(batch)], step_generator("cost", 0, 0))
        losses["total"].backward()  # type: ignore[no-untyped-call]
    return Cost(parameters=parameters, flops=float(counter.get_total_flops()))


def _stage(
    system: System, clips: ClipStore, recipe: TrainRecipe, stage: StageName, tasks: tuple[Task, ...]
) -> FusionStage:
    """The stage on whole clips; latents are encoded for the clips that there are few of, or the first ones."""
    few = FirstClips(clips, max(recipe.stages[stage].batch, 1))
    built = FusionStage(
        system,
        few,
        encode_all(system, few),
        name=stage,
        tasks=tasks,
        conditioning=recipe.conditioning.model_copy(update={"times": "fixed"}),
        finetune=recipe.stages[stage].finetune,
        features=features_for(recipe, few),
    )
    built.shorter = 0.0
    return built


class FirstClips(ClipStore):
    """The first clips of a store."""

    def __init__(self, clips: ClipStore, count: int) -> None:
        super().__init__(clips.root, fps=clips.fps)
        self._count = min(count, len(clips))

    def __len__(self) -> int:
        return self._count


def features_for(recipe: TrainRecipe, clips: ClipStore) -> RowsByClip | None:
    """An extractor's features of some clips, where the model reads those."""
    wanted = recipe.model.fusion.extracted
    ready = extractor_of(recipe.model, recipe.extractors, recipe.source)
    if wanted is None or ready is None:
        return None
    extractor = ready.load("cpu")
    pictures = clips.frames(range(len(clips))).numpy()
    return torch.stack([describe(extractor, seen, Fraction(clips.fps), wanted) for seen in pictures])
