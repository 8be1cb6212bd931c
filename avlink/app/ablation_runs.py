"""The runs of an ablation: each variant trained with each seed and measured, one after the other or several at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.app.ablation_cost import Cost
from avlink.app.ablation_figures import Bench, Measured
from avlink.app.train import train
from avlink.core.errors import AvlinkError
from avlink.core.events import JobDone, JobStarted, Listener, ignore
from avlink.core.hashing import digest
from avlink.core.paths import write_text
from avlink.core.recipe import TrainRecipe

if TYPE_CHECKING:
    from avlink.core.training import StageName, StageTable


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

    def done(name: str, rows: list[Measured]) -> None:
        found[name] = rows
        listener(JobDone(job_id=name, name=name, note=rows[-1].note()))

    if jobs == 1:
        for run in runs:
            listener(JobStarted(job_id=run.name, name=run.name))
            done(run.name, _rows(run, bench, listener))
    else:
        _at_once(runs, bench, jobs, done)
    return tuple(row for run in runs for row in found[run.name])


def _at_once(runs: Sequence[Run], bench: Bench, jobs: int, done: Callable[[str, list[Measured]], None]) -> None:
    """Each run in a process; `done` is told of those that are through. What ends this ends all processes."""
    ending = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(_apart, run, bench, jobs, ending): run.name for run in runs}
        try:
            for future in as_completed(waiting):
                done(waiting[future], future.result())
        except BaseException:
            ending.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _apart(run: Run, bench: Bench, jobs: int, ending: threading.Event) -> list[Measured]:
    """The run's rows from a process of its own. Raises what that raises."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    with ours:
        process = spawn.Process(target=_in_process, args=(run, bench, jobs, theirs))
        process.start()
        theirs.close()
        if ending.is_set():
            # The thread took this run while the others were being ended.
            process.terminate()
        try:
            said = ours.recv()
        except EOFError:
            raise AvlinkError(
                f"the process of '{run.name}' was ended from outside, for want of memory perhaps; "
                f"give the command again with fewer than --jobs {jobs}: what is done is kept"
            ) from None
        finally:
            process.join()
    if isinstance(said, Exception):
        raise said
    rows: list[Measured] = said
    return rows


def _in_process(run: Run, bench: Bench, jobs: int, answer: Connection) -> None:
    import torch

    # The one that is asked to end is the process that all of them belong to; they end with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
    try:
        answer.send(_rows(run, bench, ignore))
    except AvlinkError as error:
        answer.send(error)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


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
