"""The digest of a file's content, read once and remembered by path, size, modification time and inode."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from avlink.core.errors import MediaError
from avlink.core.hashing import DIGEST_BYTES, digest
from avlink.core.store import Store

_CHUNK_BYTES = 1 << 20
_DIGEST = re.compile(rf"[0-9a-f]{{{2 * DIGEST_BYTES}}}")
_memo: dict[tuple[str, int, int, int], str] = {}


def file_digest(path: Path, store: Store | None = None) -> str:
    """Return the digest of a file's whole content, 40 hexadecimal digits.

    Reading is skipped where a file of the same path, size, modification time and inode was read before: in this
    process, or, when a `store` is given, in an earlier one. The inode is part of the identity because copies that keep
    times can put another file of the same size and time in the place of the first.

    Raises MediaError when the file cannot be read.
    """
    try:
        resolved = path.resolve()
        stat = resolved.stat()
        seen = (str(resolved), stat.st_size, stat.st_mtime_ns, stat.st_ino)
        if seen in _memo:
            return _memo[seen]
        key = digest(["file_digest", *seen])
        known = store.get_text(key) if store is not None else None
        if known is not None and not _DIGEST.fullmatch(known):
            known = None
        value = _read_digest(resolved) if known is None else known
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror or error}") from error
    if store is not None and known is None:
        store.put_text(key, ".txt", value)
    _memo[seen] = value
    return value


def _read_digest(path: Path) -> str:
    content = hashlib.blake2b(digest_size=DIGEST_BYTES)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            content.update(chunk)
    return content.hexdigest()
