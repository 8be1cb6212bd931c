"""The ledger of a folder: contents that were done, the names that they were seen under, and queued work.

SQLite with a write-ahead log, outside of the watched folder: an open file in it would keep its disk from being
unmounted, and the log does not work on network disks. Work is keyed by content, so a renamed file and a second copy are
the same item. Each step is one transaction: however the process ends, the next one finds a step done or not begun.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote

from avlink import OutputError, make_folder

Status: TypeAlias = Literal["queued", "working", "done", "failed"]

_VERSION = 1
# A file that takes down the machine each time must not be tried for ever; a reboot now and then is harmless.
_MOST_INTERRUPTIONS = 10
_TABLES = """
CREATE TABLE files (path TEXT PRIMARY KEY, signature TEXT NOT NULL, key TEXT NOT NULL);
CREATE INDEX files_by_key ON files (key);
CREATE TABLE work (
    key TEXT PRIMARY KEY, path TEXT NOT NULL, recipe TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
    outputs TEXT NOT NULL, attempts INTEGER NOT NULL, starts INTEGER NOT NULL, not_before REAL NOT NULL,
    number INTEGER NOT NULL, told INTEGER NOT NULL
);
CREATE TABLE wants (name TEXT NOT NULL, path TEXT NOT NULL, PRIMARY KEY (name, path));
CREATE TABLE names (base TEXT PRIMARY KEY, path TEXT NOT NULL);
"""
# `told` is `WorkItem.reported`: files of earlier versions have that column.
_COLUMNS = "key, path, recipe, status, reason, outputs, attempts, starts, not_before, told"


class LedgerError(OutputError):
    """Raised when the ledger cannot be written or read. Steps that were not recorded are done again once it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One content and its status.

    `path` is the name under which it is processed, `recipe` the digest of its recipe. `attempts` counts failures that
    were the machine's fault; `not_before` is the earliest start of the next attempt, in seconds since the epoch.
    `starts` counts starts that had no end. `reported`: originals were moved and the end was reported.
    """

    key: str
    path: str
    recipe: str
    status: Status
    reason: str
    outputs: tuple[str, ...]
    attempts: int
    starts: int
    not_before: float
    reported: bool


class WatchLedger:
    """The state of one folder. `files` has the signature and the content key of every path, `notes` are sentences."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. A damaged one is renamed, which `notes` says. Raises LedgerError."""
        self.path = path
        self.notes: list[str] = []
        make_folder(path.parent)
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            # Locked, no permission, disk full: that is no damage, and renaming the file would lose the state.
            if isinstance(error, sqlite3.OperationalError):
                raise LedgerError(f"the state in {path} cannot be used: {error}") from error
            aside = path.with_name(f"{path.name}.damaged")
            os.replace(path, aside)
            # SQLite would replay the log of the damaged file into the new one.
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(OSError):
                    path.with_name(f"{path.name}{suffix}").unlink()
            self.notes.append(f"the state in {path} was damaged; it is now {aside.name}, and all files count as new")
            self._db = self._open()
        self.files = {
            str(path): (str(signature), str(key)) for path, signature, key in self._all("SELECT * FROM files")
        }
        # The lock admits one process, so started work belongs to one that died.
        with self._transaction():
            self._db.execute("UPDATE work SET status = 'queued' WHERE status = 'working'")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def is_registered(self, path: str, signature: str) -> bool:
        """Return True if a file with this signature was registered already."""
        known = self.files.get(path)
        return known is not None and known[0] == signature

    def register(
        self, path: str, signature: str, key: str, recipe: str, *, missing: Sequence[str] = ()
    ) -> WorkItem | None:
        """Record the content of a file. Returns the existing work for that content; None if it is new and now queued.

        A file that failed under this name before and was replaced is new: someone wants it tried again. `missing` is
        media that a timeline names and that does not exist.
        """
        with self._transaction():
            again = path in self.files and self.files[path][0] != signature
            known = self.work(key)
            if known is not None and known.status == "failed" and known.path == path and again:
                known = None
            self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (path, signature, key))
            self._db.execute("DELETE FROM wants WHERE path = ?", (path,))
            wanted = [(_media_name(name), path) for name in missing]
            self._db.executemany("INSERT OR IGNORE INTO wants VALUES (?, ?)", wanted)
            if known is None:
                self._db.execute(
                    "INSERT OR REPLACE INTO work VALUES (?, ?, ?, 'queued', '', '[]', 0, 0, 0, "
                    "(SELECT COALESCE(MAX(number), 0) + 1 FROM work), 0)",
                    (key, path, recipe),
                )
        self.files[path] = (signature, key)
        return known

    def timelines_missing(self, path: str) -> list[str]:
        """Return the timelines for which a file of this name was missing."""
        return [str(timeline) for (timeline,) in self._all("SELECT path FROM wants WHERE name = ?", _media_name(path))]

    def redo(self, key: str, path: str) -> None:
        """Queue work again, for the file `path`."""
        with self._transaction():
            self._db.execute(
                "UPDATE work SET status = 'queued', path = ?, attempts = 0, starts = 0, not_before = 0, told = 0 "
                "WHERE key = ?",
                (path, key),
            )

    def retry_failed(self) -> int:
        """Queue all failed work again; return the number of items."""
        with self._transaction():
            return self._db.execute(
                "UPDATE work SET status = 'queued', attempts = 0, starts = 0, not_before = 0, told = 0 "
                "WHERE status = 'failed'"
            ).rowcount

    def work(self, key: str) -> WorkItem | None:
        """Return the work for a content, or None."""
        return next(self._works("WHERE key = ?", key), None)

    def next_work(self, now: float) -> WorkItem | None:
        """Return the next queued work that may start at `now`, in seconds since the epoch."""
        return next(self._works("WHERE status = 'queued' AND not_before <= ? ORDER BY number LIMIT 1", now), None)

    def next_start(self) -> float | None:
        """Return the earliest start of queued work, in seconds since the epoch; None if there is none."""
        return next(iter(self._all("SELECT MIN(not_before) FROM work WHERE status = 'queued'")))[0]

    def pending(self) -> int:
        """Return the number of queued and started items."""
        return int(next(iter(self._all("SELECT COUNT(*) FROM work WHERE status IN ('queued', 'working')")))[0])

    def begin(self, work: WorkItem, path: str) -> bool:
        """Record the start of work. Returns False if the process has ended during it too often."""
        if work.starts >= _MOST_INTERRUPTIONS:
            return False
        with self._transaction():
            self._db.execute(
                "UPDATE work SET status = 'working', starts = starts + 1, path = ? WHERE key = ?", (path, work.key)
            )
        return True

    def finish(self, key: str, *, failed: str | None, outputs: Sequence[str]) -> None:
        """Record the end of work: done, or failed for the reason `failed`. The end is not reported yet."""
        with self._transaction():
            self._db.execute(
                "UPDATE work SET status = ?, reason = ?, outputs = ?, starts = 0, told = 0 WHERE key = ?",
                ("done" if failed is None else "failed", failed or "", json.dumps(list(outputs)), key),
            )

    def postpone(self, key: str, reason: str, *, not_before: float, counts: bool) -> None:
        """Queue work again after a transient failure, which is an attempt if `counts`."""
        with self._transaction():
            self._db.execute(
                "UPDATE work SET status = 'queued', reason = ?, not_before = ?, starts = 0, attempts = attempts + ? "
                "WHERE key = ?",
                (reason, not_before, int(counts), key),
            )

    def drop(self, key: str) -> None:
        """Remove work whose files are gone or changed."""
        with self._transaction():
            self._db.execute("DELETE FROM work WHERE key = ?", (key,))
            self._db.execute("DELETE FROM files WHERE key = ?", (key,))
        self.files = {path: known for path, known in self.files.items() if known[1] != key}

    def forget(self, path: str) -> None:
        """Remove the record of a file, so that it is new at the next scan."""
        with self._transaction():
            self._db.execute("DELETE FROM files WHERE path = ?", (path,))
        self.files.pop(path, None)

    def unreported(self) -> list[WorkItem]:
        """Return work whose end was not reported yet."""
        return list(self._works("WHERE told = 0 AND status IN ('done', 'failed') ORDER BY number"))

    def mark_reported(self, key: str) -> None:
        """Record that the end of work was reported."""
        with self._transaction():
            self._db.execute("UPDATE work SET told = 1 WHERE key = ?", (key,))

    def paths_of(self, key: str) -> list[str]:
        """Return all names under which a content was seen."""
        return [path for path, (_, known) in self.files.items() if known == key]

    def claim(self, bases: Sequence[str], path: str) -> str:
        """Return the first of some names for results that is free or this file's already, and reserve it for good."""
        with self._transaction():
            for base in bases:
                # Without case: on some disks "Shot" and "shot" are one file.
                self._db.execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (base.casefold(), path))
                owner = next(iter(self._all("SELECT path FROM names WHERE base = ?", base.casefold())))[0]
                if owner == path:
                    return base
        return bases[-1]

    def _open(self) -> sqlite3.Connection:
        # Python opens no transactions of its own: `_transaction` does.
        db = sqlite3.connect(self.path, isolation_level=None, timeout=10)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            # With a log, this survives a killed process; a power failure loses the last steps, which are then repeated.
            db.execute("PRAGMA synchronous = NORMAL")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise OutputError(
                    f"the state in {self.path} was written by a newer AVLink; update it, or remove the file"
                )
            if version < _VERSION:
                db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")
            if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("damaged")
        except BaseException:
            db.close()
            raise
        return db

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            # Immediate: the write lock is taken here rather than by the first write in the middle of a step.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise LedgerError(f"the state in {self.path} cannot be written: {error}") from error

    def _all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            raise LedgerError(f"the state in {self.path} cannot be read: {error}") from error

    def _works(self, where: str, *values: object) -> Iterator[WorkItem]:
        for key, path, recipe, status, reason, outputs, attempts, starts, not_before, told in self._all(
            f"SELECT {_COLUMNS} FROM work {where}", *values
        ):
            yield WorkItem(
                key=key,
                path=path,
                recipe=recipe,
                status=status,
                reason=reason,
                outputs=tuple(json.loads(outputs)),
                attempts=attempts,
                starts=starts,
                not_before=not_before,
                reported=bool(told),
            )


def _media_name(path: str) -> str:
    """Return the last part of a path or URL: media that arrives is matched with missing media by it."""
    return re.split(r"[\\/]", unquote(path))[-1].casefold()
