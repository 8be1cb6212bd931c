"""The worker process: it inspects files, fingerprints their content, and sonifies them.

A file can make a decoder crash, hang or exhaust memory, and a model needs hundreds of megabytes; the watching process
must survive all of that. The worker lives for many files, so that the model is loaded once. It reads one JSON object
per line from standard input, and writes `{"progress": ...}` now and then, and `{"result": ...}` or `{"error": ...}` at
the end of a task. When standard input ends, the watcher is gone, and the worker exits.
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
from typing import Any, BinaryIO, TypeAlias

from avlink import (
    AvlinkError,
    BundleError,
    Event,
    InputError,
    JobStarted,
    MediaChanged,
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

Message: TypeAlias = Mapping[str, Any]

_TRANSIENT = frozenset(
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
"""Errors of disks and networks, which say nothing about the file."""


class TaskRunner:
    """Runs tasks. `report` sends the progress of a task."""

    def __init__(self, device: str, report: Callable[[Message], None]) -> None:
        self._device = device
        self._report = report
        self._session: Session | None = None

    def run(self, task: Message) -> dict[str, Any]:
        """Run a task and return its result. Raises any error of it."""
        kinds: Mapping[str, Callable[[Message], dict[str, Any]]] = {
            "inspect": self._inspect,
            "fingerprint": self._fingerprint,
            "sonify": self._sonify,
        }
        return kinds[task["kind"]](task)

    def _inspect(self, task: Message) -> dict[str, Any]:
        """Check that a file is complete, and list the media that it needs."""
        request = self._request(task)
        doubt = check_whole(request.input, on_part=lambda seconds: self._report({"read_s": seconds}))
        needed = needed_media(request)
        return {
            "doubt": doubt,
            "media": [str(item.path) for item in needed if item.path is not None],
            "missing": [[item.name, item.reason] for item in needed if item.path is None],
        }

    def _fingerprint(self, task: Message) -> dict[str, Any]:
        """Return the key of the content of a file and its media, and the media that is not complete."""
        unfinished = []
        for path in map(Path, task["check"]):
            try:
                doubt = (
                    None
                    if path.is_dir()
                    else check_whole(path, on_part=lambda seconds: self._report({"read_s": seconds}))
                )
            except InputError as error:
                doubt = str(error)
            if doubt is not None:
                unfinished.append([str(path), doubt])
        if unfinished:
            return {"unfinished": unfinished, "key": None}
        return {
            "unfinished": [],
            "key": digest([self._content_key(Path(path)) for path in (task["path"], *task["media"])]),
        }

    def _content_key(self, path: Path) -> str:
        self._report({"read": path.name})
        if not path.is_dir():
            return file_digest(path, self._get_session().store)
        # A bundle folder: names count as well, because its timeline refers to them.
        inside = sorted(file for file in path.rglob("*") if file.is_file())
        return digest(
            [[file.relative_to(path).as_posix(), file_digest(file, self._get_session().store)] for file in inside]
        )

    def _sonify(self, task: Message) -> dict[str, Any]:
        session, request = self._get_session(), self._request(task)
        if self._device not in {"auto", "cpu"}:
            # A device that does not exist would otherwise count as the fault of every single file.
            try:
                session.generator(resolve_backend(request.recipe, session.registry))
            except InputError as error:
                raise _SetupError(str(error)) from error
        return _summary(sonify(request, session))

    def _request(self, task: Message) -> SonifyRequest:
        return SonifyRequest(
            input=Path(task["path"]),
            recipe=check_values(SonifyRecipe, dict(task["recipe"]), label=task["label"]),
            base=Path(task["base"]) if task.get("base") else None,
            # A folder of the recipe may be a disk that is not mounted now.
            media_root=tuple(Path(root) for root in task["media_root"] if Path(root).is_dir()),
            device=self._device,
        )

    def _get_session(self) -> Session:
        if self._session is None:
            self._session = open_session(device=self._device, listener=self._on_event)
        return self._session

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StepDone):
            self._report({"job": event.job_id, "done": event.done, "total": event.total})
        else:
            self._report({"job": event.job_id, "name": event.name} if isinstance(event, JobStarted) else {})


class _SetupError(AvlinkError):
    """Raised for settings with which no file can be processed."""


def _summary(report: SonifyReport) -> dict[str, Any]:
    payload = report.to_json()
    stems = [stem["path"] for item in payload["items"] for stem in item["stems"]]
    outputs = [payload["output"], *stems] if payload["output"] is not None else stems
    failed = [[item["name"], item["reason"]] for item in payload["items"] if item["status"] == "failed"]
    # A model or a processor may succeed at the next attempt; media that cannot be used will not.
    transient = any(item.status == "failed" and item.skip is None for item in report.items)
    return {
        "counts": payload["counts"],
        "outputs": list(dict.fromkeys(outputs)),
        "failed": failed,
        "transient": transient,
    }


def explain(error: BaseException) -> dict[str, str]:
    """Return the cause of an error, one of `avlink_watch.task.Fault`, and a sentence.

    "file": the file itself. "output": the folder of results cannot be written. "setup": no file can be processed with
    these settings. "machine": something transient.
    """
    if isinstance(error, _SetupError | RecipeError | BundleError):
        kind = "setup"
    elif isinstance(error, OutputError):
        kind = "output"
    elif isinstance(error, InputError) and not isinstance(error, MediaChanged) and not _is_transient(error):
        kind = "file"
    else:
        kind = "machine"
    words = str(error) if isinstance(error, AvlinkError) else f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, MemoryError):
        words = "there is not enough memory for it"
    return {"kind": kind, "reason": words}


def _is_transient(error: BaseException) -> bool:
    # AVLink wraps the errors of the system; the original is the cause.
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _TRANSIENT:
            return True
        cause = cause.__cause__
    return False


def _memory_bytes() -> int | None:
    """Return the resident memory of this process; None where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _tasks(stream: BinaryIO) -> Iterator[Message]:
    """Yield the tasks of a stream. Its end, even in the middle of a task, ends this process at once."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            waiting.put(line)
        # Nothing half-written is left: results are moved into place as a whole, and the task is run again.
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield json.loads(waiting.get())


def main(device: str) -> None:
    """Run tasks until standard input ends."""
    # Anything that a library prints goes to standard error: standard output carries messages only.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(message: Message) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    # A sign of life: the imports above can take long.
    send({"progress": {}})
    runner = TaskRunner(device, lambda progress: send({"progress": progress}))
    for task in _tasks(sys.stdin.buffer):
        try:
            reply: dict[str, Any] = {"result": runner.run(task)}
        except Exception as error:
            reply = {"error": explain(error)}
        send({**reply, "memory": _memory_bytes()})
