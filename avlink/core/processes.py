"""Child processes that report their own death and end with their parent; and signals that ask a process to end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Generic, TypeVar

from avlink.core.errors import AvlinkError

_TERMINATING = ("SIGINT", "SIGTERM", "SIGHUP")
_END_TIMEOUT_S = 5.0
_starting = threading.Lock()

Task = TypeVar("Task")
Result = TypeVar("Result")


def start_process(
    serve: Callable[..., None], *arguments: object, daemon: bool = False
) -> tuple[SpawnProcess, Connection]:
    """Start a process that runs `serve(*arguments, pipe)`; return it and the parent's end of the pipe."""
    # Forking is unsafe once torch or libav have started threads; spawning also behaves alike on all systems.
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(*arguments, theirs), daemon=daemon)
    with _safe_path():
        process.start()
    # The only other end is now the process's own: when it is killed, even before it begins, reading ends.
    theirs.close()
    return process, ours


@contextmanager
def _safe_path() -> Iterator[None]:
    """Let processes that start meanwhile import no module from the working folder.

    multiprocessing starts them by `python -c`, which looks there first, until they have received `sys.path`.
    """
    with _starting:
        before = os.environ.get("PYTHONSAFEPATH")
        os.environ["PYTHONSAFEPATH"] = "1"
        try:
            if sys.version_info >= (3, 11):
                yield
            else:
                with _isolated():
                    yield
        finally:
            if before is None:
                del os.environ["PYTHONSAFEPATH"]
            else:
                os.environ["PYTHONSAFEPATH"] = before


@contextmanager
def _isolated() -> Iterator[None]:
    """Add the option -I to the processes of multiprocessing: Python 3.10 knows no PYTHONSAFEPATH."""
    from multiprocessing import util

    options = util._args_from_interpreter_flags  # type: ignore[attr-defined]
    util._args_from_interpreter_flags = lambda: ["-I", *options()]  # type: ignore[attr-defined]
    try:
        yield
    finally:
        util._args_from_interpreter_flags = options  # type: ignore[attr-defined]


def end_process(process: SpawnProcess) -> None:
    """End a process that may be at work: it gets a few seconds to remove what it has half written."""
    process.terminate()
    process.join(_END_TIMEOUT_S)
    if process.is_alive():
        process.kill()
        process.join()


def exit_on_terminate() -> None:
    """Make SIGTERM raise SystemExit in this process, so that what is half written is removed; ignore Ctrl-C.

    Ctrl-C reaches the whole process group, but only the parent decides how the run ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def exit_name(code: int | None) -> str:
    """Return an exit code of multiprocessing in words: the name of the signal that ended it, or the number."""
    with suppress(ValueError):
        return signal.Signals(-(code or 0)).name
    return str(code)


def picklable(error: Exception) -> Exception:
    """Return an error that can be sent to another process.

    AVLink's and the system's errors stay as they are; any other becomes a RuntimeError with its traceback as text.
    """
    if isinstance(error, AvlinkError | OSError):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))


class _WorkerProcess(Generic[Task, Result]):
    """A child process that runs one task after the other, on a given number of threads."""

    def __init__(
        self, function: Callable[[Task], Result], set_threads: Callable[[int], None], num_threads: int
    ) -> None:
        self.process, self.pipe = start_process(_serve, function, set_threads, num_threads)

    def send(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):
            # A process that died is found out when its result is read.
            self.pipe.send(task)

    def receive(self) -> Result | Exception | None:
        """Return the result of the task or the error that it raised; None when the process died."""
        try:
            result: Result | Exception = self.pipe.recv()
        except (EOFError, OSError):
            return None
        return result

    def cause_of_death(self) -> str:
        """Return a phrase that follows the name of the process, for example "ended with exit code 3, ..."."""
        self.process.join()
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"ended with exit code {code}, and said above why"
        return f"was ended from outside ({exit_name(code)}), for want of memory perhaps"

    def end(self) -> None:
        end_process(self.process)
        self.pipe.close()


def _keep_threads(num_threads: int) -> None:
    pass


def run_in_processes(
    tasks: Sequence[Task],
    function: Callable[[Task], Result],
    on_result: Callable[[Task, Result], None],
    *,
    processes: int,
    describe_loss: Callable[[Task, str], str],
    set_threads: Callable[[int], None] = _keep_threads,
) -> None:
    """Run `function` on every task in up to `processes` child processes; call `on_result` as results come.

    `function`, tasks and results travel by pickle; results are never None. `set_threads` is called in each process
    with its share of the cores, as `torch.set_num_threads` is. All processes end when this function does.

    Raises what `function` raises, as a RuntimeError where it is neither AVLink's nor the system's error, and
    AvlinkError where a process died: `describe_loss` makes its message from the task and the cause of death.
    """
    waiting = deque(tasks)
    processes = min(processes, len(tasks))
    workers: list[_WorkerProcess[Task, Result]] = []
    try:
        for _ in range(processes):
            workers.append(_WorkerProcess(function, set_threads, max(1, (os.cpu_count() or 1) // processes)))
            workers[-1].send(waiting.popleft())
        while workers:
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                task, result = worker.task, worker.receive()
                if result is None:
                    raise AvlinkError(describe_loss(task, worker.cause_of_death()))
                if isinstance(result, Exception):
                    raise result
                if waiting:
                    worker.send(waiting.popleft())
                else:
                    workers.remove(worker)
                    worker.end()
                on_result(task, result)
    finally:
        for worker in workers:
            worker.end()


def _serve(
    function: Callable[[Task], Result], set_threads: Callable[[int], None], num_threads: int, pipe: Connection
) -> None:
    """Run tasks in the child process until the parent closes the pipe."""
    exit_on_terminate()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_threads(num_threads)
    with suppress(EOFError, OSError):
        while True:
            task: Task = pipe.recv()
            pipe.send(_result_or_error(function, task))


def _result_or_error(function: Callable[[Task], Result], task: Task) -> Result | Exception:
    try:
        return function(task)
    except Exception as error:
        return picklable(error)


def _end_with_parent() -> None:
    # A parent that is killed by SIGKILL cannot terminate its children, and daemon processes would outlive it.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def on_termination(callback: Callable[[int], object], *, ignore: Sequence[str] = ()) -> Iterator[None]:
    """Call `callback` with the number of each signal that asks the process to end, instead of ending it.

    These are SIGINT, SIGTERM and SIGHUP. Signals named in `ignore` do nothing meanwhile. Signals that the system does
    not have, as SIGHUP on Windows, are passed over. Works in the main thread only, as Python's signal handlers do.
    """
    before = {}
    for name in _TERMINATING:
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, lambda number, _: callback(int(number)))
    for name in ignore:
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
