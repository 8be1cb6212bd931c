"""The runs of an ablation: each variant trained with each seed and measured, one after the other or several at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.ablation.cost import Cost
from avlink.ablation.figures import Bench, Measured
from avlink.core.events import JobDone, JobStarted, Listener, ignore
from avlink.core.hashing import digest
from avlink.core.paths import write_text
from avlink.core.processes import run_in_processes
from avlink.core.recipe import TrainRecipe
from avlink.training.train import train

if TYPE_CHECKING:
    from avlink.core.recipe.stages import StageName, StageTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One training recipe of a set, and its one stage that the base has not."""

    name: str
    recipe: TrainRecipe
    stage: StageName

    @property
    def table(self) -> StageTable:
        """How it learns."""
        return self.recipe.stages[self.stage]

    def with_steps(self, steps: int) -> Variant:
        """The same for so many steps."""
        table = self.table.model_copy(update={"steps": steps})
        return replace(self, recipe=self.recipe.model_copy(update={"stages": {self.stage: table}}))

    def with_seed(self, seed: int) -> Variant:
        """The same from another start, in another order."""
        return replace(self, recipe=self.recipe.model_copy(update={"seed": seed}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A variant with its seed, the folder of the ablation it belongs to, and what one step costs."""

    out: Path
    variant: Variant
    spent: Cost

    @property
    def name(self) -> str:
        """Of the job and its folder."""
        seed = self.variant.recipe.seed
        return f"{self.variant.name}-seed{seed}" if seed else self.variant.name


def run_all(runs: Sequence[Run], bench: Bench, jobs: int, listener: Listener = ignore) -> tuple[Measured, ...]:
    """The rows of all runs, in their order; with more than one job, that many train at once, each in a process.

    Raises AvlinkError where such a process is gone.
    """
    found: dict[str, list[Measured]] = {}

    def done(run: Run, rows: list[Measured]) -> None:
        found[run.name] = rows
        # The first is the variant as it was trained, those of the sweep come after it.
        listener(JobDone(job_id=run.name, name=run.name, note=rows[0].note()))

    if jobs == 1:
        for run in runs:
            listener(JobStarted(job_id=run.name, name=run.name))
            done(run, _rows(run, bench, listener))
    else:
        import torch

        run_in_processes(
            runs,
            partial(_rows, bench=bench, listener=ignore),
            done,
            processes=jobs,
            set_threads=torch.set_num_threads,
            describe_loss=lambda run, fate: (
                f"the process of '{run.name}' {fate}; "
                f"give the command again with fewer than --jobs {jobs}: what is done is kept"
            ),
        )
    return tuple(row for run in runs for row in found[run.name])


def _rows(run: Run, bench: Bench, listener: Listener) -> list[Measured]:
    """Train the run and measure it, at each time of the sweep too; from the last time where nothing changed."""
    recipe, variant = bench.recipe, run.variant
    bundle = train(variant.recipe, run.out / run.name, listener=listener)
    kept = bundle.parent / "measured.json"
    swept = recipe.sweep is not None and Path(recipe.sweep).stem == variant.name
    times = recipe.sweep_times if swept else ()
    weights = (bundle / "tensors.json").read_text("utf-8")
    key = digest([recipe.clips, recipe.steps, recipe.guidance, list(times), weights])
    if kept.is_file():
        content = json.loads(kept.read_text("utf-8"))
        if content["key"] == key:
            return [Measured(**row) for row in content["rows"]]
    rows = [bench.measure(variant.name, variant.recipe, variant.stage, bundle, run.spent, at) for at in (None, *times)]
    write_text(kept, json.dumps({"key": key, "rows": [asdict(row) for row in rows]}, indent=1))
    return rows
