"""The file of a study: its plan, its raters, and every answer.

SQLite with a write-ahead log. Each transaction is on the disk when it returns (synchronous = FULL): an answer that was
confirmed to a rater survives the process and the machine. Nothing is kept in memory only, so several servers may use
one file, and results may be read meanwhile.
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
from avlink_study.plan import Clip, StudyPair, StudyPlan, difference

VERSION = 1
_APPLICATION_ID = 0x41565354  # "AVST": tells the file from other programs' databases
# Names of tables and columns are those of existing files.
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

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open the file; with `create`, make one that is missing.

        Raises InputError for a file that is missing or no study, OutputError for one that cannot be opened.
        """
        self.path = path
        self._plan_key: str | None = None
        if not create and not path.is_file():
            raise InputError(f"there is no study in {path}; avlink study DIR_A DIR_B -o {path} begins one")
        make_folder(path.parent)
        try:
            # isolation_level None: sqlite3 opens no transactions by itself, `transaction` does.
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
                raise self._not_a_study() from error
            raise

    def _begin(self) -> None:
        # SQLite checks no foreign keys unless each connection asks for it.
        self._db.execute("PRAGMA foreign_keys = ON")
        application = self._db.execute("PRAGMA application_id").fetchone()[0]
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        is_empty = self._db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0
        # Any file may be named with -o: one of another program must not be touched.
        if not is_empty and application != _APPLICATION_ID:
            raise self._not_a_study()
        if version > VERSION:
            raise InputError(
                f"the study {self.path} was written by a newer AVLink (its tables are of version {version}, this one "
                f"knows {VERSION}); update AVLink"
            )
        # With a write-ahead log, `avlink study results` reads while raters answer.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if is_empty:
            with self.transaction() as db:
                # Looked at again within the transaction: another process may have made the tables meanwhile.
                if db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0:
                    for statement in _TABLES.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version = {VERSION}")

    def _not_a_study(self) -> InputError:
        return InputError(f"{self.path} is no study of avlink, and stays as it is; name another file with -o")

    def close(self) -> None:
        """Close the file; the log beside it is merged into it."""
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run one transaction: on the disk at its end, or undone if it raises."""
        try:
            # A deferred transaction that reads first and writes later fails at once when another process writes in
            # between, whatever the timeout; this one waits for its turn at the start.
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
        """Return the rows of a query."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise OutputError(f"the study {self.path} cannot be read: {error}") from error

    def about(self, key: str) -> Any:
        """Return a value that was stored under a key; None without."""
        found = self.rows("SELECT value FROM about WHERE key = ?", key)
        return json.loads(found[0][0]) if found else None

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        return int(self.rows(f"SELECT COUNT(*) FROM {table}")[0][0])

    def folders(self) -> list[str]:
        """Return the folders of the last start, as NAME=DIR."""
        return [f"{name}={folder}" for name, folder in self.rows("SELECT name, folder FROM methods ORDER BY number")]

    def plan(self) -> StudyPlan | None:
        """Return the plan; None in a new file."""
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
            pairs=tuple(StudyPair(*pair) for pair in pairs),
        )

    def save_plan(self, plan: StudyPlan, *, folders: Sequence[Path], raters: int) -> None:
        """Store `plan`, whose clips are in `folders`; each pair is for `raters` people.

        A file in which nobody has rated yet takes whatever plan comes. Raises InputError if there are answers to
        another one, or a rater has begun with it.
        """
        # Looked at within the transaction: an answer may come from another process meanwhile.
        with self.transaction() as db:
            known = self.plan()
            other = None if known is None else difference(known, plan)
            if other is not None and (has := self._results(db)):
                raise InputError(
                    f"{self.path} has {has} another study: {other}; give a new file with -o, or what it was begun with"
                )
            # Without an answer nothing is lost: the file takes the new plan.
            if known is None or other is not None:
                # In the order of the references between them.
                for table in ("showings", "pairs", "clips", "methods"):
                    db.execute(f"DELETE FROM {table}")
                key = secrets.token_urlsafe(8)
                self._store(db, task=plan.task, no_preference=plan.no_preference, seed=plan.seed, plan_key=key)
                db.executemany("INSERT INTO methods VALUES (?, ?, '')", enumerate(plan.methods))
                clips = [(*key, clip.digest, clip.duration_s) for key, clip in sorted(plan.clips.items())]
                db.executemany("INSERT INTO clips VALUES (?, ?, ?, ?)", clips)
                pairs = [(number, pair.first, pair.second, pair.stem) for number, pair in enumerate(plan.pairs)]
                db.executemany("INSERT INTO pairs VALUES (?, ?, ?, ?)", pairs)
            if known is None:
                self._store(db, invitation=secrets.token_urlsafe(24))
            self._store(db, raters=raters)
            for number, folder in enumerate(folders):
                db.execute("UPDATE methods SET folder = ? WHERE number = ?", (str(folder.resolve()), number))
            self._plan_key = self.about("plan_key")

    def has_saved_plan(self) -> bool:
        """Return False if another process has replaced the plan that `save_plan` stored. Call it in a transaction."""
        return bool(self.about("plan_key") == self._plan_key)

    @staticmethod
    def _results(db: sqlite3.Connection) -> str:
        """Return in words what the file holds that must not be lost; empty if it is nothing."""
        if db.execute("SELECT COUNT(*) FROM answers").fetchone()[0]:
            return "answers to"
        begun = "left_played IS NOT NULL OR right_played IS NOT NULL OR closed IS NOT NULL OR trouble IS NOT NULL"
        return "raters of" if db.execute(f"SELECT COUNT(*) FROM showings WHERE {begun}").fetchone()[0] else ""

    @staticmethod
    def _store(db: sqlite3.Connection, **values: object) -> None:
        db.executemany(
            "INSERT OR REPLACE INTO about VALUES (?, ?)", [(key, json.dumps(value)) for key, value in values.items()]
        )
