"""One watcher a folder: a lock of the system's, which a process that died does not hold."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from avlink import InputError, OutputError, make_folder

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextlib.contextmanager
def only_one(path: Path, folder: Path) -> Iterator[None]:
    """Hold the lock file `path` for watching `folder`.

    Raises InputError when another process holds it, OutputError when the file cannot be made.
    """
    make_folder(path.parent)
    try:
        file = path.open("a+b")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    with file:
        if not _take(file):
            file.seek(0)
            holder = file.read(20).decode("ascii", "replace").strip()
            who = f" by process {holder}" if holder else ""
            raise InputError(f"{folder} is watched already{who}; one watcher a folder is enough")
        # Only for that sentence: what counts is the lock.
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        yield


def _take(file: BinaryIO) -> bool:
    try:
        if sys.platform == "win32":
            file.seek(1 << 20)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
