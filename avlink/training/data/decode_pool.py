"""Decoding in several processes that may crash: of one file in thousands, libav does.

Each process reports the row that it is about to decode. Where one dies, another continues, and a clip at which that
happens twice is set aside; where one is silent for minutes, the clip is set aside at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import cast

from avlink.core.errors import AvlinkError
from avlink.core.processes import end_process, exit_name, exit_on_terminate, picklable, start_process
from avlink.training.data.prepared import ShardJob

TIMEOUT_S = 180.0
"""A clip of seconds that takes longer to decode never ends."""

_Report = tuple[str, int] | tuple[str, Exception]


@dataclass(slots=True)
class _DecoderProcess:
    """A process, its job, and the row that it is decoding."""

    process: SpawnProcess
    pipe: Connection
    job: ShardJob | None = None
    row: int | None = None
    last_report_s: float = field(default_factory=time.monotonic)

    def deadline_s(self, timeout_s: float) -> float:
        """Return the time at which it has been silent for too long; the start may be slow, as on a slow disk."""
        return self.last_report_s + (max(timeout_s, TIMEOUT_S) if self.row is None else timeout_s)


def decode_shards(
    jobs: Sequence[ShardJob],
    processes: int,
    on_clip: Callable[[], None],
    on_shard: Callable[[ShardJob], None],
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Decode all shards; `on_clip` is called for each clip that is begun, `on_shard` for each shard that is done.

    Raises the first error that is no clip's fault.
    """
    waiting = deque(jobs)
    failures: dict[tuple[str, int], int] = {}
    decoders = [_start() for _ in range(min(processes, len(jobs)))]
    try:
        for decoder in decoders:
            _assign(decoder, waiting)
        while any(decoder.job for decoder in decoders):
            now_s = time.monotonic()
            left_s = min((d.deadline_s(timeout_s) for d in decoders if d.job), default=now_s) - now_s
            ready = wait([decoder.pipe for decoder in decoders if decoder.job], timeout=max(0.0, left_s))
            for at, decoder in enumerate(decoders):
                if decoder.job is None:
                    continue
                if decoder.pipe in ready:
                    try:
                        kind, content = cast(_Report, decoder.pipe.recv())
                    except (EOFError, OSError):
                        decoder.process.join()
                        why = f"the process that decoded it died ({exit_name(decoder.process.exitcode)}), twice"
                        decoders[at] = _replaced(decoder, why, waiting, failures, limit=2)
                        continue
                    decoder.last_report_s = time.monotonic()
                    if isinstance(content, Exception):
                        raise content
                    if kind == "row":
                        decoder.row = content
                        on_clip()
                    else:
                        on_shard(decoder.job)
                        _assign(decoder, waiting)
                elif time.monotonic() > decoder.deadline_s(timeout_s):
                    decoder.process.kill()
                    decoder.process.join()
                    why = f"decoding it had not ended after {timeout_s:.0f} s"
                    decoders[at] = _replaced(decoder, why, waiting, failures, limit=1)
    finally:
        for decoder in decoders:
            end_process(decoder.process)
            decoder.pipe.close()


def _start() -> _DecoderProcess:
    process, pipe = start_process(_run, daemon=True)
    return _DecoderProcess(process=process, pipe=pipe)


def _assign(decoder: _DecoderProcess, waiting: deque[ShardJob]) -> None:
    decoder.job = waiting.popleft() if waiting else None
    decoder.row, decoder.last_report_s = None, time.monotonic()
    if decoder.job is not None:
        with suppress(OSError):
            # A process that has died already is noticed when its report is read.
            decoder.pipe.send(decoder.job)


def _replaced(
    decoder: _DecoderProcess, why: str, waiting: deque[ShardJob], failures: dict[tuple[str, int], int], *, limit: int
) -> _DecoderProcess:
    """Return a new process for the same shard, without the clip at which `limit` processes were lost.

    A first death may be the machine's fault, as when memory is short.
    """
    job, row = decoder.job, -1 if decoder.row is None else decoder.row
    assert job is not None
    place = (str(job.folder), row)
    failures[place] = failures.get(place, 0) + 1
    if failures[place] >= limit:
        if row < 0:
            raise AvlinkError(f"processes that decode clips end before they begin: {why}; see how much memory is free")
        job = replace(job, crashed={**job.crashed, row: why})
    decoder.pipe.close()
    again = _start()
    waiting.appendleft(job)
    _assign(again, waiting)
    return again


def _run(pipe: Connection) -> None:
    """Decode shards in a process of its own, on one thread: clips decode faster side by side."""
    exit_on_terminate()
    # Imported here, so that a training on prepared clips needs no decoder.
    from avlink.training.data.decoding import decode_shard

    while True:
        try:
            job = cast(ShardJob, pipe.recv())
        except (EOFError, OSError):
            return
        try:
            decode_shard(job, lambda row: pipe.send(("row", row)))
            pipe.send(("done", 0))
        except BrokenPipeError:
            return  # The parent is gone.
        except Exception as error:
            pipe.send(("error", picklable(error)))
            return
