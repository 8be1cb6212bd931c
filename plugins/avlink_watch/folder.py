"""One watched folder: from its listing to tasks for the worker, and from results to the ledger and to events.

Nothing here waits or reads a clock. `now` is monotonic seconds; `wall` is seconds since the epoch, for times that
outlive this process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from avlink import InputError
from avlink_watch.events import EventName, WatchEvent
from avlink_watch.inbox import Inbox
from avlink_watch.layout import FolderLayout
from avlink_watch.ledger import WatchLedger, WorkItem
from avlink_watch.outcomes import OutcomeHandler
from avlink_watch.recipe import Rules, WatchRecipe
from avlink_watch.scan import FolderGone, folder_identity, list_files, read_signature
from avlink_watch.task import Fault, WorkerTask, make_message
from avlink_watch.tracker import Candidate

_CHECKS_IN_A_ROW = 10
_LONGEST_PAUSE_S = 60.0


class WatchedFolder:
    """A watched folder. Files in the folders of `skip` are never new; with `once`, the run ends when all is settled.

    `identity` is the folder's device and inode; None while it is gone.
    """

    def __init__(
        self,
        layout: FolderLayout,
        recipe: WatchRecipe,
        rules: Rules,
        ledger: WatchLedger,
        on_event: Callable[[WatchEvent], None],
        *,
        skip: Collection[Any] = (),
        once: bool = False,
    ) -> None:
        self.layout, self.recipe, self.ledger = layout, recipe, ledger
        self.inbox = Inbox(layout, recipe, rules, ledger, self.emit, self._register, once=once)
        self.outcomes = OutcomeHandler(layout, recipe, ledger, self.emit, once=once)
        self.identity: tuple[int, int] | None = None
        self._rules, self._on_event, self._once = rules, on_event, once
        self._skip = frozenset(skip) | layout.excluded
        self._checks = 0
        self._was_there = True
        self._moved_finished = False
        self._problems: set[str] = set()

    def scan(self, now: float) -> None:
        """List the folder. A folder that is gone is waited for; in a run with `once` that is an InputError."""
        try:
            self.identity = folder_identity(self.layout.root)
            listing = list_files(
                self.layout.root, include=self._rules.includes, recursive=self._rules.recursive, skip=self._skip
            )
        except FolderGone as gone:
            self._on_gone(gone, now)
            return
        if not self._was_there:
            self.emit("folder_back", f"{self.layout.root} is there again")
        self._was_there = True
        for problem in listing.problems:
            if problem not in self._problems:
                self.emit("warning", problem)
        self._problems = set(listing.problems)
        if not self._moved_finished:
            self._moved_finished = True
            self.outcomes.move_finished(listing.files)
        candidates = self.inbox.tracker.candidates
        new = [seen for seen in listing.files.values() if not self.ledger.is_registered(seen.path, str(seen.signature))]
        for seen in new:
            if seen.path not in candidates:
                self.emit("seen", "new here", seen.path)
                for timeline in self.ledger.timelines_missing(seen.path):
                    # It was done without this media, or failed for lack of it, and is new again.
                    self.ledger.forget(timeline)
        self.inbox.tracker.update(new, now)

    @property
    def recursive(self) -> bool:
        """True if files in folders below are watched, too."""
        return self._rules.recursive

    @property
    def is_idle(self) -> bool:
        """True if every file that was seen is done or failed."""
        return not self.inbox.tracker.candidates and not self.ledger.pending()

    def next_task_in_s(self, now: float, wall: float) -> float:
        """Return the seconds until there may be a task; at most a minute."""
        if self.identity is None:
            return _LONGEST_PAUSE_S
        pauses = [_LONGEST_PAUSE_S]
        if (check_s := self.inbox.tracker.next_check_s()) is not None:
            pauses.append(check_s - now)
        if (start := self.ledger.next_start()) is not None:
            pauses.append(max(start, self.outcomes.paused_until) - wall)
        return max(0.0, min(pauses))

    def next_task(self, now: float, wall: float) -> WorkerTask | None:
        """Return the next task: a few checks of new files, then work, so that neither starves the other."""
        if self.identity is None:
            return None
        # A copy of a whole folder brings hundreds of files; the first of them is processed meanwhile.
        if self._checks < _CHECKS_IN_A_ROW and (task := self.inbox.next_task(now)) is not None:
            self._checks += 1
            return task
        self._checks = 0
        return self._next_work(wall) or self.inbox.next_task(now)

    def on_result(self, task: WorkerTask, result: Mapping[str, Any], now: float, wall: float) -> None:
        """Handle the result of a task."""
        if task.work is None:
            self.inbox.on_result(task, result, now)
        else:
            failed = [[name, self._shorten(reason)] for name, reason in result["failed"]]
            self.outcomes.on_result(task, task.work, {**result, "failed": failed}, now, wall)

    def on_error(self, task: WorkerTask, fault: Fault, reason: str, now: float, wall: float) -> None:
        """Handle a task that failed. Raises InputError for settings with which every task would fail."""
        if fault == "setup":
            self.on_interrupted(task)
            raise InputError(reason)
        if task.work is None:
            self.inbox.on_error(task, fault, self._shorten(reason), now)
        else:
            self.outcomes.on_error(task, task.work, fault, self._shorten(reason), wall)

    def on_interrupted(self, task: WorkerTask) -> None:
        """Handle a task that ends unfinished without a failure, as when the watcher is stopped."""
        if task.work is not None:
            self.ledger.postpone(task.work.key, "", not_before=0, counts=False)

    def emit(
        self, event: EventName, text: str, file: str | None = None, *, quiet: bool = False, **details: Any
    ) -> None:
        """Report an event of this folder."""
        self._on_event(
            WatchEvent(event=event, text=text, folder=self.layout.root, file=file, quiet=quiet, details=details)
        )

    def _next_work(self, wall: float) -> WorkerTask | None:
        while wall >= self.outcomes.paused_until and (work := self.ledger.next_work(wall)) is not None:
            path = self._find_path(work)
            rule = None if path is None else self._rules.find(path)
            if path is None or rule is None or rule.digest != work.recipe:
                # Gone, changed, or under another rule by now: the next scan takes the file as a new one.
                self.ledger.drop(work.key)
                if path is None:
                    self.emit("removed", "it was removed or changed before its turn", work.path)
                continue
            signature = read_signature(self.layout.original(path))
            if signature is None or not self.outcomes.has_space(work, signature.size, wall):
                continue
            if not self.outcomes.begin(work, path, rule.label):
                continue
            # Reserved, so that shot.mp4 and shot.mov do not write the same results.
            base = self.layout.output / self.ledger.claim(self.layout.output_stems(path, work.key), path)
            message = {**make_message("sonify", path, rule, self.layout, self.recipe), "base": str(base)}
            self.emit("started", "working on it", path)
            return WorkerTask(kind="sonify", path=path, signature=signature, rule=rule, message=message, work=work)
        return None

    def _find_path(self, work: WorkItem) -> str | None:
        """Return a name under which the content of work still exists unchanged."""
        for path in dict.fromkeys([work.path, *self.ledger.paths_of(work.key)]):
            known = self.ledger.files.get(path)
            if (
                known is not None
                and known[1] == work.key
                and str(read_signature(self.layout.original(path))) == known[0]
            ):
                return path
        return None

    def _register(self, candidate: Candidate, task: WorkerTask, key: str) -> None:
        self.inbox.tracker.forget(task.path)
        known = self.ledger.register(task.path, str(task.signature), key, task.rule.digest, missing=candidate.missing)
        self.outcomes.on_registered(task.path, key, known, broken=candidate.broken, label=task.rule.label)

    def _shorten(self, reason: str) -> str:
        """Return a reason with paths relative to the folder, which the event names anyway."""
        return reason.replace(f"{self.layout.root}{os.sep}", "")

    def _on_gone(self, gone: FolderGone, now: float) -> None:
        self.identity = None
        self.inbox.tracker.update((), now)
        if self._once:
            raise InputError(f"{gone}; make it, or name another folder") from gone
        if self._was_there:
            self.emit("folder_gone", f"{gone}; waiting for it")
        self._was_there = False
