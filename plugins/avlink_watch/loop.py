"""The loop of a watcher: looks at folders from time to time, gives the worker one task after the other, and listens.

It is written as a generator: what happens is yielded to whoever prints it.
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from avlink_watch.events import Told
from avlink_watch.folder import Folder
from avlink_watch.hand import Hand
from avlink_watch.hints import Hints
from avlink_watch.ledger import StateTrouble
from avlink_watch.recipe import WatchRecipe
from avlink_watch.task import Task

STOP = ("stop",)
"""What is posted to end the loop."""

# Several changes that follow each other are one reason to look.
_HINT_PAUSE_S = 0.3


class Loop:
    """Watches folders until it is told to stop or, with `once`, until all that is there is settled.

    `mail` gets what other threads and signals post; `told` is what happened and was not yielded yet.
    """

    def __init__(
        self,
        folders: Sequence[Folder],
        recipe: WatchRecipe,
        *,
        device: str,
        once: bool,
        mail: queue.SimpleQueue[Any],
        told: deque[Told],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folders, self._recipe, self._once = list(folders), recipe, once
        self._mail, self._told, self._clock = mail, told, clock
        self._hand = Hand(device, mail.put)
        self._hints = Hints(lambda root: mail.put(("hint", root))) if recipe.scan.hints and not once else None
        self._scan_at = {folder.places.root: clock() for folder in self._folders}
        self._task: tuple[Folder, Task] | None = None
        self._heard = self._idle_since = clock()
        self._worked = 0
        self.stopped = False

    def run(self) -> Generator[Told, None, None]:
        """Watch. Raises InputError for what lets everything fail."""
        try:
            yield from self._drain()
            for folder in self._folders:
                folder.places.sweep(time.time())
                folder.results.tell_untold()
            while not self.stopped:
                now = self._clock()
                self._scan(now)
                if self._task is None:
                    self._next_task(now)
                yield from self._drain()
                if self._once and self._task is None and all(folder.is_idle for folder in self._folders):
                    break
                self._listen(self._pause_s(self._clock()))
                self._check_worker(self._clock())
                yield from self._drain()
        finally:
            self._hand.end()
            if self._hints is not None:
                self._hints.close()
            if self._task is not None:
                # Where that cannot be noted, the next start finds it begun, and begins it again.
                with contextlib.suppress(StateTrouble):
                    self._task[0].interrupted(self._task[1])
        yield from self._drain()

    def _drain(self) -> Iterator[Told]:
        while self._told:
            yield self._told.popleft()

    def _scan(self, now: float) -> None:
        for folder in self._folders:
            root = folder.places.root
            if now < self._scan_at[root]:
                continue
            folder.scan(now)
            self._scan_at[root] = self._clock() + self._recipe.scan.every_s
            if self._hints is None:
                continue
            if folder.identity is None:
                self._hints.leave(root)
            elif sentence := self._hints.follow(root, folder.identity, below=folder.looks_below):
                folder.say("warning", sentence)

    def _next_task(self, now: float) -> None:
        for folder in list(self._folders):
            task = folder.next_task(now, time.time())
            if task is not None:
                # The others come first the next time.
                self._folders.remove(folder)
                self._folders.append(folder)
                self._give(folder, task)
                return

    def _give(self, folder: Folder, task: Task) -> None:
        if task.work is not None:
            self._worked += 1
            if self._worked > self._recipe.worker.files:
                self._hand.end()
                self._worked = 1
        task.began = self._heard = self._clock()
        self._task = (folder, task)
        self._hand.give(task.message)

    def _pause_s(self, now: float) -> float:
        ends = [self._scan_at[folder.places.root] - now for folder in self._folders]
        if self._task is not None:
            ends.append(self._heard + self._recipe.worker.timeout_s - now)
        else:
            ends += [folder.next_s(now, time.time()) for folder in self._folders]
            if self._hand.is_there:
                ends.append(self._idle_since + self._recipe.worker.idle_s - now)
        return max(0.0, min(ends))

    def _listen(self, pause_s: float) -> None:
        """Take in what is posted; wait for it up to `pause_s`."""
        try:
            message = self._mail.get(timeout=pause_s)
            while True:
                self._take(message)
                message = self._mail.get_nowait()
        except queue.Empty:
            pass

    def _take(self, message: tuple[Any, ...]) -> None:
        if message == STOP:
            self.stopped = True
        elif message[0] == "hint":
            root: Path = message[1]
            self._scan_at[root] = min(self._scan_at[root], self._clock() + _HINT_PAUSE_S)
        elif message[1] == self._hand.number:
            self._heard = self._clock()
            if message[0] == "ended":
                self._hand.end()
                self._worked = 0
                self._fail("machine", message[2])
            else:
                self._said(message[2])

    def _said(self, said: dict[str, Any]) -> None:
        if self._task is None:
            return
        folder, task = self._task
        if "news" in said:
            if said["news"] and task.work is not None:
                folder.say("progress", "", task.path, **said["news"])
            return
        if said.get("memory") is not None:
            self._told.append(Told(event="worker", text="", more={"memory_bytes": said["memory"]}))
        if "error" in said:
            self._fail(said["error"]["kind"], said["error"]["reason"])
            return
        self._free()
        folder.answered(task, said["answer"], self._clock(), time.time())

    def _fail(self, fault: Any, reason: str) -> None:
        if self._task is None:
            return
        folder, task = self._task
        self._free()
        folder.went_wrong(task, fault, reason, self._clock(), time.time())

    def _free(self) -> None:
        self._task = None
        self._idle_since = self._clock()

    def _check_worker(self, now: float) -> None:
        timeout_s = self._recipe.worker.timeout_s
        if self._task is not None and now - self._heard >= timeout_s:
            self._hand.end()
            self._worked = 0
            self._fail("machine", f"nothing was heard of it for {timeout_s:g} s, so it was ended")
        elif self._task is None and self._hand.is_there and now - self._idle_since >= self._recipe.worker.idle_s:
            self._hand.end()
            self._worked = 0


def now_there() -> datetime:
    """The time that is told, in the zone of this machine."""
    return datetime.now().astimezone()
