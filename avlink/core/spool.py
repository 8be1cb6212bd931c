"""Temporary files of bytes, for sound, pictures and tensors that are too long for memory."""

from __future__ import annotations

import contextlib
import tempfile
import weakref
from typing import Protocol

from avlink.core.disk import temporary_file_error


class Closable(Protocol):
    """An open file."""

    def close(self) -> object:
        """Write what is buffered, and close the file."""
        ...


class SpoolFile:
    """Bytes in memory, and in a temporary file once there are more than `in_memory_bytes`.

    The file has no name on most systems, and is gone when this object is, also after an error. `content` is for the
    sentence of an error, such as "sound". Several threads must not use it at the same time.
    """

    def __init__(self, content: str, *, in_memory_bytes: int) -> None:
        self._content = content
        self._file = tempfile.SpooledTemporaryFile(max_size=in_memory_bytes, prefix="avlink-spool-")  # noqa: SIM115
        weakref.finalize(self, close_quietly, self._file)

    def write(self, offset: int, data: bytes) -> None:
        """Replace the bytes from `offset` on, or append them there.

        Raises DiskFull if the temporary folder has no space, OutputError if it cannot be written otherwise.
        """
        try:
            self._file.seek(offset)
            self._file.write(data)
            # What stays in a buffer would fail later, in the midst of a read.
            self._file.flush()
        except OSError as error:
            raise temporary_file_error(error, self._content) from error

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset` on."""
        self._file.seek(offset)
        return self._file.read(size)


def close_quietly(file: Closable) -> None:
    """Close a temporary file that is needed no more, also where that fails."""
    # Closing writes what is buffered: on a full disk that fails once more, and nobody needs it.
    with contextlib.suppress(OSError):
        file.close()
