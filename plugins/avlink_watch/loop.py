"""The loop of a watcher: scans folders at intervals, gives the worker one task after another, and handles messages.

It is a generator, so that events are printed by its caller.
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from avlink_watch.events import WatchEvent
from avlink_watch.folder import WatchedFolder
from avlink_watch.ledger import LedgerError
from avlink_watch.observer import ChangeObserver
from avlink_watch.recipe import WatchRecipe
from avlink_watch.task import WorkerTask
from avlink_watch.worker_process import WorkerProcess

STOP = ("stop",)
"""The message that ends the loop."""

# Changes come in bursts, and one scan covers a whole burst.
_BURST_S = 0.3


class WatchLoop:
    """Watches folders until it is stopped or, with `once`, until every file is done or failed.

    `messages` receives what other threads and signals post; `events` holds events that were not yielded yet.
    """

    def __init__(
        self,
        folders: Sequence[WatchedFolder],
        recipe: WatchRecipe,
        *,
        device: str,
        once: bool,
        messages: queue.SimpleQueue[Any],
        events: deque[WatchEvent],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folders, self._recipe, self._once = list(folders), recipe, once
        self._messages, self._events, self._clock = messages, events, clock
        self._worker = WorkerProcess(device, messages.put)
        self._observer = (
            ChangeObserver(lambda root: messages.put(("changed", root))) if recipe.scan.hints and not once else None
        )
        self._scan_at = {folder.layout.root: clock() for folder in self._folders}
        self._task: tuple[WatchedFolder, WorkerTask] | None = None
        self._heard_at = self._idle_since = clock()
        self._files = 0
        self.stopped = False

    def run(self) -> Generator[WatchEvent, None, None]:
        """Watch, yielding events. Raises InputError for settings with which every file fails."""
        try:
            yield from self._drain()
            for folder in self._folders:
                folder.layout.sweep(time.time())
                folder.outcomes.report_unreported()
            while not self.stopped:
                now = self._clock()
                self._scan(now)
                if self._task is None:
                    self._next_task(now)
                yield from self._drain()
                if self._once and self._task is None and all(folder.is_idle for folder in self._folders):
                    break
                self._handle_messages(self._pause_s(self._clock()))
                self._check_worker(self._clock())
                yield from self._drain()
        finally:
            self._worker.kill()
            if self._observer is not None:
                self._observer.close()
            if self._task is not None:
                # If that cannot be recorded, the next start finds the work started, and starts it again.
                with contextlib.suppress(LedgerError):
                    self._task[0].on_interrupted(self._task[1])
        yield from self._drain()

    def _drain(self) -> Iterator[WatchEvent]:
        while self._events:
            yield self._events.popleft()

    def _scan(self, now: float) -> None:
        for folder in self._folders:
            root = folder.layout.root
            if now < self._scan_at[root]:
                continue
            folder.scan(now)
            # Read anew: a scan of a large or remote folder can take longer than the interval.
            self._scan_at[root] = self._clock() + self._recipe.scan.every_s
            if self._observer is None:
                continue
            if folder.identity is None:
                self._observer.unwatch(root)
            elif sentence := self._observer.watch(root, folder.identity, recursive=folder.recursive):
                folder.emit("warning", sentence)

    def _next_task(self, now: float) -> None:
        for folder in list(self._folders):
            task = folder.next_task(now, time.time())
            if task is not None:
                # Round robin: the other folders come first the next time.
                self._folders.remove(folder)
                self._folders.append(folder)
                self._start(folder, task)
                return

    def _start(self, folder: WatchedFolder, task: WorkerTask) -> None:
        if task.work is not None:
            self._files += 1
            # Decoders and models may leak; a new process from time to time bounds the memory.
            if self._files > self._recipe.worker.files:
                self._worker.kill()
                self._files = 1
        task.began = self._heard_at = self._clock()
        self._task = (folder, task)
        self._worker.send(task.message)

    def _pause_s(self, now: float) -> float:
        ends = [self._scan_at[folder.layout.root] - now for folder in self._folders]
        if self._task is not None:
            ends.append(self._heard_at + self._recipe.worker.timeout_s - now)
        else:
            ends += [folder.next_task_in_s(now, time.time()) for folder in self._folders]
            if self._worker.is_running:
                ends.append(self._idle_since + self._recipe.worker.idle_s - now)
        return max(0.0, min(ends))

    def _handle_messages(self, pause_s: float) -> None:
        """Wait for a message for up to `pause_s`, then handle all that are there."""
        try:
            message = self._messages.get(timeout=pause_s)
            while True:
                self._handle(message)
                message = self._messages.get_nowait()
        except queue.Empty:
            pass

    def _handle(self, message: tuple[Any, ...]) -> None:
        if message == STOP:
            self.stopped = True
        elif message[0] == "changed":
            root: Path = message[1]
            # Never later than planned: a steady stream of changes would postpone the scan for ever.
            self._scan_at[root] = min(self._scan_at[root], self._clock() + _BURST_S)
        elif message[1] == self._worker.generation:
            self._heard_at = self._clock()
            if message[0] == "exited":
                # It is dead already; this closes its pipes and makes later messages stale.
                self._worker.kill()
                self._files = 0
                self._on_error("machine", message[2])
            else:
                self._on_reply(message[2])

    def _on_reply(self, reply: dict[str, Any]) -> None:
        if self._task is None:
            return
        folder, task = self._task
        if "progress" in reply:
            if reply["progress"] and task.work is not None:
                folder.emit("progress", "", task.path, **reply["progress"])
            return
        if reply.get("memory") is not None:
            self._events.append(WatchEvent(event="worker", text="", details={"memory_bytes": reply["memory"]}))
        if "error" in reply:
            self._on_error(reply["error"]["kind"], reply["error"]["reason"])
            return
        self._end_task()
        folder.on_result(task, reply["result"], self._clock(), time.time())

    def _on_error(self, fault: Any, reason: str) -> None:
        if self._task is None:
            return
        folder, task = self._task
        self._end_task()
        folder.on_error(task, fault, reason, self._clock(), time.time())

    def _end_task(self) -> None:
        self._task = None
        self._idle_since = self._clock()

    def _check_worker(self, now: float) -> None:
        timeout_s = self._recipe.worker.timeout_s
        if self._task is not None and now - self._heard_at >= timeout_s:
            self._worker.kill()
            self._files = 0
            self._on_error("machine", f"nothing was heard of it for {timeout_s:g} s, so it was ended")
        elif self._task is None and self._worker.is_running and now - self._idle_since >= self._recipe.worker.idle_s:
            self._worker.kill()
            self._files = 0
