"""Reading files that users name: regular ones, up to a size, with every failure in one sentence."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from avlink.core.errors import AvlinkError, InputError
from avlink.core.limits import Limit

_KINDS = (
    (stat.S_ISFIFO, "a pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# What parsers and decoders raise at damaged or malicious bytes, besides errors of their own.
_FAULTS = (
    ArithmeticError,
    EOFError,
    LookupError,
    NotImplementedError,
    RecursionError,
    ValueError,
    struct.error,
    zlib.error,
)


def check_regular(path: Path, error: type[InputError] = InputError) -> None:
    """Raise `error` for a pipe, a socket or a device: reading one may never end. Nothing is said of missing files."""
    check_name(path, error)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        # Missing, or not to be looked at: its reader says so.
        return
    for is_kind, name in _KINDS:
        if is_kind(mode):
            raise error(f"{path} is {name}, not a file; save its content as a file and name that")


def check_name(path: Path, error: type[InputError] = InputError) -> None:
    """Raise `error` for a path that is not in the encoding of the file system, and so in no text, such as a project."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise error(f"the name '{shown}' is not text in UTF-8, which projects and reports need; rename it") from None


def read_bytes(path: Path, limit: Limit, error: type[InputError] = InputError) -> bytes:
    """Return the content of a file. Raises `error` where it is no file, larger than `limit`, or cannot be read."""
    check_regular(path, error)
    try:
        limit.check(path.stat().st_size, path, error)
        with path.open("rb") as file:
            # A file may grow, or say 0 as those in /proc do.
            content = file.read(limit.most + 1)
    except OSError as failure:
        raise error(f"{path} cannot be read: {failure.strerror or failure}") from failure
    limit.check(len(content), path, error)
    return content


def read_text(path: Path, limit: Limit, error: type[InputError] = InputError) -> str:
    """Return the UTF-8 text of a file, without its byte-order mark. Raises `error` as `read_bytes`, or for no text."""
    try:
        return read_bytes(path, limit, error).decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise error(f"{path} is no text in UTF-8 (byte {failure.start}); save it again") from failure


@contextlib.contextmanager
def faults_of(
    subject: object, error: type[InputError] = InputError, *, advice: str = "copy it again"
) -> Iterator[None]:
    """Turn what parsers raise at damaged bytes into `error`, which says that `subject` is damaged.

    Use it around code that does nothing but read one file: an error of ours in it is taken for the file's.
    """
    # It takes time to import, and the rest of this module is part of every start.
    import lzma

    try:
        yield
    except AvlinkError:
        raise
    except (*_FAULTS, lzma.LZMAError) as failure:
        raise error(f"{subject} is damaged: {describe(failure)}; {advice}") from failure


def describe(failure: Exception) -> str:
    """Return what a parser says, as the first line of its text in lower case, without its own name for the error."""
    if isinstance(failure, RecursionError):
        return "it is nested too deep, or refers to itself"
    lines = str(failure).strip().splitlines()
    if not lines:
        return "it is not what its format prescribes"
    return f"{lines[0][:1].lower()}{lines[0][1:200]}".rstrip(".")
