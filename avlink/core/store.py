"""The cache on disk: immutable files by key.

An entry is an object `objects/ab/cdef....<suffix>` and a small JSON sidecar `....meta.json` with the object's size and
metadata of the writer. Both are moved into place, the sidecar last, so that an entry is complete or absent; readers
check the size. Nothing is ever unpickled.

The sidecar's modification time is the time of last use. Any entry may be removed at any time, by `avlink cache prune`
or by hand: a caller who finds it gone creates it again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from avlink.core.hashing import JsonValue
from avlink.core.paths import TEMPORARY_PREFIX, atomic_write, write_text

_SIDECAR = ".meta.json"
_KEY = re.compile(r"[0-9a-f]{8,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEntry:
    """One entry of the store: its files with the sidecar last, their size, and the time of last use.

    `suffix` is the object's, "" where only a sidecar is left. `used_s` is in seconds since the epoch.
    """

    suffix: str
    files: tuple[Path, ...]
    size_bytes: int
    used_s: float

    def remove(self) -> bool:
        """Remove the entry and return True, unless it was used since it was listed or the system refuses."""
        try:
            if os.stat(self.files[-1]).st_mtime > self.used_s:
                return False
            # The object first: Windows does not remove open files, and then the entry stays complete.
            for file in self.files:
                file.unlink(missing_ok=True)
        except OSError:
            return False
        return True


class Store:
    """A folder of immutable objects, which several processes may use at the same time."""

    def __init__(self, root: Path) -> None:
        """Use `root`, which is created when something is put."""
        self.root = root

    def get(self, key: str) -> Path | None:
        """Return the path of the object of `key`, or None if there is none or it is incomplete; mark it as used.

        Another process may remove the object before it is opened; once open it can be read to its end.
        """
        entry = self._read(key)
        if entry is None:
            return None
        mark_used(self._stem(key, _SIDECAR))
        return entry[0]

    def get_text(self, key: str) -> str | None:
        """Return the object of `key` as UTF-8 text; None if `get` gives None, it vanished, or it is no text."""
        path = self.get(key)
        try:
            return None if path is None else path.read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def meta(self, key: str) -> Mapping[str, JsonValue] | None:
        """Return the metadata of the object of `key`; None if `get` would give None."""
        entry = self._read(key)
        return None if entry is None else entry[1]

    def put_file(
        self, key: str, suffix: str, write: Callable[[Path], None], meta: Mapping[str, JsonValue] | None = None
    ) -> Path:
        """Let `write` fill a temporary path, and store the result as the object of `key`; return its path.

        `key` is hexadecimal, as `digest` returns it; `suffix` begins with a dot. An existing object is replaced.

        Raises OutputError when the store cannot be written, and whatever `write` raises.
        """
        return self._put(key, suffix, write, meta or {}, flush=True)

    def put_text(self, key: str, suffix: str, text: str) -> Path:
        """Store a text as the object of `key` without flushing it to the disk, for thousands of small entries.

        After a failure of the machine its content may be anything, so readers must validate it. Raises OutputError
        when the store cannot be written.
        """

        def write(temporary: Path) -> None:
            temporary.write_text(text, encoding="utf-8", newline="\n")

        return self._put(key, suffix, write, {}, flush=False)

    def entries(self) -> Iterator[StoreEntry]:
        """Yield all entries, also incomplete ones, but not those that are being written."""
        for folder in sorted(self.root.glob("objects/??")):
            by_key: dict[str, list[tuple[Path, os.stat_result]]] = {}
            for path in sorted(folder.iterdir()):
                if path.name.startswith(TEMPORARY_PREFIX):
                    continue
                with contextlib.suppress(OSError):
                    by_key.setdefault(path.name.partition(".")[0], []).append((path, path.stat()))
            for found in by_key.values():
                found.sort(key=lambda file: file[0].name.endswith(_SIDECAR))
                suffix = found[0][0].suffix if not found[0][0].name.endswith(_SIDECAR) else ""
                yield StoreEntry(
                    suffix=suffix,
                    files=tuple(path for path, _ in found),
                    size_bytes=sum(stat.st_size for _, stat in found),
                    used_s=found[-1][1].st_mtime,
                )

    def _put(
        self, key: str, suffix: str, write: Callable[[Path], None], meta: Mapping[str, JsonValue], *, flush: bool
    ) -> Path:
        path = self._stem(key, suffix)
        with atomic_write(path, flush=flush) as temporary:
            write(temporary)
            size = temporary.stat().st_size
        entry = {"object": path.name, "size": size, "meta": dict(meta)}
        write_text(self._stem(key, _SIDECAR), json.dumps(entry, sort_keys=True), flush=flush)
        return path

    def _stem(self, key: str, suffix: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"a store key is a hexadecimal digest, not {key!r}")
        if not suffix.startswith(".") or "/" in suffix:
            raise ValueError(f"a suffix begins with a dot, not {suffix!r}")
        return self.root.joinpath("objects", key[:2], f"{key[2:]}{suffix}")

    def _read(self, key: str) -> tuple[Path, Mapping[str, JsonValue]] | None:
        sidecar = self._stem(key, _SIDECAR)
        try:
            entry = json.loads(sidecar.read_text(encoding="utf-8"))
            path = sidecar.parent / entry["object"]
            whole = path.stat().st_size == entry["size"]
        except (OSError, ValueError, KeyError, TypeError):
            # A broken entry counts as absent, whatever is wrong with it.
            return None
        return (path, entry["meta"]) if whole else None


def mark_used(path: Path) -> None:
    """Set the modification time of a path in the cache to now, if it exists and permissions allow it."""
    with contextlib.suppress(OSError):
        os.utime(path)
