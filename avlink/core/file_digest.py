"""The digest of a file's content, read once and remembered, and the state of a file by which a later change shows.

A result that is made from a file is kept under the digest of that file. Whoever makes it takes the file's state before
reading, and checks it after the last byte was read: a file that was replaced meanwhile must not leave its result under
the digest of another.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from avlink.core.errors import MediaChanged, MediaError
from avlink.core.hashing import DIGEST_BYTES, JsonValue, content_digest, digest
from avlink.core.store import Store

_DIGEST = re.compile(rf"[0-9a-f]{{{2 * DIGEST_BYTES}}}")


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Everything by which a change of a file shows without reading it.

    Copies that keep times can put another file of the same size and time in the place of the first, hence the inode; a
    program that writes into the file and sets its time back changes `ctime_ns`, which no program can set. (On Windows
    that is the time of creation.)
    """

    path: str
    """Absolute, without symbolic links."""
    size_bytes: int
    mtime_ns: int
    inode: int
    ctime_ns: int

    def check(self) -> None:
        """Raise MediaChanged if the file has another identity now, or is gone."""
        path = Path(self.path)
        try:
            now = file_identity(path)
        except MediaError:
            raise changed(path) from None
        if now != self:
            raise changed(path)

    def to_json(self) -> list[JsonValue]:
        """Return the values for keys."""
        return [self.path, self.size_bytes, self.mtime_ns, self.inode, self.ctime_ns]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """A file's content at one moment: its digest and its identity. `path` is the file as it was named."""

    path: Path
    digest: str
    identity: FileIdentity

    def check(self) -> None:
        """Raise MediaChanged if the file has changed since, or is gone.

        A file whose size, time and inode are the same is read again if something else of it changed, such as its
        permissions: the same content counts as unchanged.
        """
        try:
            now = file_identity(self.path)
        except MediaError:
            raise changed(self.path) from None
        if now == self.identity:
            return
        touched = replace(self.identity, ctime_ns=now.ctime_ns)
        if now != touched or file_digest(self.path) != self.digest:
            raise changed(self.path)


_memo: dict[FileIdentity, str] = {}


def file_digest(path: Path, store: Store | None = None) -> str:
    """Return the digest of a file's whole content, 40 hexadecimal digits.

    Reading is skipped where the same file (see `FileIdentity`) was read before: in this process, or, when a `store` is
    given, in an earlier one.

    Raises MediaError when the file cannot be read, MediaChanged when it changes while it is read.
    """
    return file_state(path, store).digest


def file_state(path: Path, store: Store | None = None) -> FileState:
    """Return the state of a file: its digest, as `file_digest` finds it, and its identity.

    Raises MediaError when the file cannot be read, MediaChanged when it changes while it is read.
    """
    identity = file_identity(path)
    if identity not in _memo:
        key = digest(["file_digest", *identity.to_json()])
        known = store.get_text(key) if store is not None else None
        if known is None or not _DIGEST.fullmatch(known):
            known = _read_digest(path)
            identity.check()
            if store is not None:
                store.put_text(key, ".txt", known)
        _memo[identity] = known
    return FileState(path=path, digest=_memo[identity], identity=identity)


def file_identity(path: Path) -> FileIdentity:
    """Return the identity of a file. Raises MediaError when there is none."""
    try:
        resolved = path.resolve()
        stat = resolved.stat()
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    return FileIdentity(os.fspath(resolved), stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns)


def check_unchanged(states: Iterable[FileState]) -> None:
    """Raise MediaChanged that names the first file that has changed since its state was taken."""
    for state in states:
        state.check()


def changed(path: Path) -> MediaChanged:
    """Return the error for a file that changed while it was read."""
    return MediaChanged(f"{path} changed while it was read; run again")


def _unreadable(path: Path, error: Exception) -> MediaError:
    return MediaError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")


def _read_digest(path: Path) -> str:
    try:
        return content_digest(path)
    except OSError as error:
        raise _unreadable(path, error) from error
