"""Work in processes of its own, which may be killed: that is told, and they end with the process they belong to."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Generic, TypeVar

from avlink.core.errors import AvlinkError

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")

Work = TypeVar("Work")
Result = TypeVar("Result")


def start_process(
    serve: Callable[..., None], *arguments: object, daemon: bool = False
) -> tuple[SpawnProcess, Connection]:
    """A new process that runs `serve` with the arguments and the other end of this pipe."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(*arguments, theirs), daemon=daemon)
    process.start()
    # The only other end is now the process's own: when it is killed, even before it begins, reading ends.
    theirs.close()
    return process, ours


def exit_name(code: int | None) -> str:
    """An exit code of multiprocessing in words: the signal's name, or the number."""
    with suppress(ValueError):
        return signal.Signals(-(code or 0)).name
    return str(code)


def picklable(error: Exception) -> Exception:
    """An error for another process: ours and the system's as they are, of a bug its traceback."""
    if isinstance(error, AvlinkError | OSError):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))


class _Worker(Generic[Work, Result]):
    """A process that does one piece of work after the other, on as many threads as it is given."""

    def __init__(self, do: Callable[[Work], Result], use_threads: Callable[[int], None], threads: int) -> None:
        self.process, self.pipe = start_process(_serve, do, use_threads, threads)

    def give(self, work: Work) -> None:
        self.work = work
        with suppress(OSError):
            # A process that is gone is found out when its answer is read.
            self.pipe.send(work)

    def result(self) -> Result | Exception | None:
        """What became of the work; None from a process that is gone."""
        try:
            answer: Result | Exception = self.pipe.recv()
        except (EOFError, OSError):
            return None
        return answer

    def fate(self) -> str:
        """What became of a process that is gone, after its name."""
        self.process.join()
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"ended with exit code {code}, and said above why"
        return f"was ended from outside ({exit_name(code)}), for want of memory perhaps"

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def _leave_threads(threads: int) -> None:
    pass


def run_in_processes(
    works: Sequence[Work],
    do: Callable[[Work], Result],
    done: Callable[[Work, Result], None],
    *,
    processes: int,
    gone: Callable[[Work, str], str],
    use_threads: Callable[[int], None] = _leave_threads,
) -> None:
    """Do each piece of work in one of so many processes; `done` is told of each with its result, as they come.

    `do`, the works and the results, which are never None, travel by pickle. Raises what `do` raises, as RuntimeError
    where it is no error of ours or the system's; and AvlinkError in the words of `gone` where a process is gone,
    which gets its work and what became of it ("was ended from outside ..."). What ends this, ends all processes.
    `use_threads` is called in each process with its share of the cores, as `torch.set_num_threads` is.
    """
    waiting = deque(works)
    processes = min(processes, len(works))
    workers: list[_Worker[Work, Result]] = []
    try:
        for _ in range(processes):
            workers.append(_Worker(do, use_threads, max(1, (os.cpu_count() or 1) // processes)))
            workers[-1].give(waiting.popleft())
        while workers:
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                work, said = worker.work, worker.result()
                if said is None:
                    raise AvlinkError(gone(work, worker.fate()))
                if isinstance(said, Exception):
                    raise said
                if waiting:
                    worker.give(waiting.popleft())
                else:
                    workers.remove(worker)
                    worker.end()
                done(work, said)
    finally:
        for worker in workers:
            worker.end()


def _serve(do: Callable[[Work], Result], use_threads: Callable[[int], None], threads: int, pipe: Connection) -> None:
    """The process: one work after the other, until nobody gives any more."""
    # The one that is asked to end is the process that all of them belong to.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_threads(threads)
    with suppress(EOFError, OSError):
        while True:
            work: Work = pipe.recv()
            pipe.send(_tried(do, work))


def _tried(do: Callable[[Work], Result], work: Work) -> Result | Exception:
    try:
        return do(work)
    except Exception as error:
        return picklable(error)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def on_termination(post: Callable[[int], object], *, ignore: Sequence[str] = ()) -> Iterator[None]:
    """While this lasts, `post` is called with the number of each signal that asks for the end.

    Signals named in `ignore` do nothing meanwhile; those that the system does not have are passed over. Works in the
    main thread only, as Python's signals do.
    """
    before = {}
    for name in _ENDING:
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, lambda number, _: post(int(number)))
    for name in ignore:
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
