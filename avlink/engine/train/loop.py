"""The training loop of one stage: order only. The loss, the clips, the journal and the validation are arguments."""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from avlink.core.errors import AvlinkError, InputError
from avlink.core.recipe.stages import ParallelTable
from avlink.engine.train.checkpoint import Checkpointer
from avlink.engine.train.clip_order import ClipOrder, rank_slice
from avlink.engine.train.optim import EMA, OptimConfig, Optimiser
from avlink.engine.train.parallel import Learner, Stage
from avlink.engine.train.ranks import Ranks

__all__ = [
    "LoopConfig",
    "OnTrain",
    "OnWarning",
    "OpenJournal",
    "Stage",
    "StepGenerator",
    "StepJournal",
    "step_generator",
    "train_stage",
]

BAD_STEPS = 5
"""A stage ends after this many steps in a row whose loss or gradient is not finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """Length, batch, optimiser, checkpoints and parallelism of one stage's training."""

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

    def micro_batch_size(self, ranks: int) -> int:
        """Return the number of clips in one forward pass on one of `ranks` ranks.

        Raises InputError if the batch does not divide.
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
"""Called after each step with (stage, steps done, steps in all, figures)."""

OnWarning = Callable[[str], None]


class StepJournal(Protocol):
    """A record of a stage's figures, step by step."""

    def write(self, step: int, figures: Mapping[str, float], samples_per_second: float) -> None:
        """Record the figures of a step."""
        ...

    def show(self, step: int, folder: Path) -> None:
        """Record the pictures and sounds that a validation wrote into `folder`."""
        ...


OpenJournal = Callable[[int], AbstractContextManager[StepJournal]]
"""Opens the journal of a stage whose first `n` steps are done; later entries, of a killed run, are dropped."""


class StepGenerator(torch.Generator):
    """Random numbers of one micro-batch of one step: a resumed run draws the same as an uninterrupted one.

    `common` is equal for all micro-batches of a step. Choices that decide which layers run, and on how many clips, are
    drawn from it, so that all ranks run the same layers: collectives would wait for each other for ever otherwise.
    `turn` counts the micro-batches of a rank over all steps, and is the same on all ranks, too.
    """

    common: torch.Generator
    turn: int = 0


def step_generator(name: str, seed: int, step: int, micro: int = 0, turn: int = 0) -> StepGenerator:
    """Return the generator of micro-batch number `micro` of a step's whole batch, whichever rank takes it.

    `turn` is the number of micro-batches that the rank has had before, in all steps.
    """

    def digest(text: str) -> int:
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "little")

    # Hashed: with a sum of seed, step and micro-batch, different micro-batches would draw the same noise.
    place = f"{name}/{seed}/{step}"
    generator = StepGenerator()
    generator.manual_seed(digest(f"{place}/{micro}" if micro else place))
    generator.common = torch.Generator().manual_seed(digest(f"{place}/common"))
    generator.turn = turn
    return generator


def train_stage(
    stage: Stage,
    config: LoopConfig,
    folder: Path,
    on_train: OnTrain,
    *,
    journal: OpenJournal | None = None,
    frozen_modules: Iterable[nn.Module] = (),
    ranks: Ranks = Ranks(),  # noqa: B008
    on_warning: OnWarning = lambda text: None,
) -> Learner:
    """Train `stage` to its last step, from its newest checkpoint in `folder` if there is one.

    `frozen_modules` are those that its loss runs through. `journal` and `on_train` are called on the first rank only.
    Returns the learner, which holds the averaged (EMA) weights. Raises AvlinkError if losses or gradients are not
    finite for several steps in a row.
    """
    micro = config.micro_batch_size(ranks.count)
    learner = Learner(stage, frozen_modules=frozen_modules, parallel=config.parallel, bf16=config.bf16, ranks=ranks)
    named = learner.named_parameters()
    optimiser = Optimiser(named, config.optim, config.steps)
    ema = EMA(named, config.ema)
    checkpoints = folder / "checkpoints" / stage.name
    checkpointer = Checkpointer(checkpoints, learner, optimiser, ema, ranks, in_background=config.parallel.async_save)
    order = ClipOrder(stage.num_clips, config.seed)
    start, state = checkpointer.load()
    # The clip order and the generators are functions of position and step: nothing else needs to be restored.
    position = order.position(state) if state is not None else 0
    bad = 0
    with ExitStack() as open_files:
        open_files.callback(checkpointer.abandon)
        entries = open_files.enter_context(journal(start)) if journal is not None and ranks.first else None
        for step in range(start, config.steps):
            began = time.perf_counter()
            losses = _backward(learner, order.take(position, config.batch), config, step, micro)
            position += config.batch
            # Averaged before they are judged: all ranks must take a step or none, or their weights part.
            figures = ranks.mean(losses)
            # With a norm that is not finite the gradients are useless afterwards; they are dropped below.
            norm = optimiser.clip_gradients()
            wrong = [name for name, value in figures.items() if not math.isfinite(value)]
            wrong += [] if math.isfinite(norm) else ["the gradient"]
            done = step + 1
            if wrong:
                # The weights, the moments and the average all stay: one bad batch must not enter any of them.
                optimiser.zero_grad()
                bad += 1
                _warn(stage.name, done, wrong, bad, checkpointer, on_warning)
            else:
                bad = 0
                optimiser.step(step)
                ema.update(step)
            # Without validation, so that the samples per second are those of training.
            seconds = time.perf_counter() - began
            extra = {"grad_norm": norm, "lr": config.optim.lr * optimiser.lr_factor(step), "seconds": seconds}
            extra |= {"skipped": 1.0} if wrong else {}
            judged = config.validate_every and (done % config.validate_every == 0 or done == config.steps)
            if judged:
                # The averaged weights are what the bundle will hold, so they are validated.
                ema.swap()
                figures |= {f"val_{name}": value for name, value in learner.validate().items()}
                ema.swap()
            if entries is not None:
                entries.write(done, figures | extra, samples_per_second=config.batch / seconds)
                if judged:
                    entries.show(done, folder / "samples")
            if ranks.first:
                on_train(stage.name, done, config.steps, figures)
            # Between bad steps nothing new is worth keeping, and the last good checkpoint must stay the newest.
            if (done % config.checkpoint_every == 0 and not bad) or done == config.steps:
                checkpointer.save(done, order.state(position))
        checkpointer.finish()
    # Left in place: later stages build on the averaged weights.
    ema.swap()
    for module in stage.trained.values():
        module.requires_grad_(False).eval()
    return learner


def _backward(learner: Learner, batch: list[int], config: LoopConfig, step: int, micro: int) -> dict[str, Tensor]:
    """Accumulate gradients of the mean loss on this rank's slice of `batch`; returns the mean losses there."""
    ranks = learner.ranks
    mine = rank_slice(batch, ranks.index, ranks.count)
    count = len(mine) // micro
    sums: dict[str, Tensor] = {}
    times: Counter[str] = Counter()
    for turn in range(count):
        # Numbered over the whole batch: with one size of micro-batches, two ranks draw what one would draw.
        number, before = ranks.index * count + turn, step * count + turn
        generator = step_generator(learner.stage.name, config.seed, step, number, before)
        with learner.sync_gradients(turn + 1 == count):
            losses = learner.forward(mine[turn * micro : (turn + 1) * micro], generator)
            # Divided here, so that gradients of micro-batches add up to those of the whole batch.
            (losses["total"] / count).backward()
        for name, value in losses.items():
            # Detached: a loss that is only reported must not keep the graph of its micro-batch.
            sums[name] = sums.get(name, torch.zeros_like(value.detach())) + value.detach()
        times.update(losses.keys())
    # Of a loss that some micro-batches have, the mean over those.
    return {name: value / times[name] for name, value in sums.items()}


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
