"""Embeddings in the index: which extractor made them, of which contents, and the sounds that lack one."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlink.core.errors import LibraryError
from avlink.library.database import transaction
from avlink.library.index import LibraryIndex
from avlink.library.values import Library

_COLUMNS = "x.id, x.name, x.fingerprint, x.options, x.token"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingExtractor:
    """An extractor that sounds have embeddings of, with the options that it was last given.

    `token` is of this row alone, also where an index was made anew.
    """

    id: int
    name: str
    fingerprint: str
    options: Mapping[str, Any]
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundToEmbed:
    """A content without an embedding, and one of the files that have it, as it was read."""

    digest: str
    name: str
    size_bytes: int
    mtime_ns: int


def enter_extractor(index: LibraryIndex, name: str, fingerprint: str, options: Mapping[str, Any]) -> EmbeddingExtractor:
    """Return the extractor of that name and fingerprint, entered if it is new, as the one that was used last."""
    with transaction(index.connection):
        index.connection.execute(
            "INSERT INTO embedding_extractors (name, fingerprint, options, token, used) "
            "VALUES (?, ?, ?, ?, (SELECT COALESCE(MAX(used), 0) + 1 FROM embedding_extractors)) "
            "ON CONFLICT (name, fingerprint) DO UPDATE SET options = excluded.options, used = excluded.used",
            (name, fingerprint, json.dumps(options), secrets.token_hex(8)),
        )
        row = index.connection.execute(
            f"SELECT {_COLUMNS} FROM embedding_extractors x WHERE x.name = ? AND x.fingerprint = ?", (name, fingerprint)
        ).fetchone()
    return _extractor(*row)


def last_extractor(index: LibraryIndex, name: str) -> EmbeddingExtractor | None:
    """Return the extractor of that name that was used last; None if no sound was ever embedded by it."""
    row = index.connection.execute(
        f"SELECT {_COLUMNS} FROM embedding_extractors x WHERE x.name = ? ORDER BY x.used DESC LIMIT 1", (name,)
    ).fetchone()
    return None if row is None else _extractor(*row)


def choose_extractor(index: LibraryIndex, name: str | None) -> EmbeddingExtractor:
    """Return the extractor of that name, or the only one, that sounds have embeddings of.

    Raises LibraryError where no sound has one, and without a name where there are several.
    """
    rows = index.connection.execute(
        f"SELECT {_COLUMNS} FROM embedding_extractors x "
        "WHERE EXISTS (SELECT 1 FROM embeddings e WHERE e.extractor = x.id) ORDER BY x.used DESC"
    )
    known: dict[str, EmbeddingExtractor] = {}
    for one in (_extractor(*row) for row in rows.fetchall()):
        known.setdefault(one.name, one)
    if name is not None and name in known:
        return known[name]
    listed = ", ".join(f"'{one}'" for one in sorted(known))
    if not known:
        raise LibraryError(
            "no sound has an embedding yet; `avlink library update --embed NAME` makes them, NAME is an extractor of "
            "sounds such as clap"
        )
    if name is not None:
        raise LibraryError(
            f"no sound has an embedding of '{name}', only of {listed}; `avlink library update --embed {name}` makes "
            "them"
        )
    if len(known) > 1:
        raise LibraryError(f"sounds have embeddings of several extractors, {listed}; choose one by --embed NAME")
    return next(iter(known.values()))


def sounds_to_embed(index: LibraryIndex, library: Library, extractor: EmbeddingExtractor) -> tuple[SoundToEmbed, ...]:
    """Return the contents of a library that have neither an embedding nor a fault, in the order of names."""
    rows = index.connection.execute(
        # SQLite takes the other columns from the row of the least name.
        "SELECT s.digest, MIN(s.name), s.size_bytes, s.mtime_ns FROM sounds s WHERE s.library = ? AND s.fault = '' "
        "AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.extractor = ? AND e.digest = s.digest) "
        "AND NOT EXISTS (SELECT 1 FROM embedding_faults f WHERE f.extractor = ? AND f.digest = s.digest) "
        "GROUP BY s.digest ORDER BY 2",
        (library.id, extractor.id, extractor.id),
    )
    return tuple(
        SoundToEmbed(digest=digest, name=name, size_bytes=size_bytes, mtime_ns=mtime_ns)
        for digest, name, size_bytes, mtime_ns in rows.fetchall()
    )


def count_embedded(index: LibraryIndex, library: Library, extractor: EmbeddingExtractor) -> int:
    """Return the number of sounds of a library that have an embedding."""
    (found,) = index.connection.execute(
        "SELECT COUNT(*) FROM sounds s WHERE s.library = ? AND s.fault = '' "
        "AND EXISTS (SELECT 1 FROM embeddings e WHERE e.extractor = ? AND e.digest = s.digest)",
        (library.id, extractor.id),
    ).fetchone()
    return int(found)


def embedding_faults(
    index: LibraryIndex, library: Library, extractor: EmbeddingExtractor
) -> tuple[tuple[str, str], ...]:
    """Return (path below the root, sentence) of the sounds of a library that the extractor cannot describe."""
    rows = index.connection.execute(
        "SELECT s.name, f.fault FROM sounds s JOIN embedding_faults f ON f.digest = s.digest AND f.extractor = ? "
        "WHERE s.library = ? AND s.fault = '' ORDER BY s.name",
        (extractor.id, library.id),
    )
    return tuple(rows.fetchall())


def put_embedding(index: LibraryIndex, extractor: EmbeddingExtractor, digest: str, vector: bytes) -> None:
    """Enter the embedding of a content; one that another process has entered meanwhile is kept."""
    with transaction(index.connection):
        index.connection.execute(
            "INSERT OR IGNORE INTO embeddings (extractor, digest, vector) VALUES (?, ?, ?)",
            (extractor.id, digest, vector),
        )


def put_embedding_fault(index: LibraryIndex, extractor: EmbeddingExtractor, digest: str, fault: str) -> None:
    """Enter the reason why a content has no embedding: it is not tried again until it changes."""
    with transaction(index.connection):
        index.connection.execute(
            "INSERT OR REPLACE INTO embedding_faults (extractor, digest, fault) VALUES (?, ?, ?)",
            (extractor.id, digest, fault),
        )


def read_embedding(index: LibraryIndex, extractor: EmbeddingExtractor, digest: str) -> bytes | None:
    """Return the embedding of a content; None if it has none."""
    row = index.connection.execute(
        "SELECT vector FROM embeddings WHERE extractor = ? AND digest = ?", (extractor.id, digest)
    ).fetchone()
    return None if row is None else bytes(row[0])


def any_embedding(index: LibraryIndex, extractor: EmbeddingExtractor) -> bytes | None:
    """Return one of an extractor's embeddings, which tells the length of all; None if it has none."""
    row = index.connection.execute(
        "SELECT vector FROM embeddings WHERE extractor = ? LIMIT 1", (extractor.id,)
    ).fetchone()
    return None if row is None else bytes(row[0])


def drop_replaced(index: LibraryIndex, extractor: EmbeddingExtractor) -> None:
    """Remove extractors of the same name, such as with an older checkpoint, all of whose sounds this one has."""
    with transaction(index.connection):
        index.connection.execute(
            "DELETE FROM embedding_extractors WHERE name = ? AND id != ? AND NOT EXISTS ("
            "SELECT 1 FROM embeddings old WHERE old.extractor = embedding_extractors.id AND NOT EXISTS ("
            "SELECT 1 FROM embeddings new WHERE new.extractor = ? AND new.digest = old.digest))",
            (extractor.name, extractor.id, extractor.id),
        )


def matrix_folder(index: LibraryIndex) -> Path:
    """Return the folder of the files that hold all embeddings of an extractor; see `embedding_matrix`."""
    return index.path.parent / "embeddings"


def drop_old_matrices(index: LibraryIndex) -> None:
    """Remove the files of extractors whose embeddings have all left the index."""
    rows = index.connection.execute(
        "SELECT token FROM embedding_extractors x WHERE EXISTS (SELECT 1 FROM embeddings e WHERE e.extractor = x.id)"
    )
    used = {token for (token,) in rows}
    for path in matrix_folder(index).glob("*-*-*.f32"):
        if path.name.partition("-")[0] not in used:
            remove_matrix(path)


def remove_matrix(path: Path) -> None:
    """Remove a file of embeddings. Some systems keep one that another process has mapped: the next run removes it."""
    with suppress(OSError):
        path.unlink()


def _extractor(number: int, name: str, fingerprint: str, options: str, token: str) -> EmbeddingExtractor:
    return EmbeddingExtractor(id=number, name=name, fingerprint=fingerprint, options=json.loads(options), token=token)
