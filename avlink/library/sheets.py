"""Sheets that lie beside sounds: a CSV or TSV file with a row for each sound and a column for its name."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from avlink.core.errors import InputError
from avlink.core.input_files import read_bytes
from avlink.core.limits import SHEET_BYTES

SUFFIXES = (".csv", ".tsv")
_NAME_COLUMNS = ("filename", "file", "filepath", "path", "name", "sound", "soundfile", "audiofile")
_ENCODINGS = ("utf-8-sig", "cp1252")
_MOST_ROWS = 1_000_000

Row = Mapping[str, str]
"""The cells of a row by their column."""


@dataclass(slots=True)
class Sheets:
    """The rows of all sheets of a library, by the folder of the sheet and the file that a row is about."""

    _rows: dict[tuple[str, str], Row] = field(default_factory=dict)

    def add(self, root: Path, path: Path) -> int:
        """Take the rows of a sheet below `root`; return their number, 0 for a table of something else.

        Raises InputError for a sheet that cannot be read.
        """
        folder = path.parent.relative_to(root).as_posix()
        count = 0
        for name, row in _read_sheet(path):
            self._rows[folder, _key(name)] = row
            count += 1
        return count

    def row(self, name: str) -> Row:
        """Return the row about a sound, whose path is below the root; an empty one where there is none.

        The sheet of the nearest folder counts. A row names the file by its path from the sheet, or by its name alone,
        with its suffix or without.
        """
        path = PurePosixPath(name)
        for folder in path.parents:
            below = path.relative_to(folder)
            for said in (below.as_posix(), below.with_suffix("").as_posix(), path.name, path.stem):
                found = self._rows.get((folder.as_posix(), _key(said)))
                if found is not None:
                    return found
        return {}


def _read_sheet(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the file name and the cells of each row of a table whose head has a column for file names."""
    text = _decoded(read_bytes(path, SHEET_BYTES), path)
    head = text.partition("\n")[0]
    separator = max("\t;,|", key=head.count)
    source = io.StringIO(text, newline="")
    try:
        reader = csv.reader(source, delimiter=separator)
        if separator == "\t":
            # In tables by tabs a quotation mark is a letter.
            reader = csv.reader(source, delimiter=separator, quoting=csv.QUOTE_NONE)
        columns = [re.sub(r"[\W_]+", "", cell).casefold() for cell in next(reader, [])]
        place = next((columns.index(name) for name in _NAME_COLUMNS if name in columns), None)
        if place is None or len(columns) < 2:
            return
        for number, cells in enumerate(reader):
            if number >= _MOST_ROWS:
                return
            if len(cells) > place and cells[place].strip():
                row = {column: cell.strip() for column, cell in zip(columns, cells, strict=False) if cell.strip()}
                yield cells[place].strip(), row
    except csv.Error as error:
        raise InputError(f"the sheet {path} cannot be read: {error}") from error


def _decoded(content: bytes, path: Path) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    if b"\0" in content[:4096]:
        raise InputError(f"the sheet {path} is no text; save it as CSV in UTF-8")
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _key(name: str) -> str:
    # Sheets of Windows have its separators.
    return name.replace("\\", "/").removeprefix("./").casefold()
