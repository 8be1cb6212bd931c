"""Atomic writing of files, with errors in words; and the places of the cache and of the user's data."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import platformdirs

from avlink.core.disk import disk_full
from avlink.core.errors import AvlinkError, DiskFull, OutputError

TEMPORARY_PREFIX = ".avlink-tmp-"
"""The name of every file that is still being written begins with this."""

Writer: TypeAlias = Callable[[Path], AbstractContextManager[Path]]
"""A function such as `atomic_write`: a context of a temporary path, which becomes the path when the block ends well."""

_LEFTOVER_AGE_S = 3600.0
_REASONS = {
    errno.EACCES: "you have no permission to write there",
    errno.EPERM: "the system does not allow it",
    errno.EROFS: "the disk is read-only",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "a folder of that name is in the way",
    errno.EEXIST: "something of that name is in the way",
    errno.ENAMETOOLONG: "the name is too long",
}


@contextlib.contextmanager
def atomic_write(
    path: Path, *, flush: bool = True, before_move: Callable[[Path], bool] | None = None
) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what is written there becomes `path` when the block ends well.

    The temporary file is hidden, lies in the same folder (which is created if needed) and keeps the suffix, for
    writers that choose a format by suffix. It is flushed to the disk before it is moved into place, and removed when
    the block raises: `path` is always either the old file or the whole new one. Without `flush` this holds unless the
    machine itself fails, which is enough for files that are checked when they are read. `before_move` sees the complete
    temporary file; where it returns False, `path` stays as it is.

    Raises OutputError when the place cannot be written, in words for permission and things in the way; DiskFull where
    there is no space, also when the writer raises an error of its own for that.
    """
    make_folder(path.parent)
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}{path.suffix}"
    moved = False
    try:
        # Created before the writer sees it: writers report a missing permission in words of their own.
        temporary.touch(exist_ok=False)
        yield temporary
        if flush:
            _flush(temporary)
        if before_move is None or before_move(temporary):
            os.replace(temporary, path)
            moved = True
    except OutputError as error:
        if temporary.name not in str(error):
            raise
        # Writers know the temporary name only.
        raise type(error)(str(error).replace(temporary.name, path.name)) from error
    except AvlinkError:
        raise
    except OSError as error:
        # An error that names another file comes from what the block reads, and is not ours to explain.
        named = error.filename2 or error.filename
        told = _output_error(path, error) if named in (None, str(temporary), str(path)) else None
        if told is None:
            raise
        raise told from error
    except Exception as error:
        full = _full(path, error)
        if full is None:
            raise
        raise full from error
    finally:
        if not moved:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Raise OutputError if `path` could not be written, in the words of `atomic_write`. Nothing is made.

    A full disk shows only when it is written.
    """
    code = 0
    try:
        path.lstat()
    except OSError as error:
        code = errno.ENAMETOOLONG if error.errno == errno.ENAMETOOLONG else 0
    folder = path.parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    if not code and not folder.is_dir():
        path, code = path.parent, errno.EEXIST if folder == path.parent else errno.ENOTDIR
    elif not code and not os.access(folder, os.W_OK | os.X_OK):
        code = errno.EACCES
    if code:
        raise OutputError(f"{path} cannot be written: {_REASONS[code]}")


def namesakes(path: Path) -> list[Path]:
    """Return the other files beside `path` that have its name up to the suffix; none where that cannot be read.

    Names that differ in case only are one file on some systems, and count as one name.
    """
    stem = path.stem.casefold()
    try:
        return sorted(one for one in path.parent.iterdir() if one.stem.casefold() == stem and one.name != path.name)
    except OSError:
        return []


def check_file_name(path: Path) -> None:
    """Raise OutputError for a path such as "." or "/" that can only be a folder."""
    if path.name in {"", ".."}:
        raise OutputError(f"{path} is a folder; give the name of a file for the output")


def write_text(path: Path, text: str, *, flush: bool = True) -> None:
    """Write a UTF-8 text file atomically. Raises OutputError."""
    with atomic_write(path, flush=flush) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def make_folder(path: Path) -> None:
    """Create a folder and its parents unless it exists. Raises OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = _output_error(path, error)
        raise told or OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def sweep_leftovers(folder: Path, *, now_s: float) -> int:
    """Remove temporary files that killed runs left in `folder`, and return their number.

    Only files that nobody has written to for an hour go: another process may be at work in the same folder. `now_s` is
    in seconds since the epoch. Files that cannot be removed stay.
    """
    removed = 0
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError):
            if leftover.is_file() and now_s - leftover.stat().st_mtime > _LEFTOVER_AGE_S:
                leftover.unlink()
                removed += 1
    return removed


def cache_dir() -> Path:
    """Return the folder of the cache: `$AVLINK_CACHE_DIR`, else `avlink` in the platform's cache folder."""
    if chosen := os.environ.get("AVLINK_CACHE_DIR"):
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("avlink", appauthor=False)


def data_dir() -> Path:
    """Return the folder of what is kept for good: `$AVLINK_DATA_DIR`, else `avlink` in the platform's data folder."""
    if chosen := os.environ.get("AVLINK_DATA_DIR"):
        return Path(chosen).expanduser()
    return platformdirs.user_data_path("avlink", appauthor=False)


def _flush(path: Path) -> None:
    # Windows flushes only what is open for writing.
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _output_error(path: Path, error: OSError) -> OutputError | None:
    """Return the error that tells why `path` cannot be written, or None for unknown reasons."""
    # Without the name of the temporary file: the folder is that of `path`.
    nameless = error if error.errno is None else OSError(error.errno, error.strerror)
    full = _full(path, nameless)
    if full is not None:
        return full
    reason = _REASONS.get(error.errno or 0)
    return None if reason is None else OutputError(f"{path} cannot be written: {reason}")


def _full(path: Path, error: Exception) -> DiskFull | None:
    for above in reversed(path.parents):
        if above.name.startswith(TEMPORARY_PREFIX):
            # A folder that is still being filled is gone when the sentence is read.
            return disk_full(error, above.parent, subject=f"'{path.name}' of a folder")
    return disk_full(error, path.parent, subject=str(path))
