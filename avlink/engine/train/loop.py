"""The training loop: order only. What is learned, from what, and how it is judged are arguments."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from avlink.engine.train import checkpoint
from avlink.engine.train.optim import EMA, OptimConfig, Optimiser


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """How long and in what steps one stage trains."""

    steps: int
    batch: int
    optim: OptimConfig = field(default_factory=OptimConfig)
    ema: float = 0.998
    bf16: bool = False
    checkpoint_every: int = 100
    validate_every: int = 0
    seed: int = 0


@runtime_checkable
class Stage(Protocol):
    """One thing to learn."""

    name: str
    trained: dict[str, nn.Module]
    """Modules whose parameters learn, by component name."""
    frozen: tuple[nn.Module, ...]
    """Parts of them that stay as they are."""
    num_clips: int

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        """Named losses of a batch; `total` is the one to go down. All randomness comes from `generator`."""
        ...

    def validate(self) -> dict[str, float]:
        """Figures on clips that are not trained on."""
        ...


OnTrain = Callable[[str, int, int, dict[str, float]], None]
"""(stage, steps done, steps in all, figures)."""


def step_generator(name: str, seed: int, step: int) -> torch.Generator:
    """The source of all randomness of one step: a resumed run draws what an undisturbed one would."""
    digest = hashlib.blake2b(f"{name}/{seed}/{step}".encode(), digest_size=7).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def train_stage(stage: Stage, config: LoopConfig, folder: Path, on_train: OnTrain) -> None:
    """Run `stage` to its end, from its newest checkpoint in `folder` if there is one; leaves EMA weights in place."""
    modules = stage.trained
    for module in modules.values():
        module.requires_grad_(True).train()
    for part in stage.frozen:
        part.requires_grad_(False)
    optimiser = Optimiser(modules.values(), config.optim, config.steps)
    ema = EMA(modules.values(), config.ema)
    path = folder / f"{stage.name}.checkpoint.safetensors"
    start = checkpoint.load(path, modules, optimiser, ema)
    log = _Log(folder / f"{stage.name}.jsonl", start)
    for step in range(start, config.steps):
        began = time.perf_counter()
        generator = step_generator(stage.name, config.seed, step)
        indices = torch.randint(stage.num_clips, (config.batch,), generator=generator).tolist()
        with torch.autocast("cpu", torch.bfloat16) if config.bf16 else nullcontext():
            losses = stage.loss(indices, generator)
        norm = optimiser.update(losses["total"], step)
        ema.update(step)
        figures = {name: float(value.detach()) for name, value in losses.items()}
        done = step + 1
        if config.validate_every and (done % config.validate_every == 0 or done == config.steps):
            figures |= _validate(stage, ema)
        log.write(done, figures | {"grad_norm": norm, "seconds": time.perf_counter() - began})
        on_train(stage.name, done, config.steps, figures)
        if done % config.checkpoint_every == 0 or done == config.steps:
            checkpoint.save(path, modules, optimiser, ema, done)
    ema.swap()
    for module in modules.values():
        module.requires_grad_(False).eval()


def _validate(stage: Stage, ema: EMA) -> dict[str, float]:
    ema.swap()
    for module in stage.trained.values():
        module.eval()
    with torch.no_grad():
        figures = stage.validate()
    for module in stage.trained.values():
        module.train()
    ema.swap()
    return {f"val_{name}": value for name, value in figures.items()}


class _Log:
    """Figures of every step, a JSON line each; lines beyond the checkpoint that training resumes from are dropped."""

    def __init__(self, path: Path, start: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = []
        if path.is_file():
            for line in path.read_text("utf-8").splitlines():
                # A kill can cut the last line short.
                if line.endswith("}") and json.loads(line)["step"] <= start:
                    kept.append(line + "\n")
        path.write_text("".join(kept), "utf-8")
        self.path = path

    def write(self, step: int, figures: dict[str, float]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step} | {k: round(v, 6) for k, v in figures.items()}) + "\n")
