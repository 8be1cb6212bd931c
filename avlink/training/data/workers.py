"""Decoding in several processes that may die: of one file in thousands, libav does.

Each process says before each clip which it is about to decode. Where one dies, another goes on, and the clip at which
that happens twice is set aside; where one is silent for minutes, the clip is set aside at once.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import cast

from avlink.core.errors import AvlinkError
from avlink.core.processes import exit_name, picklable, start_process
from avlink.training.data.columns import ShardWork

PATIENCE_S = 180.0
"""A clip of seconds that takes longer to decode never ends."""

_Report = tuple[str, int] | tuple[str, Exception]


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    work: ShardWork | None = None
    row: int | None = None
    heard_s: float = field(default_factory=time.monotonic)

    def late_s(self, patience_s: float) -> float:
        """When it has been silent for too long; to begin may take as long as it likes, on a slow disk."""
        return self.heard_s + (max(patience_s, PATIENCE_S) if self.row is None else patience_s)


def make_shards(
    works: Sequence[ShardWork],
    processes: int,
    on_clip: Callable[[], None],
    on_shard: Callable[[ShardWork], None],
    patience_s: float = PATIENCE_S,
) -> None:
    """Make all shards; `on_clip` is called for each clip that is begun.

    Raises the first error that is no clip's fault.
    """
    waiting = deque(works)
    suspects: dict[tuple[str, int], int] = {}
    workers = [_start() for _ in range(min(processes, len(works)))]
    try:
        for worker in workers:
            _give(worker, waiting)
        while any(worker.work for worker in workers):
            now_s = time.monotonic()
            late = min((worker.late_s(patience_s) for worker in workers if worker.work), default=now_s) - now_s
            ready = wait([worker.pipe for worker in workers if worker.work], timeout=max(0.0, late))
            for at, worker in enumerate(workers):
                if worker.work is None:
                    continue
                if worker.pipe in ready:
                    try:
                        kind, said = cast(_Report, worker.pipe.recv())
                    except (EOFError, OSError):
                        worker.process.join()
                        why = f"the process that decoded it died ({exit_name(worker.process.exitcode)}), twice"
                        workers[at] = _replaced(worker, why, waiting, suspects, deaths=2)
                        continue
                    worker.heard_s = time.monotonic()
                    if isinstance(said, Exception):
                        raise said
                    if kind == "row":
                        worker.row = said
                        on_clip()
                    else:
                        on_shard(worker.work)
                        _give(worker, waiting)
                elif time.monotonic() > worker.late_s(patience_s):
                    worker.process.kill()
                    worker.process.join()
                    why = f"decoding it had not ended after {patience_s:.0f} s"
                    workers[at] = _replaced(worker, why, waiting, suspects, deaths=1)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def _start() -> _Worker:
    process, pipe = start_process(_run, daemon=True)
    return _Worker(process=process, pipe=pipe)


def _give(worker: _Worker, waiting: deque[ShardWork]) -> None:
    worker.work = waiting.popleft() if waiting else None
    worker.row, worker.heard_s = None, time.monotonic()
    if worker.work is not None:
        with suppress(OSError):
            # A process that died before is found out when its answer is read.
            worker.pipe.send(worker.work)


def _replaced(
    worker: _Worker, why: str, waiting: deque[ShardWork], suspects: dict[tuple[str, int], int], *, deaths: int
) -> _Worker:
    """A new worker at the same shard, without the clip at which so many were lost: the first may be the machine's."""
    work, row = worker.work, -1 if worker.row is None else worker.row
    assert work is not None
    place = (str(work.folder), row)
    suspects[place] = suspects.get(place, 0) + 1
    if suspects[place] >= deaths:
        if row < 0:
            raise AvlinkError(f"processes that decode clips end before they begin: {why}; see how much memory is free")
        work = replace(work, deadly={**work.deadly, row: why})
    worker.pipe.close()
    again = _start()
    waiting.appendleft(work)
    _give(again, waiting)
    return again


def _run(pipe: Connection) -> None:
    """Runs in a process of its own, on one thread: clips are decoded faster side by side."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Decoders are loaded where something is decoded: training on clips that are there needs none.
    from avlink.training.data.decoding import make_shard

    while True:
        try:
            work = cast(ShardWork, pipe.recv())
        except (EOFError, OSError):
            return
        try:
            make_shard(work, lambda row: pipe.send(("row", row)))
            pipe.send(("done", 0))
        except BrokenPipeError:
            return  # Nobody asks any more.
        except Exception as error:
            pipe.send(("error", picklable(error)))
            return
