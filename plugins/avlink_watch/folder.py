"""One watched folder: from what lies in it to tasks for the worker, and from answers to what is remembered and told.

Nothing here waits or reads a clock. `now` is monotonic seconds, `wall` is seconds since the epoch, for what outlives
this process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from avlink import InputError
from avlink_watch.events import Told
from avlink_watch.inbox import Inbox
from avlink_watch.ledger import Ledger, Work
from avlink_watch.places import Places
from avlink_watch.recipe import WatchRecipe
from avlink_watch.results import Results
from avlink_watch.rules import Rules
from avlink_watch.scan import FolderGone, folder_identity, list_files, sign
from avlink_watch.task import Fault, Task, make_message
from avlink_watch.tracker import Candidate

_LOOKS_IN_A_ROW = 10
_LONGEST_S = 60.0


class Folder:
    """A watched folder. In those of `skip` nothing is new, and with `once` the run ends when all is settled."""

    def __init__(
        self,
        places: Places,
        recipe: WatchRecipe,
        rules: Rules,
        ledger: Ledger,
        tell: Callable[[Told], None],
        *,
        skip: Collection[Any] = (),
        once: bool = False,
    ) -> None:
        self.places, self.recipe, self.ledger = places, recipe, ledger
        self.inbox = Inbox(places, recipe, rules, ledger, self.say, self._take_in, once=once)
        self.results = Results(places, recipe, ledger, self.say, once=once)
        self.identity: tuple[int, int] | None = None
        self._rules, self._tell, self._once = rules, tell, once
        self._skip = frozenset(skip) | places.own
        self._looks = 0
        self._was_there = True
        self._tidied = False
        self._troubles: set[str] = set()

    def scan(self, now: float) -> None:
        """Look at everything. A folder that is gone is waited for; in a run that ends, that is an InputError."""
        try:
            self.identity = folder_identity(self.places.root)
            listing = list_files(self.places.root, wanted=self._rules.wants, below=self._rules.below, skip=self._skip)
        except FolderGone as gone:
            self._gone(gone, now)
            return
        if not self._was_there:
            self.say("folder_back", f"{self.places.root} is there again")
        self._was_there = True
        for trouble in listing.troubles:
            if trouble not in self._troubles:
                self.say("warning", trouble)
        self._troubles = set(listing.troubles)
        if not self._tidied:
            self._tidied = True
            self.results.tidy(listing.files)
        candidates = self.inbox.tracker.candidates
        new = [seen for seen in listing.files.values() if not self.ledger.settled(seen.path, str(seen.signature))]
        for seen in new:
            if seen.path not in candidates:
                self.say("seen", "new here", seen.path)
                for timeline in self.ledger.waiting_for(seen.path):
                    # It was done without this, or failed for lack of it.
                    self.ledger.forget(timeline)
        self.inbox.tracker.update(new, now)

    @property
    def looks_below(self) -> bool:
        """Whether files in folders below are meant, too."""
        return self._rules.below

    @property
    def is_idle(self) -> bool:
        """Whether everything that was seen is settled."""
        return not self.inbox.tracker.candidates and not self.ledger.pending()

    def next_s(self, now: float, wall: float) -> float:
        """In how many seconds there may be a task; at most a minute."""
        if self.identity is None:
            return _LONGEST_S
        pauses = [_LONGEST_S]
        if (look_s := self.inbox.tracker.next_look_s()) is not None:
            pauses.append(look_s - now)
        if (start := self.ledger.next_start()) is not None:
            pauses.append(max(start, self.results.paused_until) - wall)
        return max(0.0, min(pauses))

    def next_task(self, now: float, wall: float) -> Task | None:
        """The next task: a few looks, then work, so that neither waits for all of the other."""
        if self.identity is None:
            return None
        if self._looks < _LOOKS_IN_A_ROW and (task := self.inbox.next_task(now)) is not None:
            self._looks += 1
            return task
        self._looks = 0
        return self._work(wall) or self.inbox.next_task(now)

    def answered(self, task: Task, answer: Mapping[str, Any], now: float, wall: float) -> None:
        """Take in the answer to a task."""
        if task.work is None:
            self.inbox.answered(task, answer, now)
        else:
            failed = [[name, self._shorter(reason)] for name, reason in answer["failed"]]
            self.results.made(task, task.work, {**answer, "failed": failed}, now, wall)

    def went_wrong(self, task: Task, fault: Fault, reason: str, now: float, wall: float) -> None:
        """Take in that a task failed. Raises InputError for what lets every other task fail too."""
        if fault == "setup":
            self.interrupted(task)
            raise InputError(reason)
        if task.work is None:
            self.inbox.went_wrong(task, fault, self._shorter(reason), now)
        else:
            self.results.went_wrong(task, task.work, fault, self._shorter(reason), wall)

    def interrupted(self, task: Task) -> None:
        """Take in that a task ends unfinished, by nobody's fault."""
        if task.work is not None:
            self.ledger.postpone(task.work.key, "", not_before=0, counts=False)

    def say(self, event: Any, text: str, file: str | None = None, *, quiet: bool = False, **more: Any) -> None:
        """Tell something of this folder."""
        self._tell(Told(event=event, text=text, folder=self.places.root, file=file, quiet=quiet, more=more))

    def _work(self, wall: float) -> Task | None:
        while wall >= self.results.paused_until and (work := self.ledger.next_work(wall)) is not None:
            path = self._present(work)
            rule = None if path is None else self._rules.find(path)
            if path is None or rule is None or rule.digest != work.recipe:
                # Gone, changed, or meant otherwise by now; what lies there is looked at as if it were new.
                self.ledger.drop(work.key)
                if path is None:
                    self.say("removed", "it was removed or changed before its turn", work.path)
                continue
            signature = sign(self.places.original(path))
            if signature is None or not self.results.has_room(work, signature.size, wall):
                continue
            if not self.results.may_begin(work, path, rule.label):
                continue
            base = self.places.output / self.ledger.claim(self.places.bases(path, work.key), path)
            message = {**make_message("sonify", path, rule, self.places, self.recipe), "base": str(base)}
            self.say("started", "working on it", path)
            return Task(do="sonify", path=path, signature=signature, rule=rule, message=message, work=work)
        return None

    def _present(self, work: Work) -> str | None:
        """A name under which the content of work lies there as it was taken in."""
        for path in dict.fromkeys([work.path, *self.ledger.paths_of(work.key)]):
            known = self.ledger.files.get(path)
            if known is not None and known[1] == work.key and str(sign(self.places.original(path))) == known[0]:
                return path
        return None

    def _take_in(self, candidate: Candidate, task: Task, key: str) -> None:
        self.inbox.tracker.forget(task.path)
        known = self.ledger.take_in(task.path, str(task.signature), key, task.rule.digest, missing=candidate.missing)
        self.results.taken_in(task.path, key, known, broken=candidate.broken, label=task.rule.label)

    def _shorter(self, reason: str) -> str:
        """A reason without the folder, which whoever reads it knows."""
        return reason.replace(f"{self.places.root}{os.sep}", "")

    def _gone(self, gone: FolderGone, now: float) -> None:
        self.identity = None
        self.inbox.tracker.update((), now)
        if self._once:
            raise InputError(f"{gone}; make it, or name another folder") from gone
        if self._was_there:
            self.say("folder_gone", f"{gone}; waiting for it")
        self._was_there = False
