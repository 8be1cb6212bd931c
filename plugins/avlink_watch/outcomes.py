"""Outcomes of work: done, failed, to be retried, or a duplicate of something before; and the events about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from avlink import OutputError
from avlink_watch.events import Emit
from avlink_watch.layout import FolderLayout, Originals
from avlink_watch.ledger import WatchLedger, WorkItem
from avlink_watch.recipe import WatchRecipe
from avlink_watch.scan import SeenFile, Signature, read_signature
from avlink_watch.task import Fault, WorkerTask

_LONGEST_BACKOFF_S = 3600.0
_LONGEST_PAUSE_S = 300.0
_INTERRUPTED = "the watcher ended again and again while it worked on it"


class OutcomeHandler:
    """Records and reports how work in one folder ends. `done` and `failed` count the files of this run.

    While the folder of results cannot be written, which is no file's fault, work is paused until `paused_until`, in
    seconds since the epoch.
    """

    def __init__(
        self, layout: FolderLayout, recipe: WatchRecipe, ledger: WatchLedger, emit: Emit, *, once: bool
    ) -> None:
        self._layout, self._recipe, self._ledger, self._emit, self._once = layout, recipe, ledger, emit, once
        self._originals = Originals(layout, recipe)
        self.paused_until = 0.0
        self._pauses = 0
        self.done = 0
        self.failed = 0

    def report_unreported(self) -> None:
        """Report work that ended when the last process could not report it any more, and move its originals."""
        for work in self._ledger.unreported():
            self._report_end(work, label="", took_s=None)

    def move_finished(self, files: Mapping[str, SeenFile]) -> None:
        """Move originals that are done or failed but still in place, after a killed run or a change of the recipe."""
        for path, seen in files.items():
            known = self._ledger.files.get(path)
            work = self._ledger.work(known[1]) if known is not None and known[0] == str(seen.signature) else None
            if work is not None and work.reported and work.status in {"done", "failed"}:
                self._move(path, work.key, failed=work.status == "failed")

    def has_space(self, work: WorkItem, size_bytes: int, wall: float) -> bool:
        """Return True if a result of such an input could be written now; otherwise begin a pause."""
        try:
            self._layout.check_space(size_bytes)
        except OutputError as error:
            self._pause(work, str(error), wall)
            return False
        if self._pauses:
            self._pauses = 0
            self._emit("resumed", f"{self._layout.output} can be written again")
        return True

    def begin(self, work: WorkItem, path: str, label: str) -> bool:
        """Record the start of work. Returns False, and fails it, if it seems to end this process each time."""
        if self._ledger.begin(work, path):
            return True
        self._ledger.finish(work.key, failed=_INTERRUPTED, outputs=())
        self._report_end_of(work.key, label=label)
        return False

    def on_result(self, task: WorkerTask, work: WorkItem, result: Mapping[str, Any], now: float, wall: float) -> None:
        """Handle the result of sonifying a file, of which single clips may have failed."""
        if self._has_changed(task):
            self._ledger.drop(work.key)
            self._emit("removed", "it changed while it was worked on, and is taken up again", task.path)
            return
        reason = _clips_reason(result["failed"], clips=sum(result["counts"].values()))
        if reason is not None and result["transient"] and self._retry(work, reason, wall):
            return
        self._ledger.finish(work.key, failed=reason, outputs=result["outputs"])
        self._report_end_of(work.key, label=task.rule.label, took_s=now - task.began, counts=result["counts"])

    def on_error(self, task: WorkerTask, work: WorkItem, fault: Fault, reason: str, wall: float) -> None:
        """Handle a file that could not be sonified."""
        if not self._layout.root.is_dir():
            # The watched folder itself is gone, so the file did nothing wrong and waits for it, too.
            self._ledger.postpone(work.key, reason, not_before=0, counts=False)
        elif self._has_changed(task) or not self._layout.original(task.path).exists():
            self._ledger.drop(work.key)
            self._emit("removed", "it changed or was removed while it was worked on", task.path)
        elif fault == "file":
            self._ledger.finish(work.key, failed=reason, outputs=())
            self._report_end_of(work.key, label=task.rule.label)
        elif fault == "output" and not self.has_space(work, task.signature.size, wall):
            pass
        else:
            self._retry_or_fail(work, reason, wall, label=task.rule.label)

    def on_registered(self, path: str, key: str, known: WorkItem | None, *, broken: str, label: str) -> None:
        """Handle a file whose content has a key now: a new or broken one, or a duplicate of `known` work."""
        if known is None:
            if broken:
                self._ledger.finish(key, failed=broken, outputs=())
                self._report_end_of(key, label=label)
            return
        if known.status == "done" and not all(Path(output).exists() for output in known.outputs):
            # Somebody removed the results, so they are wanted again. The sound comes from the cache.
            self._ledger.redo(key, path)
        elif known.status == "failed":
            before = "" if known.path == path else f"the same as {known.path}, which failed: "
            self._report_failure(path, key, f"{before}{known.reason}", label, {})
        else:
            self._report_duplicate(path, known)

    def _report_duplicate(self, path: str, known: WorkItem) -> None:
        moved = None
        if known.status == "done":
            self._originals.remove_error_files(path)
            moved = self._move(path, known.key, failed=False)
        subject = "nothing new in it" if known.path == path else f"the same as {known.path}"
        where = f": {self._layout.display(Path(known.outputs[0]))}" if known.outputs else ""
        state = f"done before{where}" if known.status == "done" else "still to be done"
        self._emit(
            "duplicate",
            f"{subject}, {state}",
            path,
            same_as=known.path,
            outputs=list(known.outputs),
            moved=_text(moved),
        )

    def _retry_or_fail(self, work: WorkItem, reason: str, wall: float, *, label: str) -> None:
        if not self._retry(work, reason, wall):
            tried = f" (tried {work.attempts + 1} times)" if work.attempts else ""
            self._ledger.finish(work.key, failed=f"{reason}{tried}", outputs=())
            self._report_end_of(work.key, label=label)

    def _retry(self, work: WorkItem, reason: str, wall: float) -> bool:
        """Queue work for another attempt. Returns False if none is left."""
        attempts = work.attempts + 1
        if attempts >= self._recipe.retry.attempts:
            return False
        pause = self._backoff_s(attempts)
        self._ledger.postpone(work.key, reason, not_before=wall + pause, counts=True)
        text = f"{_one_line(reason)}; trying again in {pause:g} s"
        self._emit("retry", text, work.path, reason=reason, attempt=attempts, wait_s=pause)
        return True

    def _pause(self, work: WorkItem, reason: str, wall: float) -> None:
        if self._once:
            # A run that ends cannot wait for a disk, so the trouble counts as a failed attempt.
            self._retry_or_fail(work, reason, wall, label="")
            return
        self._pauses += 1
        pause = min(self._backoff_s(self._pauses), _LONGEST_PAUSE_S)
        self.paused_until = wall + pause
        self._ledger.postpone(work.key, reason, not_before=0, counts=False)
        # Reported once, however often it is tried.
        if self._pauses == 1:
            self._emit("paused", f"{reason}; waiting until that is better", reason=reason, wait_s=pause)

    def _report_end_of(
        self, key: str, *, label: str, took_s: float | None = None, counts: Mapping[str, int] | None = None
    ) -> None:
        work = self._ledger.work(key)
        if work is not None:
            self._report_end(work, label=label, took_s=took_s, counts=counts)

    def _report_end(
        self, work: WorkItem, *, label: str, took_s: float | None, counts: Mapping[str, int] | None = None
    ) -> None:
        details: dict[str, Any] = {"key": work.key, "outputs": list(work.outputs)}
        if counts is not None:
            details["counts"] = dict(counts)
        if took_s is not None:
            details["seconds"] = round(took_s, 3)
        if work.status == "failed":
            self._report_failure(work.path, work.key, work.reason, label, details)
        else:
            self._originals.remove_error_files(work.path)
            moved = self._move(work.path, work.key, failed=False)
            for copy in self._ledger.paths_of(work.key):
                # Copies were reported as duplicates while this was queued, and may go only now.
                self._move(copy, work.key, failed=False)
            where = self._layout.display(Path(work.outputs[0])) if work.outputs else "nothing to write"
            took = f" in {took_s:.1f} s" if took_s is not None else ""
            self._emit("done", f"done{took}: {where}", work.path, **details, moved=_text(moved))
            self.done += 1
        # Last, so that a process that is killed before reports it again rather than never.
        self._ledger.mark_reported(work.key)

    def _report_failure(self, path: str, key: str, reason: str, label: str, details: Mapping[str, Any]) -> None:
        moved = self._move(path, key, failed=True)
        error_file, problems = self._originals.write_error_file(
            path, reason, recipe=label, at=datetime.now(), moved=moved is not None
        )
        self._emit(
            "failed",
            f"failed: {_one_line(reason)}"
            + (f" (see {self._layout.display(error_file)})" if error_file is not None else ""),
            path,
            **details,
            reason=reason,
            error_file=_text(error_file),
            moved=_text(moved),
        )
        self._warn(problems)
        self.failed += 1

    def _move(self, path: str, key: str, *, failed: bool) -> Path | None:
        """Move an original, unless another file that is not in the ledger has its name by now. Returns its new path."""
        if self._ledger.files.get(path) != (str(read_signature(self._layout.original(path))), key):
            return None
        moved, problems = self._originals.move(path, failed=failed)
        self._warn(problems)
        return moved

    def _warn(self, problems: list[str]) -> None:
        for problem in problems:
            self._emit("warning", problem)

    def _has_changed(self, task: WorkerTask) -> bool:
        """Return True if another file has the name now; False also if the file is gone."""
        found: Signature | None = read_signature(self._layout.original(task.path))
        return found is not None and found != task.signature

    def _backoff_s(self, attempts: int) -> float:
        return min(self._recipe.retry.backoff_s * 2.0 ** (attempts - 1), _LONGEST_BACKOFF_S)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _clips_reason(failed: Sequence[tuple[str, str]], *, clips: int) -> str | None:
    """Return the reasons of clips that got no sound, one per line; None if there are none."""
    if not failed:
        return None
    if clips == 1:
        return failed[0][1]
    return "\n".join([f"{len(failed)} of {clips} clips got no sound", *(f"{name}: {why}" for name, why in failed)])


def _one_line(reason: str) -> str:
    first, _, more = reason.partition("\n")
    return f"{first}: {'; '.join(more.splitlines())}" if more else first
