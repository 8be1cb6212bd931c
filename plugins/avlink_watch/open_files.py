"""Whether somebody still has a file open for writing, where the system tells."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

if sys.platform == "linux":
    import fcntl


def is_open_for_writing(path: Path) -> bool:
    """True if some process has the file open for writing; False if none has, or the system does not say.

    Linux refuses a read lease on a file that is open for writing (fcntl(2), F_SETLEASE). It gives them for local files
    of our own only, so False proves nothing.
    """
    if sys.platform != "linux":
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    else:
        with contextlib.suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False
    finally:
        os.close(handle)
