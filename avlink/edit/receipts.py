"""Output receipts: notes in the cache on files that were written, with the digests of their bytes.

A file whose receipt matches is not written again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from avlink.core.file_digest import file_digest
from avlink.core.store import Store


def read_receipt(store: Store, key: str, path: Path) -> dict[str, Any] | None:
    """Return the facts kept under `key` if the file still has the bytes that were written, else None.

    The digest of the file is among them as "file".
    """
    note = store.get_text(key)
    if note is None or not path.is_file():
        return None
    known: dict[str, Any] = json.loads(note)
    return known if file_digest(path) == known["file"] else None


def write_receipt(store: Store, key: str, path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Keep `facts` on a file that was just written under `key`; return them with the file's digest as "file"."""
    known = {"file": file_digest(path), **facts}
    store.put_file(key, ".json", lambda note: _write_json(note, known))
    return known


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, sort_keys=True), encoding="utf-8")
