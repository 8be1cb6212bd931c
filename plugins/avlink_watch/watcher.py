"""A watcher of several folders: their locks, their ledgers, and the loop over them."""

from __future__ import annotations

import contextlib
import os
import queue
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from avlink import InputError, OutputError, make_folder
from avlink_watch.events import WatchEvent
from avlink_watch.folder import WatchedFolder
from avlink_watch.layout import FolderLayout, layout_of
from avlink_watch.ledger import LedgerError, WatchLedger
from avlink_watch.loop import STOP, WatchLoop
from avlink_watch.recipe import Rules, WatchRecipe

_LONGEST_PAUSE_S = 300.0


class Watcher:
    """Watches folders. `messages` takes STOP, from other threads and from signals; `once` ends when all is settled.

    `done` and `failed` count files of this run, `stopped` is True if it was told to stop.
    """

    def __init__(self, folders: Sequence[Path], recipe: WatchRecipe, rules: Rules, *, device: str, once: bool) -> None:
        """Raises InputError for folders that cannot be watched together, or whose results would be found as new."""
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.done = self.failed = 0
        self.stopped = False
        self._recipe, self._rules, self._device, self._once = recipe, rules, device, once
        self._layouts = _check_layouts(folders, recipe)

    def run(self, *, retry: bool = False) -> Iterator[WatchEvent]:
        """Watch, yielding events; with `retry`, failed files are tried again.

        When a ledger cannot be written any more, the loop is rebuilt from the ledgers once they can be.

        Raises InputError for folders that do not exist or are watched already, and for settings with which every file
        fails; LedgerError when a ledger fails from the start, or in a run with `once`.
        """
        pause_s, began = 0.0, False
        while not self.stopped:
            try:
                with contextlib.closing(self._watch(retry=retry and not began)) as events:
                    for event in events:
                        began, pause_s = True, 0.0
                        yield event
                break
            except LedgerError as error:
                if self._once or not began:
                    raise
                pause_s = min(max(2 * pause_s, self._recipe.retry.backoff_s), _LONGEST_PAUSE_S)
                yield WatchEvent(
                    event="paused", text=f"{error}; waiting until that is better", details={"wait_s": pause_s}
                )
            self._wait(pause_s)
        ending = "stopped" if self.stopped else "all is done"
        counts = {"done": self.done, "failed": self.failed, "stopped": self.stopped}
        yield WatchEvent(event="ended", text=f"{ending}: {self.done} done, {self.failed} failed", details=counts)

    def _watch(self, *, retry: bool) -> Generator[WatchEvent, None, None]:
        pending: deque[WatchEvent] = deque()
        with contextlib.ExitStack() as held:
            folders = [self._open(layout, pending, held, retry=retry) for layout in self._layouts]
            loop = WatchLoop(
                folders,
                self._recipe,
                device=self._device,
                once=self._once,
                messages=self.messages,
                events=pending,
            )
            try:
                with contextlib.closing(loop.run()) as events:
                    yield from events
            finally:
                self.stopped = self.stopped or loop.stopped
                self.done += sum(folder.outcomes.done for folder in folders)
                self.failed += sum(folder.outcomes.failed for folder in folders)

    def _open(
        self, layout: FolderLayout, pending: deque[WatchEvent], held: contextlib.ExitStack, *, retry: bool
    ) -> WatchedFolder:
        state = layout.state.with_name(f"{layout.state.name}.sqlite3")
        if not layout.root.is_dir() and (self._once or not state.exists()):
            # One that was watched before may be a disk that is not mounted yet.
            raise InputError(f"{layout.root} is no folder; make it first, or name another")
        held.enter_context(hold_lock(layout.state.with_name(f"{layout.state.name}.lock"), layout.root))
        ledger = WatchLedger(state)
        held.callback(ledger.close)
        # Results of one folder are not new files of another, nor is a folder that is watched itself.
        skip = frozenset().union(*(other.excluded for other in self._layouts), (other.root for other in self._layouts))
        folder = WatchedFolder(layout, self._recipe, self._rules, ledger, pending.append, skip=skip, once=self._once)
        for note in ledger.notes:
            folder.emit("warning", note)
        again = ledger.retry_failed() if retry else 0
        text = f"watching {layout.root}; results go to {layout.output}"
        text += f"; trying {again} again" if again else ""
        folder.emit("watching", text, output=str(layout.output), recipe=self._recipe.source.label, retried=again)
        return folder

    def _wait(self, pause_s: float) -> None:
        with contextlib.suppress(queue.Empty):
            while self.messages.get(timeout=pause_s) != STOP:
                pass
            self.stopped = True


@contextlib.contextmanager
def hold_lock(path: Path, folder: Path) -> Iterator[None]:
    """Hold the lock file `path` for watching `folder`. The system releases the lock of a process that dies.

    Raises InputError when another process holds it, OutputError when the file cannot be made.
    """
    make_folder(path.parent)
    # A generator holds it, which may be closed by another thread than the one that began it.
    lock = FileLock(path, timeout=0, thread_local=False)
    # Beside the lock: while that is held, Windows lets nobody read it, and older versions of filelock empty it.
    holder = path.with_suffix(".pid")
    try:
        lock.acquire()
    except Timeout as error:
        process = ""
        with contextlib.suppress(OSError):
            process = f" by process {holder.read_text(encoding='ascii', errors='replace')}"
        raise InputError(f"{folder} is watched already{process}; one watcher a folder is enough") from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    try:
        # Only for that sentence: what counts is the lock.
        with contextlib.suppress(OSError):
            holder.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink()
        lock.release()


def _check_layouts(folders: Sequence[Path], recipe: WatchRecipe) -> list[FolderLayout]:
    """Return the layouts of the folders, each once. Raises InputError where their results would meet or be found."""
    layouts = list({layout.root: layout for layout in (layout_of(folder, recipe) for folder in folders)}.values())
    if Path(recipe.output).expanduser().is_absolute() and len(layouts) > 1:
        raise InputError(
            f"results of {len(layouts)} folders cannot all go to {recipe.output}, where files of one name would meet; "
            "give a folder that is in each of them, or watch each by itself"
        )
    for layout in layouts:
        for other in layouts:
            if layout is not other and layout.root.is_relative_to(other.output):
                raise InputError(
                    f"{layout.root} is where results of {other.root} go, and would be watched; leave it out"
                )
    return layouts
