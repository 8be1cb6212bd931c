"""The cells of a cue sheet: read as spreadsheets save them, and written so that spreadsheets keep them.

Spreadsheets put a byte-order mark first or save in an encoding of their own, separate with semicolons or tabs where
the comma is the decimal sign, end lines as Windows does, add empty rows, and turn long numbers into short ones.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import opentimelineio as otio

REQUESTS = ("mode", "prompt", "negative", "seed", "gain_db")
"""The columns to edit: the requests of a clip. An empty cell requests nothing."""

MODES = ("sync", "ambience", "off")
MAX_SEED = 2**63 - 1
MAX_GAIN_DB = 60.0

_FORMULA = ("=", "+", "-", "@", "'", "\t", "\r")
_SHOWN = 60
_ID_LETTER = "c"
_ID = re.compile(rf"{_ID_LETTER}\d[0-9a-f]{{11}}", re.IGNORECASE)
_EXACT_DIGITS = 15
"""Digits of a number that spreadsheets keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the sheet, with its number in the spreadsheet, in which the heads are row 1."""

    number: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return a cell; empty where the sheet has no such column."""
        return self.cells.get(column, "")

    def id(self) -> str:
        """Return the id of a clip; those of older sheets lack the letter before them."""
        text = self.text("id").strip()
        return text[1:] if _ID.fullmatch(text) else text

    def number_of(self, column: str, *, default: float | None = None) -> float:
        """Return a cell as a number, with a decimal point or comma."""
        text = self.text(column).strip()
        if not text and default is not None:
            return default
        try:
            value = float(text.replace(",", ".") if "." not in text else text)
        except ValueError:
            raise self.wrong(column, "is no number") from None
        if not abs(value) < float("inf"):
            raise self.wrong(column, "is no number")
        return value

    def numbers_of(self, column: str) -> list[float]:
        """Return the numbers of a cell, which have spaces between them."""
        try:
            return [float(text) for text in self.text(column).split()]
        except ValueError:
            raise self.wrong(column, "must hold numbers with spaces between them") from None

    def requests(self) -> dict[str, Any]:
        """Return the requests in the editable cells: None for an empty cell, no entry for a column that is missing."""
        found: dict[str, Any] = {name: self.text(name) or None for name in ("prompt", "negative") if name in self.cells}
        if "mode" in self.cells:
            mode = self.text("mode").strip().lower()
            if mode and mode not in MODES:
                raise self.wrong("mode", f"is none of {', '.join(MODES)}")
            found["mode"] = mode or None
        if "seed" in self.cells:
            found["seed"] = self._seed()
        if "gain_db" in self.cells:
            gain_db = self.number_of("gain_db") if self.text("gain_db").strip() else None
            if gain_db is not None and abs(gain_db) > MAX_GAIN_DB:
                raise self.wrong("gain_db", f"is more than {MAX_GAIN_DB:g} dB up or down")
            found["gain_db"] = gain_db
        return found

    def wrong(self, column: str, why: str) -> otio.exceptions.OTIOError:
        """Return the error for a cell."""
        text = self.text(column)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        return otio.exceptions.OTIOError(f"row {self.number}, column {column}: '{shown}' {why}")

    def _seed(self) -> int | None:
        text = self.text("seed").strip().removeprefix("'")
        whole, _, rest = text.partition(".")
        if not text:
            return None
        if not (whole.isascii() and whole.isdigit()) or rest.strip("0"):
            hint = "; the spreadsheet has shortened it" if "e" in text.lower() else ""
            raise self.wrong("seed", f"is no whole number from 0 on{hint}")
        whole = whole.lstrip("0") or "0"
        # A number of thousands of digits is no number to Python.
        if len(whole) > len(str(MAX_SEED)) or int(whole) > MAX_SEED:
            raise self.wrong("seed", f"is larger than {MAX_SEED}")
        return int(whole)


def read_rows(text: str, needed: Sequence[str]) -> list[Row]:
    """Return the rows that are not empty. Raises `otio.exceptions.OTIOError` when a needed column is missing."""
    text = text.removeprefix("\ufeff")
    skipped = 0
    if text[:4].lower() == "sep=":
        text, skipped = text.partition("\n")[2], 1
    records = list(_records(text, needed))
    heads = [head.strip().lower() for head in records[0]] if records else []
    missing = [name for name in needed if name not in heads]
    if missing:
        raise otio.exceptions.OTIOError(f"it is no cue sheet: it has no column {' and no column '.join(missing)}")
    rows = []
    for number, record in enumerate(records[1:], start=2 + skipped):
        if any(cell.strip() for cell in record):
            cells = {head: unguard(cell) for head, cell in zip(heads, record, strict=False) if head}
            rows.append(Row(number=number, cells={head: cells.get(head, "") for head in heads if head}))
    return rows


def decode(data: bytes) -> str:
    """Return the text of a file in the encodings of spreadsheets: UTF-8, UTF-16 with its mark, else Windows-1252."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def sheet_id(id: str) -> str:
    """Return the id of a clip as a sheet holds it: beginning with a letter.

    Spreadsheets take 045324185930 and 7533019715e8, which are ids, for numbers, and do not give them back.
    """
    return f"{_ID_LETTER}{id}" if id[:1].isdigit() else id


def guard(text: str) -> str:
    """Return a text that a spreadsheet does not run as a formula, and does not shorten as a long number."""
    # Excel and LibreOffice both take a text behind an apostrophe as it is.
    long_number = text.isascii() and text.isdigit() and len(text) > _EXACT_DIGITS
    return f"'{text}" if long_number or text.startswith(_FORMULA) else text


def unguard(text: str) -> str:
    """Return the text that `guard` was given."""
    return text[1:] if text[:1] == "'" and guard(text[1:]) == text else text


def _records(text: str, needed: Sequence[str]) -> list[list[str]]:
    """Return the cells of all lines, by the separator that gives most of the expected columns."""
    best: list[list[str]] = []
    most = -1
    for separator in (",", ";", "\t"):
        try:
            records = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=False))
        except csv.Error as error:
            raise otio.exceptions.OTIOError(f"it is no cue sheet: {error}") from error
        heads = {head.strip().lower() for head in records[0]} if records else set()
        if len(heads & {*needed, *REQUESTS}) > most:
            best, most = records, len(heads & {*needed, *REQUESTS})
    return best
