"""Names for contents: the digests that cache keys and seeds are made of.

A digest is 20 bytes of BLAKE2b as 40 hexadecimal digits. Values are hashed as canonical JSON (sorted keys, no
spaces), so that the same value always has the same name. Never put a float that came out of a division into a key:
write a media time as its exact fraction.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from avlink.core.errors import MediaError

if TYPE_CHECKING:
    from avlink.core.store import Store

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_DIGEST_BYTES = 20
_CHUNK_BYTES = 1 << 20
_DIGEST = re.compile(rf"[0-9a-f]{{{2 * _DIGEST_BYTES}}}")
_memo: dict[tuple[str, int, int, int], str] = {}


def canonical_json(value: JsonValue) -> str:
    """`value` as JSON with sorted keys and no spaces.

    Raises TypeError for anything that is not JSON, ValueError for numbers that are not finite.
    """
    return _ENCODER.encode(value)


def digest(value: JsonValue) -> str:
    """The name of a JSON value: 40 hexadecimal digits."""
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def derive_seed(*parts: JsonValue) -> int:
    """A seed in [0, 2**63) that depends on every part and on nothing else."""
    return int(digest(["seed", *parts])[:16], 16) >> 1


def fraction_text(value: Fraction) -> str:
    """An exact media time as it stands in keys: "numerator/denominator" in lowest terms."""
    return f"{value.numerator}/{value.denominator}"


def file_digest(path: Path, store: Store | None = None) -> str:
    """The name of a file's whole content.

    Reading is skipped where a file of the same path, size, modification time and inode was read before: in this
    process, or, when a `store` is given, in an earlier one. Copies that keep times put another file of the same size
    and time in its place, and the inode tells.

    Raises MediaError when the file cannot be read.
    """
    try:
        resolved = path.resolve()
        stat = resolved.stat()
        seen = (str(resolved), stat.st_size, stat.st_mtime_ns, stat.st_ino)
        if seen in _memo:
            return _memo[seen]
        key = digest(["file_digest", *seen])
        known = store.text(key) if store is not None else None
        if known is not None and not _DIGEST.fullmatch(known):
            known = None
        value = _read_digest(resolved) if known is None else known
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror or error}") from error
    if store is not None and known is None:
        store.put_note(key, ".txt", value)
    _memo[seen] = value
    return value


def _read_digest(path: Path) -> str:
    content = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            content.update(chunk)
    return content.hexdigest()
