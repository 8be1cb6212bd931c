"""What is remembered of a folder: which content was done, under which names it was seen, and what is still to do.

SQLite with a write-ahead log, outside of the watched folder: an open file in it would keep its disk from being
unmounted, and network disks know no such log. Work is keyed by content, so a renamed file and a second copy are the
same work. Each step is one transaction; whatever ends the process, the next one finds the step done or not begun.
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
_COLUMNS = "key, path, recipe, status, reason, outputs, attempts, starts, not_before, told"


class StateTrouble(OutputError):
    """The state cannot be written or read. What was not noted is done again, once it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One content and what became of it.

    `path` is the name that it is done under, `recipe` names the content of the recipe for it. `attempts` failed by the
    machine's fault; `not_before` is when the next may begin, in seconds since the epoch. `starts` is how often it was
    begun and not ended. `told`: originals were moved and the result was reported.
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
    told: bool


class Ledger:
    """The state of one folder."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. One that is damaged is put aside, and `notes` says so. Raises StateTrouble."""
        self.path = path
        self.notes: list[str] = []
        make_folder(path.parent)
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise StateTrouble(f"the state in {path} cannot be used: {error}") from error
            aside = path.with_name(f"{path.name}.damaged")
            os.replace(path, aside)
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(OSError):
                    path.with_name(f"{path.name}{suffix}").unlink()
            self.notes.append(f"the state in {path} was damaged; it is now {aside.name}, and all files count as new")
            self._db = self._open()
        self.files = {str(path): (str(sign), str(key)) for path, sign, key in self._all("SELECT * FROM files")}
        with self._step():
            self._db.execute("UPDATE work SET status = 'queued' WHERE status = 'working'")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def settled(self, path: str, signature: str) -> bool:
        """Whether a file that looks like this was taken in already."""
        known = self.files.get(path)
        return known is not None and known[0] == signature

    def take_in(self, path: str, signature: str, key: str, recipe: str, *, missing: Sequence[str] = ()) -> Work | None:
        """Note that a file has this content. The work that the content has already; None if it is new, and queued.

        A file that failed under this name before and was put there once more is new: someone wants it tried again.
        `missing` is what a timeline names and has to do without.
        """
        with self._step():
            again = path in self.files and self.files[path][0] != signature
            known = self.work(key)
            if known is not None and known.status == "failed" and known.path == path and again:
                known = None
            self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (path, signature, key))
            self._db.execute("DELETE FROM wants WHERE path = ?", (path,))
            wanted = [(_name(name), path) for name in missing]
            self._db.executemany("INSERT OR IGNORE INTO wants VALUES (?, ?)", wanted)
            if known is None:
                self._db.execute(
                    "INSERT OR REPLACE INTO work VALUES (?, ?, ?, 'queued', '', '[]', 0, 0, 0, "
                    "(SELECT COALESCE(MAX(number), 0) + 1 FROM work), 0)",
                    (key, path, recipe),
                )
        self.files[path] = (signature, key)
        return known

    def waiting_for(self, path: str) -> list[str]:
        """The timelines that had to do without a file of this name."""
        return [str(timeline) for (timeline,) in self._all("SELECT path FROM wants WHERE name = ?", _name(path))]

    def redo(self, key: str, path: str) -> None:
        """Queue work anew, under another name perhaps."""
        with self._step():
            self._db.execute(
                "UPDATE work SET status = 'queued', path = ?, attempts = 0, starts = 0, not_before = 0, told = 0 "
                "WHERE key = ?",
                (path, key),
            )

    def retry_failed(self) -> int:
        """Queue everything that failed; says how much that is."""
        with self._step():
            return self._db.execute(
                "UPDATE work SET status = 'queued', attempts = 0, starts = 0, not_before = 0, told = 0 "
                "WHERE status = 'failed'"
            ).rowcount

    def work(self, key: str) -> Work | None:
        """The work of a content."""
        return next(self._works("WHERE key = ?", key), None)

    def next_work(self, now: float) -> Work | None:
        """What is to be done next at `now`, in seconds since the epoch."""
        return next(self._works("WHERE status = 'queued' AND not_before <= ? ORDER BY number LIMIT 1", now), None)

    def next_start(self) -> float | None:
        """When the next queued work may begin, in seconds since the epoch; None if there is none."""
        return next(iter(self._all("SELECT MIN(not_before) FROM work WHERE status = 'queued'")))[0]

    def pending(self) -> int:
        """How much is to be done."""
        return int(next(iter(self._all("SELECT COUNT(*) FROM work WHERE status IN ('queued', 'working')")))[0])

    def begin(self, work: Work, path: str) -> bool:
        """Note that work begins; False if the process ended so often in the midst of it that it must not."""
        if work.starts >= _MOST_INTERRUPTIONS:
            return False
        with self._step():
            self._db.execute(
                "UPDATE work SET status = 'working', starts = starts + 1, path = ? WHERE key = ?", (path, work.key)
            )
        return True

    def finish(self, key: str, *, failed: str | None, outputs: Sequence[str]) -> None:
        """Note how work ended: well, or for the reason `failed`. It is still to be told."""
        with self._step():
            self._db.execute(
                "UPDATE work SET status = ?, reason = ?, outputs = ?, starts = 0, told = 0 WHERE key = ?",
                ("done" if failed is None else "failed", failed or "", json.dumps(list(outputs)), key),
            )

    def postpone(self, key: str, reason: str, *, not_before: float, counts: bool) -> None:
        """Queue work again, for a reason that may pass; `counts` if it was an attempt."""
        with self._step():
            self._db.execute(
                "UPDATE work SET status = 'queued', reason = ?, not_before = ?, starts = 0, attempts = attempts + ? "
                "WHERE key = ?",
                (reason, not_before, int(counts), key),
            )

    def drop(self, key: str) -> None:
        """Forget work that nothing is there for any more."""
        with self._step():
            self._db.execute("DELETE FROM work WHERE key = ?", (key,))
            self._db.execute("DELETE FROM files WHERE key = ?", (key,))
        self.files = {path: known for path, known in self.files.items() if known[1] != key}

    def forget(self, path: str) -> None:
        """Forget what a name stood for, as when the file is looked at anew."""
        with self._step():
            self._db.execute("DELETE FROM files WHERE path = ?", (path,))
        self.files.pop(path, None)

    def untold(self) -> list[Work]:
        """What ended and was not told yet."""
        return list(self._works("WHERE told = 0 AND status IN ('done', 'failed') ORDER BY number"))

    def told(self, key: str) -> None:
        """Note that the end of work was told."""
        with self._step():
            self._db.execute("UPDATE work SET told = 1 WHERE key = ?", (key,))

    def paths_of(self, key: str) -> list[str]:
        """All names that a content was seen under."""
        return [path for path, (_, known) in self.files.items() if known == key]

    def claim(self, bases: Sequence[str], path: str) -> str:
        """The first of some names for results that is free, or is this file's already; it then has it for good."""
        with self._step():
            for base in bases:
                self._db.execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (base.casefold(), path))
                owner = next(iter(self._all("SELECT path FROM names WHERE base = ?", base.casefold())))[0]
                if owner == path:
                    return base
        return bases[-1]

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, timeout=10)
        try:
            db.execute("PRAGMA journal_mode = WAL")
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
    def _step(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StateTrouble(f"the state in {self.path} cannot be written: {error}") from error

    def _all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            raise StateTrouble(f"the state in {self.path} cannot be read: {error}") from error

    def _works(self, where: str, *values: object) -> Iterator[Work]:
        for key, path, recipe, status, reason, outputs, attempts, starts, not_before, told in self._all(
            f"SELECT {_COLUMNS} FROM work {where}", *values
        ):
            yield Work(
                key=key,
                path=path,
                recipe=recipe,
                status=status,
                reason=reason,
                outputs=tuple(json.loads(outputs)),
                attempts=attempts,
                starts=starts,
                not_before=not_before,
                told=bool(told),
            )


def _name(path: str) -> str:
    """The last part of a path or URL, by which media is told to be the one that was missing."""
    return re.split(r"[\\/]", unquote(path))[-1].casefold()
