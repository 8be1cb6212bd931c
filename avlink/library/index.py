"""The index: libraries, the sounds in them, and their analyses, in one database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from avlink.core.errors import LibraryError
from avlink.library.database import connect, database_path, no_library, transaction
from avlink.library.values import ANALYSIS_VERSION, Analysis, Description, Library, Sound, SoundHit, SoundKind

_SOUND = (
    "l.name, l.root, s.name, s.size_bytes, s.mtime_ns, s.digest, s.catid, s.catid_from, s.licence, s.author, "
    "s.name_words, s.text_words, s.category_words, s.place_words, s.says_loop, a.sample_rate, a.channels, "
    "a.num_samples, a.lufs, a.peak_db, a.kind, a.brightness_hz, a.noise, a.hits"
)
_FROM = (
    "FROM sounds s JOIN libraries l ON l.id = s.library "
    "JOIN analyses a ON a.digest = s.digest AND a.says_loop = s.says_loop"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """The state of a file when it was read. `read_as` tells its sheet, licence file and the version of this code.

    `fault` is the sentence on a file that could not be used, "" for all others.
    """

    size_bytes: int
    mtime_ns: int
    read_as: str
    digest: str = ""
    fault: str = ""


class LibraryIndex:
    """The index of all libraries. Get it by `open_library_index`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        """Use an open connection to the database at `path`."""
        self.path = path
        self.connection = connection

    def libraries(self) -> tuple[Library, ...]:
        """Return all libraries by name, with their numbers of sounds and of faulty files."""
        return tuple(self._counted(one) for one in self.folders())

    def folders(self) -> tuple[Library, ...]:
        """Return all libraries by name, without their numbers: counting a hundred thousand sounds takes a while."""
        rows = self.connection.execute("SELECT id, name, root FROM libraries ORDER BY name COLLATE NOCASE")
        return tuple(
            Library(id=number, name=name, root=Path(root), is_online=_is_folder(Path(root)))
            for number, name, root in rows.fetchall()
        )

    def library(self, name: str) -> Library:
        """Return a library by its name, in any case. Raises LibraryError that lists those there are."""
        return self._counted(self.folder(name))

    def folder(self, name: str) -> Library:
        """Return a library as `library` does, without its numbers."""
        known = self.folders()
        if not known:
            raise no_library()
        found = next((one for one in known if one.name.casefold() == name.casefold()), None)
        if found is None:
            names = ", ".join(f"'{one.name}'" for one in known)
            raise LibraryError(f"there is no sound library '{name}'; there are {names}")
        return found

    def add_library(self, name: str, root: Path) -> Library:
        """Enter a library without sounds and return it. Raises LibraryError where the name or the folder is taken."""
        try:
            with transaction(self.connection):
                self.connection.execute("INSERT INTO libraries (name, root) VALUES (?, ?)", (name, str(root)))
        except sqlite3.IntegrityError:
            raise LibraryError(
                f"there is a sound library '{name}' already, or one of {root}; give another --name"
            ) from None
        return self.library(name)

    def remove_library(self, library: Library) -> None:
        """Remove a library and its sounds from the index, and what is known of them alone. No file is touched."""
        with transaction(self.connection):
            # One by one, for the words: cascades fire no triggers of their own.
            self.connection.execute("DELETE FROM sounds WHERE library = ?", (library.id,))
            self.connection.execute("DELETE FROM libraries WHERE id = ?", (library.id,))
            self.connection.execute("DELETE FROM analyses WHERE digest NOT IN (SELECT digest FROM sounds)")
            self.drop_unused_embeddings()

    def records(self, library: Library) -> Mapping[str, FileRecord]:
        """Return the state of every file of a library by its path below the root."""
        rows = self.connection.execute(
            "SELECT name, size_bytes, mtime_ns, read_as, digest, fault FROM sounds WHERE library = ?", (library.id,)
        )
        return {
            name: FileRecord(size_bytes=size, mtime_ns=mtime, read_as=read_as, digest=digest, fault=fault)
            for name, size, mtime, read_as, digest, fault in rows
        }

    def put(
        self,
        library: Library,
        name: str,
        record: FileRecord,
        description: Description | None = None,
        analysis: Analysis | None = None,
    ) -> None:
        """Enter a file, or what is new of it; one with a fault has no description and no analysis."""
        values: dict[str, Any] = {
            "library": library.id,
            "name": name,
            "size_bytes": record.size_bytes,
            "mtime_ns": record.mtime_ns,
            "read_as": record.read_as,
            "fault": record.fault,
            "digest": record.digest,
        }
        with transaction(self.connection):
            if description is not None and analysis is not None:
                values |= _columns(description) | {"kind": analysis.kind, "length_s": float(analysis.length_s)}
                self._put_analysis(record.digest, description.is_loop, analysis)
            self.connection.execute("DELETE FROM sounds WHERE library = ? AND name = ?", (library.id, name))
            self.connection.execute(
                f"INSERT INTO sounds ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
                tuple(values.values()),
            )

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Enter everything of a block as a whole, which is quicker and keeps other processes from writing meanwhile."""
        with transaction(self.connection):
            yield

    def touch(self, library: Library, name: str, mtime_ns: int) -> None:
        """Note another time of a file whose content is the same."""
        with transaction(self.connection):
            self.connection.execute(
                "UPDATE sounds SET mtime_ns = ? WHERE library = ? AND name = ?", (mtime_ns, library.id, name)
            )

    def drop(self, library: Library, names: Sequence[str]) -> None:
        """Remove files that are gone."""
        with transaction(self.connection):
            self.connection.executemany(
                "DELETE FROM sounds WHERE library = ? AND name = ?", [(library.id, name) for name in names]
            )

    def drop_unused_embeddings(self) -> None:
        """Remove the embeddings of contents that no sound has now."""
        with transaction(self.connection):
            for table in ("embeddings", "embedding_faults"):
                self.connection.execute(f"DELETE FROM {table} WHERE digest NOT IN (SELECT digest FROM sounds)")

    def embedded_by(self, digest: str) -> tuple[str, ...]:
        """Return the names of the extractors that a content has embeddings of."""
        rows = self.connection.execute(
            "SELECT DISTINCT x.name FROM embeddings e JOIN embedding_extractors x ON x.id = e.extractor "
            "WHERE e.digest = ? ORDER BY x.name",
            (digest,),
        )
        return tuple(name for (name,) in rows)

    def analysis(self, digest: str, *, says_loop: bool) -> Analysis | None:
        """Return the analysis of a content by this version of the code; None if there is none yet."""
        row = self.connection.execute(
            "SELECT sample_rate, channels, num_samples, lufs, peak_db, kind, brightness_hz, noise, hits FROM analyses "
            "WHERE digest = ? AND says_loop = ? AND version = ?",
            (digest, says_loop, ANALYSIS_VERSION),
        ).fetchone()
        return None if row is None else _analysis(*row)

    def sounds(self, where: str = "1", values: Sequence[Any] = ()) -> tuple[Sound, ...]:
        """Return the usable sounds for which a condition in SQL holds, by library and name."""
        rows = self.connection.execute(f"SELECT {_SOUND} {_FROM} WHERE {where} ORDER BY l.name, s.name", tuple(values))
        return tuple(_sound(row) for row in rows.fetchall())

    def sound(self, library: str, name: str) -> Sound | None:
        """Return the usable sound of a library by its name there; None if there is none."""
        return next(iter(self.sounds("l.name = ? AND s.name = ?", (library, name))), None)

    def sounds_by_id(self, ids: Sequence[int]) -> Mapping[int, Sound]:
        """Return sounds by their row numbers; one that another process has just removed is left out."""
        found: dict[int, Sound] = {}
        for number in ids:
            row = self.connection.execute(f"SELECT {_SOUND} {_FROM} WHERE s.id = ?", (number,)).fetchone()
            if row is not None:
                found[number] = _sound(row)
        return found

    def faults(self, library: Library) -> tuple[tuple[str, str], ...]:
        """Return (path below the root, sentence) of the files of a library that could not be used."""
        rows = self.connection.execute(
            "SELECT name, fault FROM sounds WHERE library = ? AND fault != '' ORDER BY name", (library.id,)
        )
        return tuple(rows.fetchall())

    def _counted(self, library: Library) -> Library:
        count, faults = self.connection.execute(
            "SELECT COUNT(*), COALESCE(SUM(fault != ''), 0) FROM sounds WHERE library = ?", (library.id,)
        ).fetchone()
        return replace(library, sounds=count - faults, faults=faults)

    def _put_analysis(self, digest: str, says_loop: bool, analysis: Analysis) -> None:
        rate = analysis.sample_rate
        hits = [
            [
                *(int(at * rate) for at in (hit.start_s, hit.transient_s, hit.end_s)),
                *(round(level, 2) for level in (hit.peak_db, hit.rise_db, hit.other_rise_db)),
            ]
            for hit in analysis.hits
        ]
        self.connection.execute(
            "INSERT OR REPLACE INTO analyses (digest, says_loop, version, sample_rate, channels, num_samples, lufs, "
            "peak_db, kind, brightness_hz, noise, hits) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                digest,
                says_loop,
                ANALYSIS_VERSION,
                rate,
                analysis.channels,
                analysis.num_samples,
                analysis.lufs,
                analysis.peak_db,
                analysis.kind,
                analysis.brightness_hz,
                analysis.noise,
                json.dumps(hits, separators=(",", ":")),
            ),
        )


@contextmanager
def open_library_index(path: Path | None = None, *, create: bool = False) -> Iterator[LibraryIndex]:
    """Open the index for a block; see `database.connect` for errors. Without `path`, the user's own."""
    path = path or database_path()
    with connect(path, create=create) as connection:
        yield LibraryIndex(connection, path)


def _columns(description: Description) -> dict[str, Any]:
    return {
        "says_loop": description.is_loop,
        "catid": description.catid,
        "catid_from": description.catid_from,
        "licence": description.licence,
        "author": description.author,
        "name_words": description.name,
        "text_words": description.text,
        "category_words": description.category,
        "place_words": description.place,
    }


def _sound(row: Sequence[Any]) -> Sound:
    library, root, name, size_bytes, mtime_ns, digest, catid, catid_from, licence, author = row[:10]
    named, text, category, place, says_loop = row[10:15]
    return Sound(
        library=library,
        root=Path(root),
        name=name,
        size_bytes=size_bytes,
        mtime_ns=mtime_ns,
        digest=digest,
        description=Description(
            name=named,
            text=text,
            category=category,
            place=place,
            catid=catid,
            catid_from=catid_from,
            licence=licence,
            author=author,
            is_loop=bool(says_loop),
        ),
        analysis=_analysis(*row[15:]),
    )


def _analysis(
    sample_rate: int,
    channels: int,
    num_samples: int,
    lufs: float | None,
    peak_db: float,
    kind: str,
    brightness_hz: float,
    noise: float,
    hits: str,
) -> Analysis:
    return Analysis(
        sample_rate=sample_rate,
        channels=channels,
        num_samples=num_samples,
        lufs=lufs,
        peak_db=peak_db,
        kind=cast(SoundKind, kind),
        brightness_hz=brightness_hz,
        noise=noise,
        hits=tuple(_hit(sample_rate, *row) for row in json.loads(hits)),
    )


def _hit(
    rate: int, start: int, transient: int, end: int, peak_db: float, rise_db: float = 0.0, other_rise_db: float = 0.0
) -> SoundHit:
    # Rows of the first version of the analysis end with the peak.
    return SoundHit(
        start_s=Fraction(start, rate),
        transient_s=Fraction(transient, rate),
        end_s=Fraction(end, rate),
        peak_db=peak_db,
        rise_db=rise_db,
        other_rise_db=other_rise_db,
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
