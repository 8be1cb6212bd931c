"""The worker process from the watcher's side: it gets one task at a time, and can be killed at any moment."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

_KEPT_LINES = 20
_WAIT_S = 5.0
# The child imports the same packages, whatever has been added to sys.path since the start. multiprocessing would import
# the main module once more, or fork a process that has threads.
_CODE = "import sys; sys.path[:] = {path!r}; from avlink_watch.worker import main; main({device!r})"


class WorkerProcess:
    """Starts the process when it is needed. `post` is called from other threads with its messages.

    Posted are ("reply", generation, message) for each line, and ("exited", generation, reason) at the end. Each process
    has a `generation` of its own, so that late messages of a killed one can be told from those of its successor.
    """

    def __init__(self, device: str, post: Callable[[tuple[str, int, Any]], None]) -> None:
        self._device = device
        self._post = post
        self._process: subprocess.Popen[bytes] | None = None
        self.generation = 0

    @property
    def is_running(self) -> bool:
        """True while there is a process."""
        return self._process is not None

    def send(self, task: Mapping[str, Any]) -> None:
        """Send a task. If the process cannot take it, its exit is posted."""
        if self._process is None:
            self._start()
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(OSError):
            # A broken pipe means that it died, which the reading thread posts.
            self._process.stdin.write(json.dumps(task, default=str).encode() + b"\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """Kill the process, whatever it is doing; later messages of it are stale."""
        process, self._process = self._process, None
        self.generation += 1
        if process is None:
            return
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # A process that hangs in a read from a network disk ends only when the disk answers.
            process.wait(timeout=_WAIT_S)
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()

    def _start(self) -> None:
        self.generation += 1
        code = _CODE.format(path=sys.path, device=self._device)
        # A session of its own: Ctrl-C on the terminal is meant for the watcher, which then kills the worker.
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._process = process
        output: deque[str] = deque(maxlen=_KEPT_LINES)
        stderr = threading.Thread(target=_keep_lines, args=(process, output), daemon=True)
        stderr.start()
        threading.Thread(target=self._read, args=(process, self.generation, output, stderr), daemon=True).start()

    def _read(
        self, process: subprocess.Popen[bytes], generation: int, output: deque[str], stderr: threading.Thread
    ) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                try:
                    self._post(("reply", generation, json.loads(line)))
                except ValueError:
                    output.append(line.decode("utf-8", "replace").rstrip())
        code = process.wait()
        # The reason of a crash is often its last line, which the other thread may not have read yet.
        stderr.join(timeout=5)
        self._post(("exited", generation, _exit_reason(code, output)))


def _keep_lines(process: subprocess.Popen[bytes], output: deque[str]) -> None:
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            output.append(line.decode("utf-8", "replace").rstrip())


def _exit_reason(code: int, output: deque[str]) -> str:
    last = next((line for line in reversed(output) if line.strip()), "")
    cause = f"by signal {-code}" if code < 0 else f"with code {code}"
    return f"the process that worked on it ended {cause}{f' ({last})' if last else ''}"
