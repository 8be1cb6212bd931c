"""The process that does the work: it looks into files, names their content, and sonifies them.

A file can make a decoder crash, hang or eat memory, and a model needs hundreds of megabytes; none of that may happen to
the process that watches. The worker lives for many files, so that the model is loaded once. It reads one JSON object
a line from standard input, and answers with one of `{"news": ...}` now and then, and `{"answer": ...}` or
`{"error": ...}` at the end. When standard input ends, whoever gave the work is gone, and the worker goes too.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from avlink import (
    AvlinkError,
    BundleError,
    Event,
    InputError,
    JobStarted,
    NeededMedia,
    OutputError,
    RecipeError,
    Session,
    SonifyRecipe,
    SonifyReport,
    SonifyRequest,
    StepDone,
    check_values,
    check_whole,
    digest,
    file_digest,
    needed_media,
    open_session,
    sonify,
)
from avlink.hooks import resolve_backend

Task = Mapping[str, Any]

_PASSES = frozenset(
    {
        errno.EIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.ENOTCONN,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EBUSY,
        errno.EAGAIN,
        errno.ENODEV,
        errno.ENXIO,
        errno.ENOMEM,
    }
)
"""Errors of disks and networks, which say nothing of the file."""


class Worker:
    """Answers tasks. `tell` sends news of how far a task is."""

    def __init__(self, device: str, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._device = device
        self._tell = tell
        self._session: Session | None = None

    def answer(self, task: Task) -> dict[str, Any]:
        """Do what a task says. Raises what goes wrong."""
        do: Mapping[str, Callable[[Task], dict[str, Any]]] = {
            "look": self._look,
            "weigh": self._weigh,
            "sonify": self._sonify,
        }
        return do[task["do"]](task)

    def _look(self, task: Task) -> dict[str, Any]:
        """Whether a file is all there, and what else it needs."""
        request = self._request(task)
        doubt = check_whole(request.input, on_part=lambda seconds: self._tell({"read_s": seconds}))
        needed = needed_media(request)
        return {
            "doubt": doubt,
            "media": [str(item.path) for item in needed if item.path is not None],
            "missing": [_short(item) for item in needed if item.path is None],
        }

    def _weigh(self, task: Task) -> dict[str, Any]:
        """The name of what a file and its media hold, and which of that media is not all there."""
        unfinished = []
        for path in map(Path, task["check"]):
            try:
                doubt = (
                    None
                    if path.is_dir()
                    else check_whole(path, on_part=lambda seconds: self._tell({"read_s": seconds}))
                )
            except InputError as error:
                doubt = str(error)
            if doubt is not None:
                unfinished.append([str(path), doubt])
        if unfinished:
            return {"unfinished": unfinished, "key": None}
        return {"unfinished": [], "key": digest([self._name(Path(path)) for path in (task["path"], *task["media"])])}

    def _name(self, path: Path) -> str:
        self._tell({"read": path.name})
        if not path.is_dir():
            return file_digest(path, self._open().store)
        inside = sorted(file for file in path.rglob("*") if file.is_file())
        return digest([[file.relative_to(path).as_posix(), file_digest(file, self._open().store)] for file in inside])

    def _sonify(self, task: Task) -> dict[str, Any]:
        session, request = self._open(), self._request(task)
        if self._device not in {"auto", "cpu"}:
            # A device that is not there would otherwise count as the fault of every single file.
            try:
                session.generator(resolve_backend(request.recipe, session.registry))
            except InputError as error:
                raise _Setup(str(error)) from error
        return _summary(sonify(request, session))

    def _request(self, task: Task) -> SonifyRequest:
        return SonifyRequest(
            input=Path(task["path"]),
            recipe=check_values(SonifyRecipe, dict(task["recipe"]), label=task["label"]),
            base=Path(task["base"]) if task.get("base") else None,
            media_root=tuple(Path(root) for root in task["media_root"] if Path(root).is_dir()),
            device=self._device,
        )

    def _open(self) -> Session:
        if self._session is None:
            self._session = open_session(device=self._device, listener=self._on_event)
        return self._session

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StepDone):
            self._tell({"job": event.job_id, "done": event.done, "total": event.total})
        else:
            self._tell({"job": event.job_id, "name": event.name} if isinstance(event, JobStarted) else {})


class _Setup(AvlinkError):
    """Nothing at all can work as things are set."""


def _short(item: NeededMedia) -> list[str]:
    return [item.name, item.reason]


def _summary(report: SonifyReport) -> dict[str, Any]:
    told = report.to_json()
    stems = [stem["path"] for item in told["items"] for stem in item["stems"]]
    outputs = [told["output"], *stems] if told["output"] is not None else stems
    failed = [[item["name"], item["reason"]] for item in told["items"] if item["status"] == "failed"]
    # What the model or a processor failed at may go well the next time; media that cannot be used will not.
    may_pass = any(item.status == "failed" and item.skip is None for item in report.items)
    return {"counts": told["counts"], "outputs": list(dict.fromkeys(outputs)), "failed": failed, "may_pass": may_pass}


def explain(error: BaseException) -> dict[str, str]:
    """Whose fault it was, and a sentence.

    "file": this file's. "place": the place of the results cannot be written. "setup": nothing can work as things are
    set. "machine": something that may pass.
    """
    if isinstance(error, _Setup | RecipeError | BundleError):
        kind = "setup"
    elif isinstance(error, OutputError):
        kind = "place"
    elif isinstance(error, InputError) and not _may_pass(error):
        kind = "file"
    else:
        kind = "machine"
    words = str(error) if isinstance(error, AvlinkError) else f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, MemoryError):
        words = "there is not enough memory for it"
    return {"kind": kind, "reason": words}


def _may_pass(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _PASSES:
            return True
        cause = cause.__cause__
    return False


def _memory_bytes() -> int | None:
    """What this process takes of the memory now, where the system tells."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _tasks(stream: BinaryIO) -> Iterator[Task]:
    """The tasks of a stream. Its end, which may come in the midst of one, ends this process there and then."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            waiting.put(line)
        # Whatever is half done is done again: results are moved into place as a whole.
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield json.loads(waiting.get())


def main(device: str) -> None:
    """Answer tasks until standard input ends."""
    # Whatever a library prints goes to standard error: standard output is for answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: Mapping[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    # All that is heavy was imported by now, which can take a while.
    say({"news": {}})
    worker = Worker(device, lambda news: say({"news": news}))
    for task in _tasks(sys.stdin.buffer):
        try:
            said: dict[str, Any] = {"answer": worker.answer(task)}
        except Exception as error:
            said = {"error": explain(error)}
        say({**said, "memory": _memory_bytes()})
