"""Reading a library's folder into the index: what is new or changed, in several processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from avlink.core.errors import AvlinkError, InputError, LibraryError, MediaChanged, OutputError
from avlink.core.events import JobDone, JobStarted, Listener, Message, StepDone
from avlink.core.file_digest import file_identity
from avlink.core.hashing import content_digest, digest
from avlink.core.input_files import faults_of
from avlink.core.paths import make_folder
from avlink.core.processes import run_in_processes
from avlink.library import analyse, describe
from avlink.library.index import FileRecord, LibraryIndex, open_index
from avlink.library.sheets import Row
from avlink.library.tags import read_tags_of_sound
from avlink.library.values import Analysis, Description, Library
from avlink.library.walk import LibraryFolder, walk_folder

_JOB = "library"
_FILES_A_PROCESS = 8
"""Starting a process takes as long as analysing so many files."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A file to read: its path below `root`, the cells of its sheet, the licence of its folder."""

    index: Path
    root: Path
    name: str
    library: str
    row: Row
    licence: str
    known: FileRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A file that was read. Without description and analysis it has a fault, or only another time."""

    record: FileRecord
    description: Description | None = None
    analysis: Analysis | None = None
    only_touched: bool = False


@dataclass(slots=True)
class _Plan:
    tasks: list[_Task] = field(default_factory=list)
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
    with _reading(index, library):
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
def _reading(index: LibraryIndex, library: Library) -> Iterator[None]:
    """Hold the lock on reading a library, which ends with the process."""
    folder = index.path.parent / "locks"
    make_folder(folder)
    lock = FileLock(folder / f"library-{library.id}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LibraryError(
            f"the sound library '{library.name}' is being read by another process; wait until it is done"
        ) from None
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def _plan(index: LibraryIndex, library: Library, folder: LibraryFolder, records: Mapping[str, FileRecord]) -> _Plan:
    plan = _Plan()
    for file in folder.files:
        row, licence = folder.sheets.row(file.name), folder.licence(file.name)
        read_as = digest([analyse.VERSION, describe.VERSION, library.name, dict(row), licence])
        known = records.get(file.name)
        plan.read_as[file.name] = read_as
        state = (file.size_bytes, file.mtime_ns, read_as)
        if known is not None and state == (known.size_bytes, known.mtime_ns, known.read_as):
            plan.unchanged += 1
            continue
        plan.tasks.append(
            _Task(
                index=index.path,
                root=library.root,
                name=file.name,
                library=library.name,
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


def _read_all(index: LibraryIndex, library: Library, plan: _Plan, listener: Listener, processes: int | None) -> int:
    """Read all files of a plan and enter them; return the number of those whose content was the same."""
    done = touched = 0
    waiting = {task.name: task for task in plan.tasks}

    def enter(task: _Task, read: _Read) -> None:
        nonlocal done, touched
        record = read.record
        if record.fault:
            # A drive that is gone is no fault of its files.
            check_online(library)
        record = FileRecord(
            size_bytes=record.size_bytes,
            mtime_ns=record.mtime_ns,
            read_as=plan.read_as[task.name],
            digest=record.digest,
            fault=record.fault,
        )
        if read.only_touched:
            index.touch(library, task.name, record.mtime_ns)
            touched += 1
        else:
            index.put(library, task.name, record, read.description, read.analysis)
        del waiting[task.name]
        if record.fault:
            listener(Message(text=record.fault, level="warning"))
        done += 1
        listener(StepDone(job_id=_JOB, done=done, total=len(plan.tasks)))

    lost: list[tuple[_Task, str]] = []

    def describe_loss(task: _Task, cause: str) -> str:
        lost.append((task, cause))
        return f"the process that read '{task.root / task.name}' {cause}"

    while waiting:
        tasks = list(waiting.values())
        most = processes or os.cpu_count() or 1
        try:
            run_in_processes(
                tasks,
                read_file,
                enter,
                processes=max(1, min(most, -(-len(tasks) // _FILES_A_PROCESS))),
                describe_loss=describe_loss,
            )
        except AvlinkError as error:
            if not lost:
                raise
            # A decoder that crashes takes its process along: the file is at fault, and the others are read.
            task, _ = lost.pop()
            enter(task, _faulty(task, f"{error}; the file may be damaged, so convert it"))
    return touched


def read_file(task: _Task) -> _Read:
    """Read one file, in a process of its own.

    Raises OutputError where a temporary file or the index cannot be used; all that is wrong with the file is told in
    the result.
    """
    path = task.root / task.name
    try:
        identity = file_identity(path)
        content = content_digest(path)
        if task.known is not None and task.known.digest == content and not task.known.fault:
            record = FileRecord(size_bytes=identity.size_bytes, mtime_ns=identity.mtime_ns, read_as="", digest=content)
            return _Read(record=record, only_touched=True)
        tags = read_tags_of_sound(path)
        described = describe.describe(task.name, tags, task.row, library=task.library, licence=task.licence)
        with open_index(task.index) as index:
            analysis = index.analysis(content, says_loop=described.is_loop)
        if analysis is None:
            with faults_of(f"'{path}'"):
                analysis = analyse.analyse_file(path, says_loop=described.is_loop)
        identity.check()
    except (OutputError, LibraryError):
        raise
    except MediaChanged as error:
        return _faulty(task, str(error), again=True)
    except InputError as error:
        return _faulty(task, str(error))
    except OSError as error:
        return _faulty(task, f"{path} cannot be read: {error.strerror or error}", again=True)
    return _Read(
        record=FileRecord(size_bytes=identity.size_bytes, mtime_ns=identity.mtime_ns, read_as="", digest=content),
        description=described,
        analysis=analysis,
    )


def _faulty(task: _Task, fault: str, *, again: bool = False) -> _Read:
    """Return the result for a file that cannot be used; the next run reads it once more if `again`."""
    size_bytes = mtime_ns = 0
    with suppress(OSError):
        stat = (task.root / task.name).stat()
        size_bytes, mtime_ns = (0, 0) if again else (stat.st_size, stat.st_mtime_ns)
    return _Read(record=FileRecord(size_bytes=size_bytes, mtime_ns=mtime_ns, read_as="", fault=fault))
