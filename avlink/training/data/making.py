"""Shards of generated clips, made in as many processes as pay."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from avlink.core.events import Listener, StepDone
from avlink.core.processes import run_in_processes
from avlink.training.data.shards import shard_path

_CLIPS_A_PROCESS = 10
"""Starting a process takes as long as making so many clips."""


@runtime_checkable
class MadeShard(Protocol):
    """A shard to be made: the folder that it goes to, and a seed for each of its clips."""

    @property
    def root(self) -> Path:
        """The folder of the store."""
        ...

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of its clips."""
        ...


Job = TypeVar("Job", bound=MadeShard)


def missing_shards(root: Path, count: int, size: int) -> Iterator[tuple[int, range]]:
    """Yield each shard of `size` clips that `root` lacks, and the numbers of its clips, of `count` in all."""
    for number, start in enumerate(range(0, count, size)):
        # Shards appear whole, so a folder is a finished shard.
        if not shard_path(root, number).is_dir():
            yield number, range(start, min(start + size, count))


def make_shards(
    jobs: Sequence[Job],
    make: Callable[[Job], int],
    listener: Listener,
    note: str,
    *,
    cost: Callable[[Job], float],
    apart: bool = False,
) -> None:
    """Call `make` on every job; it returns the clips that it made.

    `cost` is the number of clips of the foundry that take as long as the job. Few are made in this process, unless
    `apart` asks for others in any case. Raises what `make` raises, and AvlinkError where a
    process is ended from outside.
    """
    import torch

    total, done = sum(len(job.seeds) for job in jobs), 0

    def on_done(job: Job, count: int) -> None:
        nonlocal done
        done += count
        listener(StepDone(job_id="data", done=done, total=total, note=note))

    clips = sum(cost(job) for job in jobs)
    if clips <= _CLIPS_A_PROCESS and not apart:
        threads = torch.get_num_threads()
        try:
            for job in jobs:
                on_done(job, make(job))
        finally:
            torch.set_num_threads(threads)
        return
    run_in_processes(
        jobs,
        make,
        on_done,
        processes=min(os.cpu_count() or 1, ceil(clips / _CLIPS_A_PROCESS)),
        set_threads=torch.set_num_threads,
        describe_loss=lambda job, fate: (
            f"a process that made clips for {job.root} {fate}; give the command again: what is done is kept"
        ),
    )
