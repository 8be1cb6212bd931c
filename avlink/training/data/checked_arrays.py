"""Arrays on disk with a digest beside them, so that a damaged one is noticed when it is looked for and made again.

The note `<name>.check` has the digest of the array's file, and the size and time of that file when the digest was
last compared. A file of the same size and time is not read again: features of a large data set are hundreds of
gigabytes. Arrays of earlier versions have no note; they get one if they have the right rows and only finite values.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlink.core.errors import OutputError
from avlink.core.hashing import content_digest
from avlink.core.paths import atomic_write, write_text

_ROWS_A_BLOCK = 64


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as .npy, whole or not at all, and its digest. Raises OutputError."""
    with atomic_write(path) as hidden:
        np.save(hidden, array, allow_pickle=False)
        content = content_digest(hidden)
    _write_note(path, content)


def is_whole(path: Path, rows: int | None = None) -> bool:
    """Return whether an array is there as it was written; one without a note is checked for `rows` and its values."""
    try:
        stat = path.stat()
    except OSError:
        return False
    note = _read_note(path)
    if note is None:
        if not _is_valid(path, rows):
            return False
        _keep_note(path, content_digest(path))
        return True
    if (note["size"], note["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns):
        return True
    try:
        if note["size"] != stat.st_size or content_digest(path) != note["digest"]:
            return False
    except OSError:
        return False
    # A copy of the folder, with times of its own.
    _keep_note(path, note["digest"])
    return True


def note_path(path: Path) -> Path:
    """Return the file of an array's note."""
    return path.with_name(f"{path.stem}.check")


def _write_note(path: Path, content: str) -> None:
    stat = os.stat(path)
    note = {"digest": content, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    write_text(note_path(path), json.dumps(note), flush=False)


def _keep_note(path: Path, content: str) -> None:
    # Other machines may read a prepared folder that only one may write.
    with contextlib.suppress(OutputError):
        _write_note(path, content)


def _read_note(path: Path) -> Mapping[str, Any] | None:
    """Return the note of an array; None if there is none, or a broken one."""
    try:
        note = json.loads(note_path(path).read_text("utf-8"))
        return {"digest": str(note["digest"]), "size": int(note["size"]), "mtime_ns": int(note["mtime_ns"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_valid(path: Path, rows: int | None) -> bool:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.ndim == 0 or (rows is not None and len(array) != rows):
            return False
        blocks = (array[start : start + _ROWS_A_BLOCK] for start in range(0, len(array), _ROWS_A_BLOCK))
        return all(bool(np.isfinite(block).all()) for block in blocks)
    except (OSError, ValueError, TypeError, EOFError):
        return False
