"""The runs of an ablation: each variant trained and scored with each seed, one after the other or in parallel."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.ablation.cost import StepCost
from avlink.ablation.measure import VariantEvaluator, VariantScores
from avlink.core.events import JobDone, JobStarted, Listener, ignore
from avlink.core.hashing import digest
from avlink.core.paths import write_text
from avlink.core.processes import run_in_processes
from avlink.core.recipe import TrainRecipe
from avlink.training.journal import read_journal
from avlink.training.train import train

if TYPE_CHECKING:
    from avlink.core.recipe.stages import StageName, StageTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One training recipe of an ablation, and its stages that the base does not have."""

    name: str
    recipe: TrainRecipe
    stages: tuple[StageName, ...]
    """One stage, or two, of which one is an aligner's or a reflow's, in the order in which they run."""

    @property
    def stage(self) -> StageName:
        """The stage that the variant is compared by: the last, as an aligner before it only guides what that made."""
        return self.stages[-1]

    @property
    def table(self) -> StageTable:
        """The recipe's table of that stage."""
        return self.recipe.stages[self.stage]

    @property
    def steps(self) -> int:
        """The steps of all its stages."""
        return sum(self.recipe.stages[stage].steps for stage in self.stages)

    def with_steps(self, steps: int) -> Variant:
        """Return the variant with another number of steps, divided among its stages as before, at least one each."""
        tables = {stage: self.recipe.stages[stage] for stage in self.stages}
        divided = {
            stage: table.model_copy(update={"steps": max(1, round(table.steps * steps / self.steps))})
            for stage, table in tables.items()
        }
        return replace(self, recipe=self.recipe.model_copy(update={"stages": divided}))

    def followed(self, every: int) -> Variant:
        """Return the variant with a validation on held-out clips every so many steps."""
        table = self.table.model_copy(update={"validate_every": every})
        # Fréchet distances take long, and are not part of the curve.
        log = self.recipe.log.model_copy(update={"judge": True, "frechet": ()})
        stages = self.recipe.stages | {self.stage: table}
        return replace(self, recipe=self.recipe.model_copy(update={"stages": stages, "log": log}))

    def with_seed(self, seed: int) -> Variant:
        """Return the variant with another seed."""
        return replace(self, recipe=self.recipe.model_copy(update={"seed": seed}))


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRun:
    """A variant with its seed, the folder of its ablation, and the cost of one step."""

    out: Path
    variant: Variant
    cost: StepCost

    @property
    def name(self) -> str:
        """The name of the job and of its folder."""
        seed = self.variant.recipe.seed
        # Seed 0 has no suffix, so that ablations of one seed keep short names.
        return f"{self.variant.name}-seed{seed}" if seed else self.variant.name


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """F1 of a variant after so many steps, on held-out clips: of sound within 100 ms, of pictures within 200 ms."""

    name: str
    seed: int
    step: int
    f1: float


def learning_curve(run: VariantRun) -> Iterator[CurvePoint]:
    """Yield the validations of a run that was trained."""
    for row in read_journal(run.out / run.name / f"{run.variant.stage}.jsonl"):
        f1 = row.get("val_f1_100ms", row.get("val_picture_f1_200ms"))
        if f1 is not None:
            yield CurvePoint(name=run.variant.name, seed=run.variant.recipe.seed, step=int(row["step"]), f1=f1)


def run_variants(
    runs: Sequence[VariantRun], evaluator: VariantEvaluator, jobs: int, listener: Listener = ignore
) -> tuple[VariantScores, ...]:
    """Return the rows of all runs, in their order; with `jobs` above 1, so many train in parallel processes.

    Raises AvlinkError where such a process died.
    """
    found: dict[str, list[VariantScores]] = {}

    def done(run: VariantRun, rows: list[VariantScores]) -> None:
        found[run.name] = rows
        # The first row is the variant as it was trained; those of a sweep follow.
        listener(JobDone(job_id=run.name, name=run.name, note=rows[0].note()))

    if jobs == 1:
        for run in runs:
            listener(JobStarted(job_id=run.name, name=run.name))
            done(run, _rows(run, evaluator, listener))
    else:
        import torch

        # Threads are divided among the processes: too many of them slow all down.
        run_in_processes(
            runs,
            partial(_rows, evaluator=evaluator, listener=ignore),
            done,
            processes=jobs,
            set_threads=torch.set_num_threads,
            describe_loss=lambda run, fate: (
                f"the process of '{run.name}' {fate}; "
                f"give the command again with fewer than --jobs {jobs}: what is done is kept"
            ),
        )
    return tuple(row for run in runs for row in found[run.name])


def _rows(run: VariantRun, evaluator: VariantEvaluator, listener: Listener) -> list[VariantScores]:
    """Train and score a run, also at each time of the sweep; kept scores are used where nothing changed."""
    recipe, variant = evaluator.recipe, run.variant
    bundle = train(variant.recipe, run.out / run.name, listener=listener)
    kept = bundle.parent / "measured.json"
    times = recipe.sweep_times if variant.name in recipe.swept else ()
    # Digests of all tensors: a run that was trained further is scored anew.
    weights = (bundle / "tensors.json").read_text("utf-8")
    aligned = variant.recipe.alignment
    guided = [aligned.model_dump()] if aligned.weight else []
    key = digest([recipe.clips, recipe.steps, recipe.guidance, list(times), weights, *guided])
    if kept.is_file():
        content = json.loads(kept.read_text("utf-8"))
        if content["key"] == key:
            return [VariantScores(**row) for row in content["rows"]]
    rows = [
        evaluator.score(variant.name, variant.recipe, variant.stages, bundle, run.cost, at) for at in (None, *times)
    ]
    write_text(kept, json.dumps({"key": key, "rows": [asdict(row) for row in rows]}, indent=1))
    return rows
