"""The lock of a library: one process at a time reads or removes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from avlink.core.errors import LibraryError, OutputError
from avlink.core.paths import make_folder
from avlink.library.index import LibraryIndex
from avlink.library.values import Library


@contextmanager
def hold_library(index: LibraryIndex, library: Library) -> Iterator[None]:
    """Hold the lock of a library for a block; the system frees it where the process dies.

    Raises LibraryError where another process holds it, OutputError where no lock can be written.
    """
    folder = index.path.parent / "locks"
    make_folder(folder)
    lock = FileLock(folder / f"library-{library.id}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LibraryError(
            f"the sound library '{library.name}' is being read by another process; wait until it is done"
        ) from None
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()
