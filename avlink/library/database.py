"""The database of the index: its file, its tables, and its failures in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avlink.core.disk import disk_full
from avlink.core.errors import AvlinkError, LibraryError, OutputError
from avlink.core.paths import data_dir, make_folder

SCHEMA = 2
"""Version of the tables. A database of an earlier one is brought to it, one of a later version is refused."""

_FILE = "library.db"
_WAIT_S = 30.0
_BUSY = ("locked", "busy")
_UNWRITABLE = ("readonly", "read-only", "unable to open")

# Analyses belong to a content, wherever files with it lie. `hits` are counts of samples as JSON. `embedding_of` and
# `embedding` are not used: old versions of SQLite cannot drop a column.
_TABLES = """
CREATE TABLE libraries (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    root TEXT NOT NULL UNIQUE
);
CREATE TABLE analyses (
    digest TEXT NOT NULL,
    says_loop INTEGER NOT NULL,
    version INTEGER NOT NULL,
    sample_rate INTEGER NOT NULL,
    channels INTEGER NOT NULL,
    num_samples INTEGER NOT NULL,
    lufs REAL,
    peak_db REAL NOT NULL,
    kind TEXT NOT NULL,
    brightness_hz REAL NOT NULL,
    noise REAL NOT NULL,
    hits TEXT NOT NULL,
    embedding_of TEXT NOT NULL DEFAULT '',
    embedding BLOB,
    PRIMARY KEY (digest, says_loop)
);
CREATE TABLE sounds (
    id INTEGER PRIMARY KEY,
    library INTEGER NOT NULL REFERENCES libraries (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    read_as TEXT NOT NULL,
    fault TEXT NOT NULL DEFAULT '',
    digest TEXT NOT NULL DEFAULT '',
    says_loop INTEGER NOT NULL DEFAULT 0,
    kind TEXT NOT NULL DEFAULT '',
    length_s REAL NOT NULL DEFAULT 0,
    catid TEXT NOT NULL DEFAULT '',
    catid_from TEXT NOT NULL DEFAULT '',
    licence TEXT NOT NULL DEFAULT '',
    author TEXT NOT NULL DEFAULT '',
    name_words TEXT NOT NULL DEFAULT '',
    text_words TEXT NOT NULL DEFAULT '',
    category_words TEXT NOT NULL DEFAULT '',
    place_words TEXT NOT NULL DEFAULT '',
    UNIQUE (library, name)
);
CREATE INDEX sounds_by_digest ON sounds (digest);
CREATE VIRTUAL TABLE words USING fts5 (
    name_words, text_words, category_words, place_words,
    content = 'sounds', content_rowid = 'id',
    tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);
INSERT INTO words (words, rank) VALUES ('rank', 'bm25(8.0, 4.0, 2.0, 1.0)');
CREATE TRIGGER sound_added AFTER INSERT ON sounds BEGIN
    INSERT INTO words (rowid, name_words, text_words, category_words, place_words)
    VALUES (new.id, new.name_words, new.text_words, new.category_words, new.place_words);
END;
CREATE TRIGGER sound_removed AFTER DELETE ON sounds BEGIN
    INSERT INTO words (words, rowid, name_words, text_words, category_words, place_words)
    VALUES ('delete', old.id, old.name_words, old.text_words, old.category_words, old.place_words);
END;
"""

# Embeddings belong to a content as well. `vector` is float16 in little-endian order, of norm 1. `options` are those of
# the extractor as JSON. Ids are never used again, so that number and greatest id of the rows tell which ones there are.
_EMBEDDING_TABLES = """
CREATE TABLE embedding_extractors (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    options TEXT NOT NULL,
    token TEXT NOT NULL,
    used INTEGER NOT NULL,
    UNIQUE (name, fingerprint)
);
CREATE TABLE embeddings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    extractor INTEGER NOT NULL REFERENCES embedding_extractors (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    vector BLOB NOT NULL,
    UNIQUE (extractor, digest)
);
CREATE INDEX embeddings_by_digest ON embeddings (digest);
CREATE TABLE embedding_faults (
    extractor INTEGER NOT NULL REFERENCES embedding_extractors (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    fault TEXT NOT NULL,
    PRIMARY KEY (extractor, digest)
);
"""
_VERSIONS = (_TABLES, _EMBEDDING_TABLES)
"""The statements that lead from each version of the tables to the next one, from an empty database on."""


def database_path() -> Path:
    """Return the file of the index of all libraries, in the user's data folder."""
    return data_dir() / _FILE


@contextmanager
def connect(path: Path, *, create: bool) -> Iterator[sqlite3.Connection]:
    """Open the database at `path` for a block; failures of the database in the block are told as below.

    Several processes may use it at once (write-ahead logging), and any of them may be killed at any moment.

    Raises LibraryError where there is none and `create` is False, where it is damaged, of a later version, or locked by
    another process for half a minute; OutputError where it cannot be written.
    """
    if create:
        make_folder(path.parent)
    elif not path.is_file():
        raise no_library()
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
        _prepare(connection, path)
        yield connection
    except sqlite3.DatabaseError as error:
        raise _told(error, path) from error
    finally:
        if connection is not None:
            connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a block as a whole or not at all; other processes wait for its end to write. One in another is part of it."""
    nested = connection.in_transaction
    if nested:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def no_library() -> LibraryError:
    """Return the error for a search without a library."""
    return LibraryError("there is no sound library yet; add a folder of sounds by `avlink library add DIR`")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA:
        return
    if version > SCHEMA:
        raise LibraryError(f"the index of sound libraries {path} was made by a newer AVLink; update AVLink")
    connection.execute("PRAGMA journal_mode = WAL")
    with transaction(connection):
        # Another process may have made the tables while this one waited.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < SCHEMA:
            for script in _VERSIONS[version:]:
                for statement in _statements(script):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; `executescript` would end the transaction."""
    waiting = ""
    for line in script.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            yield waiting
            waiting = ""


def _told(error: sqlite3.DatabaseError, path: Path) -> AvlinkError:
    full = disk_full(error, path.parent, subject=f"the index of sound libraries {path}")
    if full is not None:
        return full
    said = str(error)
    if any(word in said for word in _BUSY):
        return LibraryError(f"the index of sound libraries {path} is in use by another process; try again")
    if any(word in said for word in _UNWRITABLE):
        return OutputError(f"the index of sound libraries {path} cannot be written: {said}; check its permissions")
    if "no such module" in said:
        return LibraryError("this Python has an SQLite without full-text search (FTS5); use another build of Python")
    return LibraryError(
        f"the index of sound libraries {path} is damaged ({said}); move it away and add the libraries again, which "
        "changes no sound"
    )
