"""Reading a library's folder into the index: what is new or changed, in several processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from avlink.core.errors import AvlinkError, LibraryError
from avlink.core.events import JobDone, JobStarted, Listener, Message, StepDone
from avlink.core.hashing import digest
from avlink.core.processes import run_in_processes
from avlink.library.describe import DESCRIPTION_VERSION
from avlink.library.index import FileRecord, LibraryIndex
from avlink.library.locks import hold_library
from avlink.library.read_sound import SoundRead, SoundTask, faulty, read_file
from avlink.library.values import ANALYSIS_VERSION, Library
from avlink.library.walk import LibraryFolder, walk_folder

_JOB = "library"
_FILES_A_PROCESS = 8
"""Starting a process takes as long as analysing so many files."""

_MOST_LOSSES = 2
"""Processes that a file may cost, and a run that reads nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """The result of reading a library's folder, as numbers of files.

    `faults` are (path below the root, sentence) of those that cannot be used, old ones included; `troubles` are
    sentences on folders and sheets that cannot be read.
    """

    library: Library
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0
    faults: tuple[tuple[str, str], ...] = ()
    troubles: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            **self.library.to_json(),
            "counts": {"new": self.new, "changed": self.changed, "unchanged": self.unchanged, "gone": self.gone},
            "faulty": [{"path": str(self.library.root / name), "reason": fault} for name, fault in self.faults],
            "troubles": list(self.troubles),
        }


@dataclass(slots=True)
class _Plan:
    tasks: list[SoundTask] = field(default_factory=list)
    read_as: dict[str, str] = field(default_factory=dict)
    unchanged: int = 0
    gone: list[str] = field(default_factory=list)


def update_library(
    index: LibraryIndex, library: Library, listener: Listener, *, processes: int | None = None
) -> ScanReport:
    """Read the new and changed files of a library into the index; files that are gone leave it.

    A file counts as unchanged by its size and time, then by its content. Each file is entered as soon as it was read: a
    run that is killed at any moment is continued by the next one. A file that cannot be used is entered with the
    reason, and is read again when it changes. No file of the library is written.

    Raises LibraryError where the folder is not there or another process reads the library; OutputError where the index
    cannot be written.
    """
    check_online(library)
    with hold_library(index, library):
        listener(JobStarted(job_id=_JOB, name=f"sounds of {library.name}"))
        folder = walk_folder(library.root)
        records = index.records(library)
        if records and not folder.files:
            raise LibraryError(
                f"the folder {library.root} of the sound library '{library.name}' holds no sounds now; if its drive is "
                f"not mounted, mount it, else `avlink library remove {library.name}`"
            )
        for trouble in folder.troubles:
            listener(Message(text=trouble, level="warning"))
        plan = _plan(index, library, folder, records)
        new = sum(task.name not in records for task in plan.tasks)
        touched = _read_all(index, library, plan, listener, processes)
        index.drop(library, plan.gone)
        # After all new files were entered: one that moved keeps its own.
        index.drop_unused_embeddings()
        listener(JobDone(job_id=_JOB, name=f"sounds of {library.name}"))
        return ScanReport(
            library=index.library(library.name),
            new=new,
            changed=len(plan.tasks) - new - touched,
            unchanged=plan.unchanged + touched,
            gone=len(plan.gone),
            faults=index.faults(library),
            troubles=tuple(folder.troubles),
        )


def check_online(library: Library) -> None:
    """Raise LibraryError where the folder of a library is not there."""
    if not library.root.is_dir():
        raise LibraryError(
            f"the folder {library.root} of the sound library '{library.name}' is not there; connect its drive, or "
            f"`avlink library remove {library.name}`"
        )


@contextmanager
def _single_threads() -> Iterator[None]:
    """Let processes that start meanwhile do their linear algebra on one thread: there is a process for each core."""
    names = [name for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if name not in os.environ]
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)


def _plan(index: LibraryIndex, library: Library, folder: LibraryFolder, records: Mapping[str, FileRecord]) -> _Plan:
    plan = _Plan()
    for file in folder.files:
        row, licence = folder.sheets.row(file.name), folder.licence(file.name)
        read_as = digest([ANALYSIS_VERSION, DESCRIPTION_VERSION, dict(row), licence])
        known = records.get(file.name)
        plan.read_as[file.name] = read_as
        state = (file.size_bytes, file.mtime_ns, read_as)
        if known is not None and state == (known.size_bytes, known.mtime_ns, known.read_as):
            plan.unchanged += 1
            continue
        plan.tasks.append(
            SoundTask(
                index=index.path,
                root=library.root,
                name=file.name,
                row=row,
                licence=licence,
                known=known if known is not None and known.read_as == read_as else None,
            )
        )
    there = set(plan.read_as)
    plan.gone = [name for name in records if name not in there and not _is_below(name, folder.unread)]
    return plan


def _is_below(name: str, folders: list[str]) -> bool:
    return any(folder == "." or name.startswith(f"{folder}/") for folder in folders)


@dataclass(slots=True)
class _ScanReader:
    """Enters the files of a plan as they are read; `touched` counts those whose content was the same."""

    index: LibraryIndex
    library: Library
    plan: _Plan
    listener: Listener
    waiting: dict[str, SoundTask]
    done: int = 0
    touched: int = 0
    usable: int = 0
    lost: list[SoundTask] = field(default_factory=list)

    def enter(self, task: SoundTask, read: SoundRead) -> None:
        """Enter what was read of a file."""
        record = replace(read.record, read_as=self.plan.read_as[task.name])
        if record.fault:
            # A drive that is gone is no fault of its files.
            check_online(self.library)
        if read.only_touched:
            self.index.touch(self.library, task.name, record.mtime_ns)
            self.touched += 1
        else:
            self.index.put(self.library, task.name, record, read.description, read.analysis)
        del self.waiting[task.name]
        if record.fault:
            self.listener(Message(text=record.fault, level="warning"))
        else:
            self.usable += 1
        self.done += 1
        self.listener(StepDone(job_id=_JOB, done=self.done, total=len(self.plan.tasks)))

    def describe_loss(self, task: SoundTask, cause: str) -> str:
        """Return the sentence on a process that died, and note its file."""
        self.lost.append(task)
        return f"the process that read '{task.root / task.name}' {cause}"


def _read_all(index: LibraryIndex, library: Library, plan: _Plan, listener: Listener, processes: int | None) -> int:
    """Read all files of a plan and enter them; return the number of those whose content was the same."""
    reader = _ScanReader(index, library, plan, listener, {task.name: task for task in plan.tasks})
    most = processes or os.cpu_count() or 1
    while reader.waiting:
        tasks, losses = list(reader.waiting.values()), len(reader.lost)
        try:
            with _single_threads():
                run_in_processes(
                    tasks,
                    read_file,
                    reader.enter,
                    processes=max(1, min(most, -(-len(tasks) // _FILES_A_PROCESS))),
                    describe_loss=reader.describe_loss,
                )
        except AvlinkError as error:
            # Processes that die one after the other, and never read anything, do so for a reason of their own.
            if len(reader.lost) == losses or (not reader.usable and losses >= _MOST_LOSSES):
                raise
            lost = reader.lost[-1]
            if reader.lost.count(lost) < _MOST_LOSSES:
                # Where memory is short, a process is ended whatever it reads: the file is read once more.
                continue
            # A decoder that crashes takes its process along: the file is at fault, and the others are read.
            fault = f"{error}; the file may be damaged, so convert it"
            reader.enter(lost, faulty(lost, fault, again=not reader.usable))
    return reader.touched
