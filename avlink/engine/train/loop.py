"""The training loop: order only. What is learned, from what, and how it is judged are arguments."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from avlink.core.errors import AvlinkError, InputError
from avlink.core.training import ParallelTable
from avlink.engine.train.checkpoint import Checkpointer
from avlink.engine.train.optim import EMA, OptimConfig, Optimiser
from avlink.engine.train.parallel import Learner, Stage
from avlink.engine.train.ranks import Ranks
from avlink.engine.train.sampler import ClipOrder, rank_slice
from avlink.training.journal import Journal

__all__ = ["LoopConfig", "OnTrain", "OnWarning", "Stage", "StepGenerator", "step_generator", "train_stage"]

BAD_STEPS = 5
"""So many steps without a number in a row end a stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """How long and in what steps one stage trains."""

    steps: int
    batch: int
    micro_batch: int | None = None
    optim: OptimConfig = field(default_factory=OptimConfig)
    ema: float = 0.998
    bf16: bool = False
    checkpoint_every: int = 100
    validate_every: int = 0
    seed: int = 0
    parallel: ParallelTable = field(default_factory=ParallelTable)
    tensorboard: bool = False

    def micro_batch_size(self, ranks: int) -> int:
        """Clips in one forward pass on one of so many ranks.

        Raises InputError where the batch does not divide.
        """
        most = self.batch // ranks
        micro = min(self.micro_batch or most, most)
        if micro == 0 or self.batch % (ranks * micro):
            of = f"{ranks} rank{'s' if ranks > 1 else ''}" + (
                f" with micro_batch = {micro}" if self.micro_batch else ""
            )
            raise InputError(
                f"batch = {self.batch} cannot be shared out among {of}: make it a multiple of {ranks * max(1, micro)}"
            )
        return micro


OnTrain = Callable[[str, int, int, dict[str, float]], None]
"""(stage, steps done, steps in all, figures)."""

OnWarning = Callable[[str], None]


class StepGenerator(torch.Generator):
    """The randomness of one micro-batch of one step: a resumed run draws what an undisturbed one would.

    `common` is the same for all micro-batches of a step: what decides which layers run, and on how much, is drawn from
    it, so that all ranks go through the same layers.
    """

    common: torch.Generator


def step_generator(name: str, seed: int, step: int, micro: int = 0) -> StepGenerator:
    """All randomness of micro-batch number `micro` of a step's batch, whichever rank takes it."""

    def digest(text: str) -> int:
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "little")

    place = f"{name}/{seed}/{step}"
    generator = StepGenerator()
    generator.manual_seed(digest(f"{place}/{micro}" if micro else place))
    generator.common = torch.Generator().manual_seed(digest(f"{place}/common"))
    return generator


def train_stage(
    stage: Stage,
    config: LoopConfig,
    folder: Path,
    on_train: OnTrain,
    *,
    frozen_modules: Iterable[nn.Module] = (),
    ranks: Ranks = Ranks(),  # noqa: B008
    on_warning: OnWarning = lambda text: None,
) -> Learner:
    """Run `stage` to its end, from its newest checkpoint in `folder` if there is one; leaves EMA weights in place.

    `frozen_modules` are those that its loss runs through. Returns what holds the weights. Raises AvlinkError where
    losses or gradients are no numbers several steps in a row.
    """
    micro = config.micro_batch_size(ranks.count)
    learner = Learner(stage, frozen_modules=frozen_modules, parallel=config.parallel, bf16=config.bf16, ranks=ranks)
    named = learner.named()
    optimiser = Optimiser(named, config.optim, config.steps)
    ema = EMA(named, config.ema)
    checkpoints = folder / "checkpoints" / stage.name
    checkpointer = Checkpointer(checkpoints, learner, optimiser, ema, ranks, aside=config.parallel.async_save)
    order = ClipOrder(stage.num_clips, config.seed)
    start, state = checkpointer.load()
    place = order.place(state) if state is not None else 0
    bad = 0
    with ExitStack() as open_files:
        journal = None
        if ranks.first:
            journal = open_files.enter_context(Journal(folder, stage.name, start, tensorboard=config.tensorboard))
        for step in range(start, config.steps):
            began = time.perf_counter()
            losses = _descend(learner, order.take(place, config.batch), config, step, micro)
            place += config.batch
            figures = ranks.mean(losses)
            norm = optimiser.clip()
            wrong = [name for name, value in figures.items() if not math.isfinite(value)]
            wrong += [] if math.isfinite(norm) else ["the gradient"]
            done = step + 1
            if wrong:
                optimiser.forget()
                bad += 1
                _warn(stage.name, done, wrong, bad, checkpointer, on_warning)
            else:
                bad = 0
                optimiser.step(step)
                ema.update(step)
            seconds = time.perf_counter() - began
            extra = {"grad_norm": norm, "lr": config.optim.lr * optimiser.factor(step), "seconds": seconds}
            extra |= {"skipped": 1.0} if wrong else {}
            judged = config.validate_every and (done % config.validate_every == 0 or done == config.steps)
            if judged:
                ema.swap()
                figures |= {f"val_{name}": value for name, value in learner.validate().items()}
                ema.swap()
            if journal is not None:
                journal.write(done, figures | extra, samples_per_second=config.batch / seconds)
                if judged:
                    journal.show(done, folder / "samples")
                on_train(stage.name, done, config.steps, figures)
            if (done % config.checkpoint_every == 0 and not bad) or done == config.steps:
                checkpointer.save(done, order.state(place))
        checkpointer.finish()
    ema.swap()
    for module in stage.trained.values():
        module.requires_grad_(False).eval()
    return learner


def _descend(learner: Learner, batch: list[int], config: LoopConfig, step: int, micro: int) -> dict[str, Tensor]:
    """Gradients of the step's mean loss on this rank's share of the batch, and the mean losses there."""
    ranks = learner.ranks
    mine = rank_slice(batch, ranks.index, ranks.count)
    count = len(mine) // micro
    sums: dict[str, Tensor] = {}
    for turn in range(count):
        generator = step_generator(learner.stage.name, config.seed, step, ranks.index * count + turn)
        with learner.last_only(turn + 1 == count):
            losses = learner.forward(mine[turn * micro : (turn + 1) * micro], generator)
            (losses["total"] / count).backward()
        for name, value in losses.items():
            sums[name] = sums.get(name, torch.zeros_like(value.detach())) + value.detach() / count
    return sums


def _warn(stage: str, step: int, wrong: list[str], bad: int, checkpointer: Checkpointer, on_warning: OnWarning) -> None:
    what = ", ".join(wrong)
    if bad < BAD_STEPS:
        on_warning(f"stage '{stage}', step {step}: no finite number in {what}; this step changes nothing")
        return
    last = checkpointer.newest()
    kept = "no checkpoint was written yet" if last is None else f"the last good checkpoint is {last}"
    raise AvlinkError(
        f"stage '{stage}' stops at step {step}: no finite number in {what}, {bad} steps in a row; {kept}. "
        f"Give the command again with a lower -s stages.{stage}.lr, or a longer warmup_steps"
    )
