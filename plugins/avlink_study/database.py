"""The file of a study: what it compares, who rates, and every answer.

SQLite with a write-ahead log. Each step is one transaction that is on the disk when it returns (synchronous = FULL): an
answer that a rater was told is kept outlives the process and the machine. Nothing is kept in memory only, so several
servers may work on one file, and results may be read while one does.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from avlink import InputError, OutputError, make_folder
from avlink_study.plan import Clip, ClipPair, StudyPlan, difference

VERSION = 1
_APPLICATION = 0x41565354  # "AVST": tells the file from other programs' databases
_TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE methods (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, folder TEXT NOT NULL);
CREATE TABLE clips (
    method INTEGER NOT NULL REFERENCES methods, stem TEXT NOT NULL, digest TEXT NOT NULL, duration_s REAL NOT NULL,
    PRIMARY KEY (method, stem)
) WITHOUT ROWID;
CREATE TABLE pairs (
    number INTEGER PRIMARY KEY, first INTEGER NOT NULL, second INTEGER NOT NULL, stem TEXT NOT NULL,
    FOREIGN KEY (first, stem) REFERENCES clips, FOREIGN KEY (second, stem) REFERENCES clips
);
CREATE TABLE raters (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, seed INTEGER NOT NULL, joined REAL NOT NULL,
    places INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE showings (
    rater INTEGER NOT NULL REFERENCES raters, pair INTEGER NOT NULL REFERENCES pairs, place INTEGER NOT NULL,
    flipped INTEGER NOT NULL, opened REAL NOT NULL, closed REAL, left_played REAL, right_played REAL,
    trouble TEXT, PRIMARY KEY (rater, pair), UNIQUE (rater, place)
);
CREATE TABLE answers (
    rater INTEGER NOT NULL, pair INTEGER NOT NULL, question TEXT NOT NULL,
    choice TEXT NOT NULL CHECK (choice IN ('left', 'right', 'none')), at REAL NOT NULL,
    PRIMARY KEY (rater, pair, question), FOREIGN KEY (rater, pair) REFERENCES showings
);
"""


class StudyDatabase:
    """An open study file."""

    def __init__(self, path: Path, *, make: bool = True) -> None:
        """Open the file, or with `make` begin it. Raises InputError for one that is missing or no study."""
        self.path = path
        if not make and not path.is_file():
            raise InputError(f"there is no study in {path}; avlink study DIR_A DIR_B -o {path} begins one")
        make_folder(path.parent)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        except sqlite3.Error as error:
            raise OutputError(f"the study {path} cannot be opened: {error}") from error
        try:
            self._begin()
        except BaseException as error:
            self._db.close()
            if isinstance(error, sqlite3.OperationalError):
                raise OutputError(f"the study {path} cannot be used: {error}") from error
            if isinstance(error, sqlite3.DatabaseError):
                raise self._no_study() from error
            raise

    def _begin(self) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        is_empty = self._db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0
        if not is_empty and application != _APPLICATION:
            raise self._no_study()
        if version > VERSION:
            raise InputError(
                f"the study {self.path} was written by a newer AVLink (its tables are of version {version}, this one "
                f"knows {VERSION}); update AVLink"
            )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if is_empty:
            with self.step() as db:
                # Another process may have been quicker.
                if db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0:
                    for statement in _TABLES.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {_APPLICATION}")
                    db.execute(f"PRAGMA user_version = {VERSION}")

    def _no_study(self) -> InputError:
        return InputError(f"{self.path} is no study of avlink, and stays as it is; name another file with -o")

    def close(self) -> None:
        """Let go of the file; the log beside it is merged into it."""
        self._db.close()

    @contextlib.contextmanager
    def step(self) -> Iterator[sqlite3.Connection]:
        """All that is done within, on the disk at its end; or nothing of it, if it raises."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise OutputError(f"the study {self.path} cannot be written: {error}") from error

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What is found."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise OutputError(f"the study {self.path} cannot be read: {error}") from error

    def about(self, key: str) -> Any:
        """A value that was noted; None without."""
        found = self.rows("SELECT value FROM about WHERE key = ?", key)
        return json.loads(found[0][0]) if found else None

    def count(self, table: str) -> int:
        """How many rows a table of ours has."""
        return int(self.rows(f"SELECT COUNT(*) FROM {table}")[0][0])

    def folders(self) -> list[str]:
        """The folders of the last start, as NAME=DIR."""
        return [f"{name}={folder}" for name, folder in self.rows("SELECT name, folder FROM methods ORDER BY number")]

    def plan(self) -> StudyPlan | None:
        """What is compared; None in a new file."""
        if self.about("task") is None:
            return None
        clips = self.rows("SELECT method, stem, digest, duration_s FROM clips")
        pairs = self.rows("SELECT first, second, stem FROM pairs ORDER BY number")
        return StudyPlan(
            task=self.about("task"),
            no_preference=self.about("no_preference"),
            seed=self.about("seed"),
            methods=tuple(name for (name,) in self.rows("SELECT name FROM methods ORDER BY number")),
            clips={(method, stem): Clip(digest=name, duration_s=length) for method, stem, name, length in clips},
            pairs=tuple(ClipPair(*pair) for pair in pairs),
        )

    def settle(self, plan: StudyPlan, *, folders: Sequence[Path], raters: int) -> None:
        """Make this file the one of `plan`, whose clips lie in `folders`; each pair is for `raters` people.

        A file without any answer takes whatever plan comes. Raises InputError if there are answers to another one.
        """
        known = self.plan()
        other = None if known is None else difference(known, plan)
        if other is not None and self.count("answers"):
            raise InputError(
                f"{self.path} has answers to another study: {other}; give a new file with -o, or what it was begun with"
            )
        with self.step() as db:
            if known is None or other is not None:
                for table in ("showings", "pairs", "clips", "methods"):
                    db.execute(f"DELETE FROM {table}")
                self._note(db, task=plan.task, no_preference=plan.no_preference, seed=plan.seed)
                db.executemany("INSERT INTO methods VALUES (?, ?, '')", enumerate(plan.methods))
                clips = [(*key, clip.digest, clip.duration_s) for key, clip in sorted(plan.clips.items())]
                db.executemany("INSERT INTO clips VALUES (?, ?, ?, ?)", clips)
                pairs = [(number, pair.first, pair.second, pair.stem) for number, pair in enumerate(plan.pairs)]
                db.executemany("INSERT INTO pairs VALUES (?, ?, ?, ?)", pairs)
            if known is None:
                self._note(db, invitation=secrets.token_urlsafe(24))
            self._note(db, raters=raters)
            for number, folder in enumerate(folders):
                db.execute("UPDATE methods SET folder = ? WHERE number = ?", (str(folder.resolve()), number))

    @staticmethod
    def _note(db: sqlite3.Connection, **values: object) -> None:
        db.executemany(
            "INSERT OR REPLACE INTO about VALUES (?, ?)", [(key, json.dumps(value)) for key, value in values.items()]
        )
