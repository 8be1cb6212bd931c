"""Digests of values: the basis of cache keys and seeds.

A digest is 20 bytes of BLAKE2b as 40 hexadecimal digits. Values are hashed as canonical JSON (sorted keys, no spaces),
so that equal values have equal digests. Media times go into keys as exact fractions: a float that comes out of a
division may differ in its last bit between machines.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
DIGEST_BYTES = 20
"""Bytes of every digest: of values and of files."""

_CHUNK_BYTES = 1 << 20


def canonical_json(value: JsonValue) -> str:
    """Return `value` as JSON with sorted keys and no spaces.

    Raises TypeError for anything that is not JSON, ValueError for numbers that are not finite.
    """
    return _ENCODER.encode(value)


def digest(value: JsonValue) -> str:
    """Return the digest of a JSON value, 40 hexadecimal digits."""
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=DIGEST_BYTES).hexdigest()


def content_digest(path: Path) -> str:
    """Return the digest of a file's content, which is read whole. Raises OSError."""
    content = hashlib.blake2b(digest_size=DIGEST_BYTES)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            content.update(chunk)
    return content.hexdigest()


def bytes_digest(content: bytes) -> str:
    """Return what `content_digest` returns for a file with these bytes."""
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()


def derive_seed(*parts: JsonValue) -> int:
    """Return a seed in [0, 2**63) that depends on the parts and on nothing else."""
    return int(digest(["seed", *parts])[:16], 16) >> 1


def fraction_text(value: Fraction) -> str:
    """Return an exact media time as keys hold it: "numerator/denominator" in lowest terms."""
    return f"{value.numerator}/{value.denominator}"
