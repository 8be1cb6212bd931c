"""Full disks: recognised in the errors of many writers, and told in one sentence that names the folder."""

from __future__ import annotations

import errno
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from avlink.core.errors import AvlinkError, DiskFull, OutputError

_REASONS = {
    errno.ENOSPC: "is full: there is no space left on its disk",
    errno.EDQUOT: "is full: your quota of its disk is used up",
    errno.EFBIG: "is full for a file of this size: it would be larger than the system allows",
}
_FULL_BELOW_BYTES = 1 << 16
# Libraries in Rust, such as safetensors, give the number of the system's error only in the text of theirs.
_NUMBER_IN_TEXT = re.compile(r"\(os error (\d+)\)")
# numpy writes arrays through C's stdio, and says no more than this when that stops.
_SHORT_WRITE = re.compile(r"^\d+ requested and \d+ written$")


def disk_full(error: BaseException, folder: Path, *, subject: str = "") -> DiskFull | None:
    """Return the error that tells of a full disk if that is the cause of `error`, else None.

    `folder` is where the failed code writes. If it has space, but the file that the error names lies elsewhere or the
    temporary folder is full, that folder is named. `subject` is what cannot be written, as the sentence's subject.
    """
    number, named = _cause(error)
    place = named.parent if named is not None else folder
    temporary = _temporary_folder()
    if named is None and not has_no_space(folder) and temporary is not None and has_no_space(temporary):
        place = temporary
    if number is None:
        # Writers that wrap the system's error in one of their own, as torch does, hide its number.
        if not isinstance(error, Exception) or not has_no_space(place):
            return None
        number = errno.ENOSPC
    subject = subject or ("a temporary file" if place == temporary else "a file")
    advice = "free some space there" + (", or set TMPDIR to another folder" if place == temporary else "")
    return DiskFull(f"{subject} cannot be written: '{place}' {_REASONS[number]}; {advice} and repeat the command")


@contextmanager
def report_full_disk(folder: Path) -> Iterator[None]:
    """Raise DiskFull instead of any error of the block that a full disk causes; the block writes to `folder`."""
    try:
        yield
    except (AvlinkError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # BaseException: errors of torch's checkpoints do not derive from Exception.
        full = disk_full(error, folder)
        if full is None:
            raise
        raise full from error


def temporary_file_error(error: OSError, content: str) -> OutputError:
    """Return the error to raise where a temporary file of `content`, such as "sound", cannot be written."""
    folder = _temporary_folder() or Path(tempfile.gettempprefix())
    full = disk_full(error, folder, subject=f"a temporary file of {content}")
    if full is not None:
        return full
    return OutputError(
        f"no temporary file of {content} can be written in '{folder}' ({error.strerror or error}); "
        "free some space or set TMPDIR"
    )


def is_disk_full(error: BaseException) -> bool:
    """Return True if a full disk is the cause of `error` by what it, or an error below it, says of itself."""
    return _cause(error)[0] is not None


def has_no_space(folder: Path) -> bool:
    """Return True if the disk of an existing folder is full, or has so little space that nothing fits."""
    try:
        return shutil.disk_usage(folder).free < _FULL_BELOW_BYTES
    except OSError:
        return False


def _cause(error: BaseException) -> tuple[int | None, Path | None]:
    """Return the number of the system's error below `error` that tells of a full disk, and the file that it names."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause in seen:
            continue
        seen.append(cause)
        number = _number(cause)
        if number is not None:
            # A copy names its source first, and then the file that cannot be written.
            name = getattr(cause, "filename2", None) or getattr(cause, "filename", None)
            return number, Path(name) if isinstance(name, str) and name else None
        waiting += [below for below in (cause.__cause__, cause.__context__) if below is not None]
        # Errors of torch's checkpoints hold the error of each process, with its traceback.
        failures = getattr(cause, "failures", None)
        if isinstance(failures, Mapping):
            waiting += [one[0] for one in failures.values() if isinstance(one, tuple) and one]
    return None, None


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno in _REASONS:
        return error.errno
    text = str(error)
    if isinstance(error, OSError) and error.errno is None and _SHORT_WRITE.match(text):
        return errno.ENOSPC
    # Not imported here: this module is part of every start, and only code that uses databases raises its errors.
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 is not None and isinstance(error, sqlite3.OperationalError) and "disk is full" in text:
        return errno.ENOSPC
    inside = _NUMBER_IN_TEXT.search(text)
    return int(inside[1]) if inside and int(inside[1]) in _REASONS else None


def _temporary_folder() -> Path | None:
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return None
