"""Files that arrive: inspected once they are stable, waited for until they are complete, then keyed by their content.

A timeline is complete when the media that it names is, too. Nothing here reads a clock; `now` is monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from avlink import digest
from avlink_watch.events import Emit
from avlink_watch.layout import FolderLayout
from avlink_watch.ledger import WatchLedger
from avlink_watch.recipe import Rules, WatchRecipe
from avlink_watch.scan import Signature, is_open_for_writing, read_signature
from avlink_watch.task import Fault, TaskKind, WorkerTask, make_message
from avlink_watch.tracker import Candidate, StabilityTracker, media_stable_at

_LONGEST_MEDIA_PAUSE_S = 10.0


class OnReady(Protocol):
    """A function that takes a file whose content has a key: a complete one, or a `broken` one."""

    def __call__(self, candidate: Candidate, task: WorkerTask, key: str) -> None:
        """Take the file."""
        ...


class Inbox:
    """The candidates of one folder. A run with `once` waits for nothing longer than patience lasts."""

    def __init__(
        self,
        layout: FolderLayout,
        recipe: WatchRecipe,
        rules: Rules,
        ledger: WatchLedger,
        emit: Emit,
        on_ready: OnReady,
        *,
        once: bool,
    ) -> None:
        self.tracker = StabilityTracker(quiet_s=recipe.ready.quiet_s, patience_s=recipe.ready.patience_s)
        self._layout, self._recipe, self._rules, self._ledger = layout, recipe, rules, ledger
        self._emit, self._on_ready, self._once = emit, on_ready, once
        self._media_wait_s = recipe.ready.media_wait_s
        if once:
            self._media_wait_s = min(self._media_wait_s, recipe.ready.patience_s)

    def next_task(self, now: float) -> WorkerTask | None:
        """Return a task for the next file that is due, if there is one."""
        while (candidate := self.tracker.due(now)) is not None:
            if (reason := self._still_written(candidate, now)) is not None:
                self._wait(candidate, now, reason)
            elif candidate.stage == "inspect":
                return self._task("inspect", candidate)
            else:
                signatures = {path: read_signature(path) for path in candidate.media}
                stable_at = media_stable_at(candidate, signatures, now, self.tracker.quiet_s)
                if stable_at > now:
                    candidate.next_check_s = stable_at
                    continue
                check = self._unread_media(signatures) if self._may_wait(candidate, now) else []
                media = [str(path) for path, signature in signatures.items() if signature is not None]
                return self._task("fingerprint", candidate, media=media, check=check)
        return None

    def on_result(self, task: WorkerTask, result: Mapping[str, Any], now: float) -> None:
        """Handle the result of a task."""
        candidate = self._unchanged(task)
        if candidate is None:
            return
        if task.kind == "inspect":
            self._on_inspected(candidate, result, now)
        elif result["unfinished"]:
            names = [f"{Path(path).name}, which is there in part" for path, _ in result["unfinished"]]
            if self._may_wait(candidate, now, start=True):
                candidate.stage = "inspect"
                self._wait_for(candidate, now, names)
            else:
                # The next task fingerprints it as it is, without reading the media to its end.
                candidate.next_check_s = now
        elif read_signature(self._layout.original(task.path)) != task.signature or not self._media_unchanged(candidate):
            candidate.stage, candidate.next_check_s = "inspect", now + self.tracker.quiet_s
        else:
            # The recipe is part of the key: the same content under another rule is other work.
            self._on_ready(candidate, task, digest([result["key"], task.rule.digest]))

    def on_error(self, task: WorkerTask, fault: Fault, reason: str, now: float) -> None:
        """Handle a file that could not be read to its end: it may still be arriving, until patience ends."""
        candidate = self._unchanged(task)
        if candidate is None:
            return
        # Failures of the machine are bounded by number, those of the file by patience.
        candidate.tries += fault != "file"
        patient = not self.tracker.out_of_patience(candidate, now)
        given_up = candidate.tries >= self._recipe.retry.attempts and not patient
        if task.kind == "fingerprint" and (given_up or fault == "file"):
            # Without content there is no key of it: the key is made of this file's name and signature.
            candidate.broken = candidate.broken or reason
            self._on_ready(candidate, task, digest(["unread", task.path, str(task.signature)]))
        elif task.kind == "inspect" and not patient and (given_up or fault == "file"):
            candidate.broken, candidate.stage, candidate.next_check_s = reason, "fingerprint", now
        else:
            self._wait(candidate, now, f"not all there yet: {reason}" if fault == "file" else reason, quiet=True)

    def _on_inspected(self, candidate: Candidate, result: Mapping[str, Any], now: float) -> None:
        candidate.media = {Path(path): candidate.media.get(Path(path), (None, now)) for path in result["media"]}
        candidate.missing = tuple(name for name, _ in result["missing"])
        if result["doubt"] is not None and not self.tracker.out_of_patience(candidate, now):
            self._wait(candidate, now, f"{result['doubt']}: more may be to come", quiet=True)
        elif candidate.missing and self._may_wait(candidate, now, start=True):
            self._wait_for(candidate, now, list(candidate.missing))
        else:
            candidate.stage, candidate.next_check_s = "fingerprint", now

    def _still_written(self, candidate: Candidate, now: float) -> str | None:
        """Return a sentence if another file or the system says that this one is still being written."""
        if self._once and self.tracker.out_of_patience(candidate, now):
            return None
        if candidate.seen.unfinished and now - candidate.since < self._recipe.ready.media_wait_s:
            return "a file beside it says that it is still arriving"
        original = self._layout.original(candidate.path)
        if not original.is_dir() and is_open_for_writing(original):
            return "another program has it open for writing"
        return None

    def _wait(self, candidate: Candidate, now: float, reason: str, *, quiet: bool = False) -> None:
        self.tracker.postpone(candidate, now)
        if candidate.waits_for != reason:
            candidate.waits_for = reason
            self._emit("waiting", reason, candidate.path, quiet=quiet)

    def _wait_for(self, candidate: Candidate, now: float, names: list[str]) -> None:
        count = "1 media file" if len(names) == 1 else f"{len(names)} media files"
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        self._wait(candidate, now, f"waiting up to {self._media_wait_s:g} s for {count}: {', '.join(names[:5])}{more}")
        waited_s = now - (now if candidate.waits_since is None else candidate.waits_since)
        # Often at first, then rarely: media mostly follows its timeline within seconds.
        candidate.next_check_s = now + max(self.tracker.quiet_s, min(waited_s / 4, _LONGEST_MEDIA_PAUSE_S))

    def _may_wait(self, candidate: Candidate, now: float, *, start: bool = False) -> bool:
        """Return True while a timeline may wait for its media; the first call with `start` begins the wait."""
        if candidate.waits_since is None:
            if not start:
                return True
            candidate.waits_since = now
        return now - candidate.waits_since < self._media_wait_s

    def _media_unchanged(self, candidate: Candidate) -> bool:
        return all(read_signature(path) == signature for path, (signature, _) in candidate.media.items())

    def _unread_media(self, signatures: Mapping[Path, Signature | None]) -> list[str]:
        """Return media in the watched folder that was not read to its end yet. Media elsewhere counts as complete."""
        root = self._layout.root
        return [
            str(path)
            for path, signature in signatures.items()
            if signature is not None
            and path.is_relative_to(root)
            and not self._ledger.is_registered(path.relative_to(root).as_posix(), str(signature))
        ]

    def _unchanged(self, task: WorkerTask) -> Candidate | None:
        """Return the candidate of a task; None if the file has changed or gone since."""
        candidate = self.tracker.candidates.get(task.path)
        return candidate if candidate is not None and candidate.seen.signature == task.signature else None

    def _task(self, kind: TaskKind, candidate: Candidate, **more: Any) -> WorkerTask:
        rule = self._rules.find(candidate.path)
        assert rule is not None
        message = {**make_message(kind, candidate.path, rule, self._layout, self._recipe), **more}
        return WorkerTask(
            kind=kind, path=candidate.path, signature=candidate.seen.signature, rule=rule, message=message
        )
