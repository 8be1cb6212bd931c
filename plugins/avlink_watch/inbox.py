"""Files on their way in: looked into once they are quiet, waited for until they are all there, then named by content.

A timeline is all there when the media that it names is, too. Nothing here reads a clock; `now` is monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from avlink import digest
from avlink_watch.ledger import Ledger
from avlink_watch.open_files import is_open_for_writing
from avlink_watch.places import Places
from avlink_watch.recipe import WatchRecipe
from avlink_watch.rules import Rules
from avlink_watch.scan import Signature, sign
from avlink_watch.task import Do, Fault, Task, make_message
from avlink_watch.tracker import Candidate, Tracker, quiet_media

_LONGEST_MEDIA_PAUSE_S = 10.0


class TakeIn(Protocol):
    """What happens with a file that is all there, or that never will be (`broken` says why)."""

    def __call__(self, candidate: Candidate, task: Task, key: str) -> None:
        """Remember it under the key of its content."""
        ...


class Say(Protocol):
    """Tells something of a file; `quiet` leaves it out on a terminal."""

    def __call__(self, event: Any, text: str, file: str | None = None, *, quiet: bool = False, **more: Any) -> None:
        """Tell it."""
        ...


class Inbox:
    """The candidates of one folder. In a run that ends (`once`), nothing is waited for longer than patience lasts."""

    def __init__(
        self,
        places: Places,
        recipe: WatchRecipe,
        rules: Rules,
        ledger: Ledger,
        say: Say,
        take_in: TakeIn,
        *,
        once: bool,
    ) -> None:
        self.tracker = Tracker(quiet_s=recipe.ready.quiet_s, patience_s=recipe.ready.patience_s)
        self._places, self._recipe, self._rules, self._ledger = places, recipe, rules, ledger
        self._say, self._take_in, self._once = say, take_in, once
        self._media_wait_s = recipe.ready.media_wait_s
        if once:
            self._media_wait_s = min(self._media_wait_s, recipe.ready.patience_s)

    def next_task(self, now: float) -> Task | None:
        """The next file that is worth a look, if there is one."""
        while (candidate := self.tracker.due(now)) is not None:
            if (held := self._held_up(candidate, now)) is not None:
                self._wait(candidate, now, held)
            elif candidate.stage == "look":
                return self._task("look", candidate)
            else:
                looks = {path: sign(path) for path in candidate.media}
                quiet_at = quiet_media(candidate, looks, now, self.tracker.quiet_s)
                if quiet_at > now:
                    candidate.next_look_s = quiet_at
                    continue
                check = self._not_yet_read(looks) if self._may_wait(candidate, now) else []
                media = [str(path) for path, signature in looks.items() if signature is not None]
                return self._task("weigh", candidate, media=media, check=check)
        return None

    def answered(self, task: Task, answer: Mapping[str, Any], now: float) -> None:
        """Take in what the worker found."""
        candidate = self._still(task)
        if candidate is None:
            return
        if task.do == "look":
            self._looked(candidate, answer, now)
        elif answer["unfinished"]:
            names = [f"{Path(path).name}, which is there in part" for path, _ in answer["unfinished"]]
            if self._may_wait(candidate, now, start=True):
                candidate.stage = "look"
                self._wait_for(candidate, now, names)
            else:
                # Weighed as it is, by the next task: media is not read to its end any more.
                candidate.next_look_s = now
        elif sign(self._places.original(task.path)) != task.signature or not self._media_is_the_same(candidate):
            candidate.stage, candidate.next_look_s = "look", now + self.tracker.quiet_s
        else:
            self._take_in(candidate, task, digest([answer["key"], task.rule.digest]))

    def went_wrong(self, task: Task, fault: Fault, reason: str, now: float) -> None:
        """Take in that a file could not be read to its end: it may be still arriving, until patience ends."""
        candidate = self._still(task)
        if candidate is None:
            return
        candidate.tries += fault != "file"
        patient = not self.tracker.out_of_patience(candidate, now)
        given_up = candidate.tries >= self._recipe.retry.attempts and not patient
        if task.do == "weigh" and (given_up or fault == "file"):
            # Its content has no name that could be known: this file as it lies here is what failed.
            candidate.broken = candidate.broken or reason
            self._take_in(candidate, task, digest(["unread", task.path, str(task.signature)]))
        elif task.do == "look" and not patient and (given_up or fault == "file"):
            candidate.broken, candidate.stage, candidate.next_look_s = reason, "weigh", now
        else:
            self._wait(candidate, now, f"not all there yet: {reason}" if fault == "file" else reason, quiet=True)

    def _looked(self, candidate: Candidate, answer: Mapping[str, Any], now: float) -> None:
        candidate.media = {Path(path): candidate.media.get(Path(path), (None, now)) for path in answer["media"]}
        candidate.missing = tuple(name for name, _ in answer["missing"])
        if answer["doubt"] is not None and not self.tracker.out_of_patience(candidate, now):
            self._wait(candidate, now, f"{answer['doubt']}: more may be to come", quiet=True)
        elif candidate.missing and self._may_wait(candidate, now, start=True):
            self._wait_for(candidate, now, list(candidate.missing))
        else:
            candidate.stage, candidate.next_look_s = "weigh", now

    def _held_up(self, candidate: Candidate, now: float) -> str | None:
        """A sentence if something else says that a file is not finished."""
        if self._once and self.tracker.out_of_patience(candidate, now):
            return None
        if candidate.seen.arriving and now - candidate.since < self._recipe.ready.media_wait_s:
            return "a file beside it says that it is still arriving"
        full = self._places.original(candidate.path)
        if not full.is_dir() and is_open_for_writing(full):
            return "another program has it open for writing"
        return None

    def _wait(self, candidate: Candidate, now: float, reason: str, *, quiet: bool = False) -> None:
        self.tracker.later(candidate, now)
        if candidate.waits_for != reason:
            candidate.waits_for = reason
            self._say("waiting", reason, candidate.path, quiet=quiet)

    def _wait_for(self, candidate: Candidate, now: float, names: list[str]) -> None:
        count = "1 media file" if len(names) == 1 else f"{len(names)} media files"
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        self._wait(candidate, now, f"waiting up to {self._media_wait_s:g} s for {count}: {', '.join(names[:5])}{more}")
        waited_s = now - (now if candidate.waits_since is None else candidate.waits_since)
        candidate.next_look_s = now + max(self.tracker.quiet_s, min(waited_s / 4, _LONGEST_MEDIA_PAUSE_S))

    def _may_wait(self, candidate: Candidate, now: float, *, start: bool = False) -> bool:
        """Whether a timeline may still wait for its media, which it does from the first time with `start`."""
        if candidate.waits_since is None:
            if not start:
                return True
            candidate.waits_since = now
        return now - candidate.waits_since < self._media_wait_s

    def _media_is_the_same(self, candidate: Candidate) -> bool:
        return all(sign(path) == signature for path, (signature, _) in candidate.media.items())

    def _not_yet_read(self, looks: Mapping[Path, Signature | None]) -> list[str]:
        """Media in the watched folder that was not read to its end yet as it is now; what lies elsewhere is old."""
        root = self._places.root
        return [
            str(path)
            for path, signature in looks.items()
            if signature is not None
            and path.is_relative_to(root)
            and not self._ledger.settled(path.relative_to(root).as_posix(), str(signature))
        ]

    def _still(self, task: Task) -> Candidate | None:
        candidate = self.tracker.candidates.get(task.path)
        return candidate if candidate is not None and candidate.seen.signature == task.signature else None

    def _task(self, do: Do, candidate: Candidate, **more: Any) -> Task:
        rule = self._rules.find(candidate.path)
        assert rule is not None
        message = {**make_message(do, candidate.path, rule, self._places, self._recipe), **more}
        return Task(do=do, path=candidate.path, signature=candidate.seen.signature, rule=rule, message=message)
