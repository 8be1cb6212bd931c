"""Writing files so that only whole ones are ever seen, and saying in words why one cannot be written."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from avlink.core.errors import OutputError

TEMPORARY_PREFIX = ".avlink-tmp-"
"""Start of the name of every file that is still being written."""

_LEFTOVER_AGE_S = 3600.0
_NO_ROOM_BYTES = 1 << 16
_REASONS = {
    errno.EACCES: "you have no permission to write there",
    errno.EPERM: "the system does not allow it",
    errno.EROFS: "the disk is read-only",
    errno.ENOSPC: "there is no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "a folder of that name is in the way",
    errno.EEXIST: "something of that name is in the way",
    errno.ENAMETOOLONG: "the name is too long",
}


@contextlib.contextmanager
def atomic_write(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path`; what is written there becomes `path` when the block ends well.

    The temporary name is hidden, lies in the same folder (which is made if need be) and keeps the suffix, so that
    writers which choose a format by suffix work. The file is flushed to the disk before it is moved into place, and
    removed when the block raises: whatever happens, `path` is either the old file or the whole new one. Without
    `flush` that holds as long as the machine itself does not fail: for files that are checked when they are read.

    Raises OutputError when the place cannot be written, in words for permission, space and things in the way.
    """
    make_folder(path.parent)
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}{path.suffix}"
    moved = False
    try:
        # Opening first tells permission and names apart from whatever the writer will say.
        temporary.touch(exist_ok=False)
        yield temporary
        if flush:
            _flush(temporary)
        os.replace(temporary, path)
        moved = True
    except OSError as error:
        # A named file that is neither of the two is something else that the block reads: not ours to explain.
        if error.filename in (None, str(temporary), str(path)) and error.errno in _REASONS:
            raise OutputError(_sentence(path, error)) from error
        raise
    except Exception as error:
        # Encoders wrap the system's error in one of their own; a full disk is still a full disk.
        if _is_full(path.parent):
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise OutputError(_sentence(path, full)) from error
        raise
    finally:
        if not moved:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, flush: bool = True) -> None:
    """Write a UTF-8 text file as a whole or not at all; raises OutputError."""
    with atomic_write(path, flush=flush) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def make_folder(path: Path) -> None:
    """Make a folder and its parents; one that exists is fine. Raises OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(_sentence(path, error)) from error


def sweep_leftovers(folder: Path, *, now_s: float) -> int:
    """Remove what killed runs left half-written in `folder`, and say how many files that was.

    Only files of ours that nobody has written to for an hour go: another process may be at work in the same folder.
    `now_s` is in seconds since the epoch. What cannot be removed stays.
    """
    removed = 0
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError):
            if leftover.is_file() and now_s - leftover.stat().st_mtime > _LEFTOVER_AGE_S:
                leftover.unlink()
                removed += 1
    return removed


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where results are kept between runs: `$AVLINK_CACHE_DIR`, else `avlink` in the platform's cache folder."""
    if chosen := environ.get("AVLINK_CACHE_DIR"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "avlink"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "avlink" / "Cache"
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "avlink"


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _NO_ROOM_BYTES
    except OSError:
        return False


def _sentence(path: Path, error: OSError) -> str:
    reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
    return f"{path} cannot be written: {reason}"
