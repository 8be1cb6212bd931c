"""The worker as the watcher sees it: a process that is given one task at a time, and can be ended at any moment."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

_LAST_WORDS = 20
_WAIT_S = 5.0
_CODE = "import sys; sys.path[:] = {path!r}; from avlink_watch.worker import main; main({device!r})"


class Hand:
    """Starts the process when it is needed. `post` is called from other threads with what it says.

    What is posted is ("said", number, message) for a line of it, and ("ended", number, words) when it is gone; `number`
    tells processes that follow each other apart.
    """

    def __init__(self, device: str, post: Callable[[tuple[str, int, Any]], None]) -> None:
        self._device = device
        self._post = post
        self._process: subprocess.Popen[bytes] | None = None
        self.number = 0
        self.tasks = 0

    @property
    def is_there(self) -> bool:
        """Whether there is a process now."""
        return self._process is not None

    def give(self, task: Mapping[str, Any]) -> None:
        """Give it a task; its end is posted if it cannot take it."""
        if self._process is None:
            self._start()
        assert self._process is not None and self._process.stdin is not None
        self.tasks += 1
        with contextlib.suppress(OSError):
            # When it died, the thread that reads from it says so.
            self._process.stdin.write(json.dumps(task, default=str).encode() + b"\n")
            self._process.stdin.flush()

    def end(self) -> None:
        """End the process, whatever it does; what it still says is of no interest."""
        process, self._process = self._process, None
        self.number += 1
        if process is None:
            return
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # One that hangs on a disk of a server cannot even be killed; it ends when the disk answers.
            process.wait(timeout=_WAIT_S)
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()

    def _start(self) -> None:
        self.number += 1
        self.tasks = 0
        code = _CODE.format(path=sys.path, device=self._device)
        # A session of its own: Ctrl-C on the terminal is for us, and we end it.
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._process = process
        words: deque[str] = deque(maxlen=_LAST_WORDS)
        listener = threading.Thread(target=_keep_words, args=(process, words), daemon=True)
        listener.start()
        threading.Thread(target=self._listen, args=(process, self.number, words, listener), daemon=True).start()

    def _listen(
        self, process: subprocess.Popen[bytes], number: int, words: deque[str], listener: threading.Thread
    ) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                try:
                    self._post(("said", number, json.loads(line)))
                except ValueError:
                    words.append(line.decode("utf-8", "replace").rstrip())
        code = process.wait()
        listener.join(timeout=5)
        self._post(("ended", number, _how(code, words)))


def _keep_words(process: subprocess.Popen[bytes], words: deque[str]) -> None:
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            words.append(line.decode("utf-8", "replace").rstrip())


def _how(code: int, words: deque[str]) -> str:
    said = next((word for word in reversed(words) if word.strip()), "")
    how = f"by signal {-code}" if code < 0 else f"with code {code}"
    return f"the process that worked on it ended {how}{f' ({said})' if said else ''}"
