"""Samples a second in each stage of training, at the sizes of `foley_tiny`, against the forward pass alone.

It also tells the shares of a step: the forward pass, reading clips, the backward pass, and the optimiser.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from avlink.core.recipe import TrainRecipe, load_recipe
from avlink.core.recipe.stages import StageTable
from avlink.engine.codec.mel import LogMel
from avlink.engine.system import System
from avlink.engine.train.loop import Stage, step_generator
from avlink.engine.train.optim import EMA, OptimConfig, Optimiser
from avlink.engine.train.parallel import Learner
from avlink.engine.train.ranks import Ranks
from avlink.training.data.clips import ClipStore, StillStore
from avlink.training.data.precomputed import encode_clips
from avlink.training.stages.backbones import AudioStage, VideoStage
from avlink.training.stages.codec import VAEStage, VocoderStage
from avlink.training.stages.fusion import FusionStage
from avlink.training.stages.motion import AppearanceStage, MotionStage
from avlink.training.train import train
from avlink.training.weights import load_stages
from benchmarks.figure import Figure, Wanted
from benchmarks.stopwatch import seconds

_RECIPE = "foley_tiny"
# For a quick look at whether everything runs.
_TINY: dict[str, dict[str, object]] = {
    "vae": {"channels": 32, "mult": [1, 1, 1], "z_channels": 8, "latent_channels": 4},
    "vocoder": {"dim": 32, "layers": 1},
    "text": {"dim": 32, "layers": 1, "heads": 2},
    "audio": {"dim": 32, "depth": 2, "heads": 2},
    "video": {"dim": 32, "depth": 2, "heads": 2},
    "fusion": {"dim": 32, "heads": 2, "blocks": 2},
    "motion": {"dim": 32, "widths": [16, 16], "layers": 1},
}


def measure(wanted: Wanted) -> list[Figure]:
    """A few steps of each stage, after one to warm up; the last step, which also validates, is not counted."""
    # Tiny products on two threads are mostly threads that wait for each other; on busy cores, for minutes.
    torch.set_num_threads(1 if wanted.quick else 2)
    timed = range(1, 2 if wanted.quick else 4)
    with tempfile.TemporaryDirectory(prefix="avlink-bench-") as name:
        out = Path(name)
        recipe = _recipe(steps=timed.stop + 1, quick=wanted.quick)
        train(recipe, out)
        system = System(recipe.model).requires_grad_(False)
        load_stages(out, None, system.components())
        stages = _stages(recipe, system, out / "clips")
        figures = []
        for name, table in recipe.stages.items():
            samples = table.batch * len(timed)
            step_s = _logged(out / f"{name}.jsonl", timed)
            forward_s = _forward(stages[name], table.batch, recipe, timed) if name in stages else None
            figures.append(
                Figure(
                    name=f"training, {name}, batch {table.batch}",
                    value=samples / step_s,
                    unit="samples/s",
                    baseline=None if forward_s is None else samples / forward_s,
                    baseline_name="forward pass alone",
                )
            )
        # Last, as steps change the weights that later stages run on.
        for name, table in recipe.stages.items():
            if name in stages:
                figures += _shares(stages[name], table, recipe, timed)
    return figures


def _recipe(*, steps: int, quick: bool) -> TrainRecipe:
    """The shipped recipe with a handful of clips and steps; its sizes stay, unless it is to be quick."""
    stages = load_recipe(_RECIPE, "train").stages
    overrides = ["data.clips=12", "data.held_out=4", "data.stills=64"]
    for name in stages:
        overrides += [f"stages.{name}.steps={steps}", f"stages.{name}.validate_every=0"]
        if quick:
            overrides.append(f"stages.{name}.batch=2")
    if quick:
        overrides += [f"model.{part}.{key}={size}" for part, sizes in _TINY.items() for key, size in sizes.items()]
    return load_recipe(_RECIPE, "train", overrides)


def _logged(log: Path, timed: range) -> float:
    """Seconds of the timed steps (counted from 0) together, as training itself notes them."""
    rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    return float(sum(rows[step]["seconds"] for step in timed))


def _stages(recipe: TrainRecipe, system: System, prepared: Path) -> dict[str, Stage]:
    clips = _TimedClips(prepared / "train")
    latents = encode_clips(system.vae, LogMel(recipe.model.mel), clips, range(len(clips)))
    times = recipe.conditioning
    stages: list[Stage] = [
        VAEStage(system, clips),
        VocoderStage(system, clips, recipe.stages["vocoder"]),
        AppearanceStage(system, StillStore(prepared / "stills" / "train")),
        MotionStage(system, clips),
        AudioStage(system, clips, latents),
        VideoStage(system, clips),
        FusionStage(system, clips, latents, name="fusion_v2a", tasks=("v2a",), conditioning=times),
        FusionStage(system, clips, latents, name="fusion_a2v", tasks=("a2v",), conditioning=times),
    ]
    return {stage.name: stage for stage in stages}


class _TimedClips(ClipStore):
    """Clips that count the seconds of reading them."""

    seconds = 0.0

    def frames(self, indices: Sequence[int]) -> Tensor:
        began = time.perf_counter()
        frames = super().frames(indices)
        self.seconds += time.perf_counter() - began
        return frames

    def sound(self, indices: Sequence[int]) -> Tensor:
        began = time.perf_counter()
        sound = super().sound(indices)
        self.seconds += time.perf_counter() - began
        return sound


def _shares(stage: Stage, table: StageTable, recipe: TrainRecipe, timed: range) -> list[Figure]:
    """Shares of the parts of a step, as the loop of training takes them."""
    learner = Learner(stage, frozen_modules=(), parallel=recipe.parallel, bf16=recipe.bf16, ranks=Ranks())
    named = learner.named_parameters()
    config = OptimConfig(lr=table.lr, muon_lr=table.muon_lr)
    optimiser, ema = Optimiser(named, config, timed.stop), EMA(named, table.ema)
    # Stages that learn from stills have none.
    clips = getattr(stage, "clips", _TimedClips)
    parts = dict.fromkeys(("forward", "reading clips", "backward", "optimiser"), 0.0)
    with sdpa_kernel([SDPBackend.MATH]):
        for step in range(timed.stop):
            generator = step_generator(stage.name, recipe.seed, step)
            indices = torch.randint(stage.num_clips, (table.batch,), generator=generator).tolist()
            read_s = clips.seconds
            began = time.perf_counter()
            loss = learner.forward(indices, generator)["total"]
            made = time.perf_counter()
            loss.backward()
            back = time.perf_counter()
            optimiser.clip_gradients()
            optimiser.step(step)
            ema.update(step)
            done = time.perf_counter()
            if step not in timed:
                continue
            read_s = clips.seconds - read_s
            for part, spent in zip(parts, (made - began - read_s, read_s, back - made, done - back), strict=True):
                parts[part] += spent
    whole = sum(parts.values())
    return [
        Figure(name=f"training, {stage.name}, {part}", value=spent / whole, unit="of a step")
        for part, spent in parts.items()
        # Stages that learn from latents or stills read no clips.
        if spent
    ]


def _forward(stage: Stage, batch: int, recipe: TrainRecipe, timed: range) -> float:
    """Seconds of the same steps without gradients: same clips, same noise, same lengths, same kind of attention."""

    def run(step: int) -> None:
        generator = step_generator(stage.name, recipe.seed, step)
        indices = torch.randint(stage.num_clips, (batch,), generator=generator).tolist()
        stage.loss(indices, generator)

    quick_numbers = torch.autocast("cpu", torch.bfloat16) if recipe.bf16 else nullcontext()
    with torch.no_grad(), quick_numbers, sdpa_kernel([SDPBackend.MATH]):
        run(0)
        return sum(seconds(lambda step=step: run(step)) for step in timed)  # type: ignore[misc]
