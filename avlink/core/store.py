"""The cache on disk: whole files by the name of what they answer.

An entry is `objects/ab/cdef....<suffix>` plus a small JSON sidecar `....meta.json` with the size of the object and
whatever the writer wants to remember. Both are moved into place, the sidecar last, so an entry is there as a whole
or not at all; readers check the size. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from avlink.core.hashing import JsonValue
from avlink.core.paths import atomic_write, write_text

_SIDECAR = ".meta.json"


class Store:
    """A folder of immutable objects. Several processes may use one at the same time."""

    def __init__(self, root: Path) -> None:
        """Use `root`; nothing is made until something is put."""
        self.root = root

    def get(self, key: str) -> Path | None:
        """The object of `key`, or None when there is none or it was cut short."""
        entry = self._read(key)
        return None if entry is None else entry[0]

    def meta(self, key: str) -> Mapping[str, JsonValue] | None:
        """What was remembered with the object of `key`; None when `get` would give None."""
        entry = self._read(key)
        return None if entry is None else entry[1]

    def put_file(
        self, key: str, suffix: str, write: Callable[[Path], None], meta: Mapping[str, JsonValue] | None = None
    ) -> Path:
        """Let `write` fill a temporary path and keep the result as the object of `key`.

        `key` is hexadecimal, as `digest` makes it; `suffix` begins with a dot. An object of that key is replaced.

        Raises OutputError when the store cannot be written, and whatever `write` raises.
        """
        path = self._stem(key, suffix)
        with atomic_write(path) as temporary:
            write(temporary)
        entry = {"object": path.name, "size": path.stat().st_size, "meta": dict(meta or {})}
        write_text(self._stem(key, _SIDECAR), json.dumps(entry, sort_keys=True))
        return path

    def _stem(self, key: str, suffix: str) -> Path:
        if len(key) < 8 or not all(letter in "0123456789abcdef" for letter in key):
            raise ValueError(f"a store key is a hexadecimal digest, not {key!r}")
        if not suffix.startswith(".") or "/" in suffix:
            raise ValueError(f"a suffix begins with a dot, not {suffix!r}")
        return self.root / "objects" / key[:2] / f"{key[2:]}{suffix}"

    def _read(self, key: str) -> tuple[Path, Mapping[str, JsonValue]] | None:
        sidecar = self._stem(key, _SIDECAR)
        try:
            entry = json.loads(sidecar.read_text(encoding="utf-8"))
            path = sidecar.parent / entry["object"]
            whole = path.stat().st_size == entry["size"]
        except (OSError, ValueError, KeyError, TypeError):
            # Whatever is wrong with a cache entry, the answer is the same: it is not there.
            return None
        return (path, entry["meta"]) if whole else None
