"""What becomes of work: done, failed, tried again, or the same as something before; and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from avlink import OutputError
from avlink_watch.aftermath import Aftermath
from avlink_watch.inbox import Say
from avlink_watch.ledger import Ledger, Work
from avlink_watch.places import Places
from avlink_watch.recipe import WatchRecipe
from avlink_watch.scan import Seen, Signature, sign
from avlink_watch.task import Fault, Task

_LONGEST_BACKOFF_S = 3600.0
_LONGEST_PAUSE_S = 300.0
_INTERRUPTED = "the watcher ended again and again while it worked on it"


class Results:
    """The ends of work in one folder. `done` and `failed` count those of this run.

    `paused_until` is when the place of results is worth another try, in seconds since the epoch: while it cannot be
    written, that is no file's fault.
    """

    def __init__(self, places: Places, recipe: WatchRecipe, ledger: Ledger, say: Say, *, once: bool) -> None:
        self._places, self._recipe, self._ledger, self._say, self._once = places, recipe, ledger, say, once
        self._aftermath = Aftermath(places, recipe)
        self.paused_until = 0.0
        self._pauses = 0
        self.done = 0
        self.failed = 0

    def tell_untold(self) -> None:
        """Tell, and bring to its end, what ended when nobody could tell it."""
        for work in self._ledger.untold():
            self._end(work, label="", took_s=None)

    def tidy(self, files: Mapping[str, Seen]) -> None:
        """Move originals that are settled and still lie there: somebody ended the last run, or asks for it only now."""
        for path, seen in files.items():
            known = self._ledger.files.get(path)
            work = self._ledger.work(known[1]) if known is not None and known[0] == str(seen.signature) else None
            if work is not None and work.told and work.status in {"done", "failed"}:
                self._moved(path, work.key, failed=work.status == "failed")

    def has_room(self, work: Work, size_bytes: int, wall: float) -> bool:
        """Whether a result of such an input could be written now; if not, a pause begins."""
        try:
            self._places.check_room(size_bytes)
        except OutputError as error:
            self._pause(work, str(error), wall)
            return False
        if self._pauses:
            self._pauses = 0
            self._say("resumed", f"{self._places.output} can be written again")
        return True

    def may_begin(self, work: Work, path: str, label: str) -> bool:
        """Note that work begins, unless it seems to end this process each time."""
        if self._ledger.begin(work, path):
            return True
        self._ledger.finish(work.key, failed=_INTERRUPTED, outputs=())
        self._end_of(work.key, label=label)
        return False

    def made(self, task: Task, work: Work, answer: Mapping[str, Any], now: float, wall: float) -> None:
        """Take in that a file was sonified, as far as that went."""
        if self._changed(task):
            self._ledger.drop(work.key)
            self._say("removed", "it changed while it was worked on, and is taken up again", task.path)
            return
        reason = _of_clips(answer["failed"], clips=sum(answer["counts"].values()))
        if reason is not None and answer["may_pass"] and self._tried_again(work, reason, wall):
            return
        self._ledger.finish(work.key, failed=reason, outputs=answer["outputs"])
        self._end_of(work.key, label=task.rule.label, took_s=now - task.began, counts=answer["counts"])

    def went_wrong(self, task: Task, work: Work, fault: Fault, reason: str, wall: float) -> None:
        """Take in that a file could not be sonified."""
        if not self._places.root.is_dir():
            # All of the folder is gone; the file is waited for with it.
            self._ledger.postpone(work.key, reason, not_before=0, counts=False)
        elif self._changed(task) or not self._places.original(task.path).exists():
            self._ledger.drop(work.key)
            self._say("removed", "it changed or was removed while it was worked on", task.path)
        elif fault == "file":
            self._ledger.finish(work.key, failed=reason, outputs=())
            self._end_of(work.key, label=task.rule.label)
        elif fault == "place" and not self.has_room(work, task.signature.size, wall):
            pass
        else:
            self._try_again(work, reason, wall, label=task.rule.label)

    def taken_in(self, path: str, key: str, known: Work | None, *, broken: str, label: str) -> None:
        """Deal with a file whose content is now known: new, broken, or the same as something before."""
        if known is None:
            if broken:
                self._ledger.finish(key, failed=broken, outputs=())
                self._end_of(key, label=label)
            return
        if known.status == "done" and not all(Path(output).exists() for output in known.outputs):
            self._ledger.redo(key, path)
        elif known.status == "failed":
            before = "" if known.path == path else f"the same as {known.path}, which failed: "
            self._fail(path, key, f"{before}{known.reason}", label, {})
        else:
            self._same(path, known)

    def _same(self, path: str, known: Work) -> None:
        moved = None
        if known.status == "done":
            self._aftermath.no_more_errors(path)
            moved = self._moved(path, known.key, failed=False)
        what = "nothing new in it" if known.path == path else f"the same as {known.path}"
        where = f": {self._places.shown(Path(known.outputs[0]))}" if known.outputs else ""
        state = f"done before{where}" if known.status == "done" else "still to be done"
        self._say(
            "duplicate", f"{what}, {state}", path, same_as=known.path, outputs=list(known.outputs), moved=_text(moved)
        )

    def _try_again(self, work: Work, reason: str, wall: float, *, label: str) -> None:
        if not self._tried_again(work, reason, wall):
            tried = f" (tried {work.attempts + 1} times)" if work.attempts else ""
            self._ledger.finish(work.key, failed=f"{reason}{tried}", outputs=())
            self._end_of(work.key, label=label)

    def _tried_again(self, work: Work, reason: str, wall: float) -> bool:
        """Queue work for another attempt, if one is left."""
        attempts = work.attempts + 1
        if attempts >= self._recipe.retry.attempts:
            return False
        pause = self._backoff_s(attempts)
        self._ledger.postpone(work.key, reason, not_before=wall + pause, counts=True)
        text = f"{_in_a_line(reason)}; trying again in {pause:g} s"
        self._say("retry", text, work.path, reason=reason, attempt=attempts, wait_s=pause)
        return True

    def _pause(self, work: Work, reason: str, wall: float) -> None:
        if self._once:
            self._try_again(work, reason, wall, label="")
            return
        self._pauses += 1
        pause = min(self._backoff_s(self._pauses), _LONGEST_PAUSE_S)
        self.paused_until = wall + pause
        self._ledger.postpone(work.key, reason, not_before=0, counts=False)
        if self._pauses == 1:
            self._say("paused", f"{reason}; waiting until that is better", reason=reason, wait_s=pause)

    def _end_of(
        self, key: str, *, label: str, took_s: float | None = None, counts: Mapping[str, int] | None = None
    ) -> None:
        work = self._ledger.work(key)
        if work is not None:
            self._end(work, label=label, took_s=took_s, counts=counts)

    def _end(self, work: Work, *, label: str, took_s: float | None, counts: Mapping[str, int] | None = None) -> None:
        more: dict[str, Any] = {"key": work.key, "outputs": list(work.outputs)}
        if counts is not None:
            more["counts"] = dict(counts)
        if took_s is not None:
            more["seconds"] = round(took_s, 3)
        if work.status == "failed":
            self._fail(work.path, work.key, work.reason, label, more)
        else:
            self._aftermath.no_more_errors(work.path)
            moved = self._moved(work.path, work.key, failed=False)
            for copy in self._ledger.paths_of(work.key):
                # Told to be the same before, and dealt with only now.
                self._moved(copy, work.key, failed=False)
            where = self._places.shown(Path(work.outputs[0])) if work.outputs else "nothing to write"
            took = f" in {took_s:.1f} s" if took_s is not None else ""
            self._say("done", f"done{took}: {where}", work.path, **more, moved=_text(moved))
            self.done += 1
        self._ledger.told(work.key)

    def _fail(self, path: str, key: str, reason: str, label: str, more: Mapping[str, Any]) -> None:
        moved = self._moved(path, key, failed=True)
        error_file, troubles = self._aftermath.explain(
            path, reason, recipe=label, at=datetime.now(), moved=moved is not None
        )
        self._say(
            "failed",
            f"failed: {_in_a_line(reason)}"
            + (f" (see {self._places.shown(error_file)})" if error_file is not None else ""),
            path,
            **more,
            reason=reason,
            error_file=_text(error_file),
            moved=_text(moved),
        )
        self._warn(troubles)
        self.failed += 1

    def _moved(self, path: str, key: str, *, failed: bool) -> Path | None:
        """Where an original was moved to; it stays where another file has its name by now, which was not dealt with."""
        if self._ledger.files.get(path) != (str(sign(self._places.original(path))), key):
            return None
        moved, troubles = self._aftermath.move(path, failed=failed)
        self._warn(troubles)
        return moved

    def _warn(self, troubles: list[str]) -> None:
        for trouble in troubles:
            self._say("warning", trouble)

    def _changed(self, task: Task) -> bool:
        """Whether a file is another one now; one that is gone is not."""
        found: Signature | None = sign(self._places.original(task.path))
        return found is not None and found != task.signature

    def _backoff_s(self, attempts: int) -> float:
        return min(self._recipe.retry.backoff_s * 2.0 ** (attempts - 1), _LONGEST_BACKOFF_S)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _of_clips(failed: Sequence[tuple[str, str]], *, clips: int) -> str | None:
    """The reasons of clips that got no sound, a line each; None if there are none."""
    if not failed:
        return None
    if clips == 1:
        return failed[0][1]
    return "\n".join([f"{len(failed)} of {clips} clips got no sound", *(f"{name}: {why}" for name, why in failed)])


def _in_a_line(reason: str) -> str:
    first, _, more = reason.partition("\n")
    return f"{first}: {'; '.join(more.splitlines())}" if more else first
