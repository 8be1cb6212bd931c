"""Folders of video files with captions: from a manifest, or from files beside them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from avlink.core.errors import InputError
from avlink.core.recipe.data import FolderData, SidecarData
from avlink.training.data.entries import Entry, Found, find_media


class _Tabs(csv.excel_tab):
    quoting = csv.QUOTE_NONE


def read_folder(data: FolderData, folder: Path) -> Found:
    """The clips of a manifest.

    Raises InputError where the manifest is missing or has no such columns.
    """
    manifest, found = folder / data.manifest, Found()
    rows = read_table(manifest, delimiter=",", what="manifest")
    head = next(rows, (0, []))[1]
    if not {"path", "caption"} <= set(head):
        raise InputError(f"the manifest {manifest} needs the columns path and caption, and may have start_s")
    for line, row in rows:
        cells = dict(zip(head, row, strict=False))
        start_s = read_start(cells.get("start_s") or "0")
        name = cells["path"]
        if start_s is None:
            raise InputError(
                f"the manifest {manifest} has in line {line} a start_s that is no time in seconds: {cells['start_s']!r}"
            )
        path = folder / name
        try:
            size = path.stat().st_size
        except (OSError, ValueError):
            found.lack(name, "the file does not exist")
            continue
        found.add("train", Entry(path=path, label=name, size=size, caption=cells.get("caption") or "", start_s=start_s))
    return found.limit(data.max_clips, data.held_out)


def read_sidecars(data: SidecarData, folder: Path) -> Found:
    """The video files of a folder that have a caption beside them."""
    found = Found()
    for file in find_media(folder):
        text, table = file.path.with_suffix(".txt"), file.path.with_suffix(".json")
        try:
            if text.is_file():
                caption, start_s = text.read_text("utf-8").strip(), Fraction(0)
            elif table.is_file():
                caption, start_s = read_caption(table.read_text("utf-8"))
            else:
                found.lack(file.below, f"there is no caption beside it: no {text.name} and no {table.name}")
                continue
        except (OSError, ValueError) as error:
            found.lack(file.below, f"its caption cannot be read: {error}")
            continue
        found.add("train", Entry(path=file.path, label=file.below, size=file.size, caption=caption, start_s=start_s))
    return found.limit(data.max_clips, data.held_out)


def read_caption(text: str) -> tuple[str, Fraction]:
    """The caption and the start in seconds of a JSON sidecar.

    `caption` is a text, or a list of which the first counts; `text` is taken for it where there is none. Raises
    ValueError where there is neither.
    """
    table: Any = json.loads(text)
    if not isinstance(table, dict):
        raise ValueError("its JSON is no object with a caption")
    caption = table.get("caption", table.get("text"))
    if isinstance(caption, list) and caption:
        caption = caption[0]
    if not isinstance(caption, str):
        raise ValueError("its JSON has no caption")
    start_s = read_start(str(table.get("start_s", "0")))
    if start_s is None:
        raise ValueError(f"its start_s is no time in seconds: {table['start_s']!r}")
    return caption.strip(), start_s


def read_start(text: str) -> Fraction | None:
    """A start in seconds; None for what is none."""
    try:
        start_s = Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        return None
    return start_s if start_s >= 0 else None


def read_table(path: Path, *, delimiter: str, what: str) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows of a CSV or TSV with their line numbers, without empty ones. Raises InputError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # No quotes in tables with tabs: a name may hold one.
            rows = csv.reader(file, dialect="excel" if delimiter == "," else _Tabs)
            for row in rows:
                if row:
                    yield rows.line_num, row
    except OSError as error:
        raise InputError(f"the {what} {path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the {what} {path} is no table of UTF-8 text: {error}") from None
