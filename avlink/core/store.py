"""The cache on disk: immutable files by key.

An entry is an object `objects/ab/cdef....<suffix>` and a small JSON sidecar `....meta.json` with the object's size and
digest and metadata of the writer. Both are moved into place, the sidecar last, so that an entry is complete or absent.
Nothing is ever unpickled.

Disks fail and programs write where they should not: an object is compared with its digest when it is first asked for,
and an entry that is damaged counts as absent, so that its caller creates it again. The sidecar has a digest of itself
and of its key, since entries may also change places. Sidecars of earlier versions have no digests; the callers of their
objects check the content.

The sidecar's modification time is the time of last use. Any entry may be removed at any time, by `avlink cache prune`
or by hand: a caller who finds it gone creates it again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from avlink.core.errors import AvlinkError
from avlink.core.hashing import JsonValue, bytes_digest, content_digest, digest
from avlink.core.paths import TEMPORARY_PREFIX, atomic_write, write_text

_SIDECAR = ".meta.json"
_OLD_FIELDS = {"object", "size", "meta"}
"""The fields of sidecars before there were digests."""

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

    def __init__(self, root: Path, *, on_damaged: Callable[[Path], None] | None = None) -> None:
        """Use `root`, which is created when something is put.

        `on_damaged` is called with the path of each object that turns out to be damaged, once.
        """
        self.root = root
        self._on_damaged = on_damaged
        self._damaged: set[str] = set()
        # The state of each object that was compared with its digest, so that this is done once a run.
        self._verified: dict[str, tuple[int, ...]] = {}

    def get(self, key: str, *, valid: Callable[[Path], bool] | None = None) -> Path | None:
        """Return the path of the object of `key`, or None if there is none or it is damaged; mark it as used.

        An object without a digest, of an earlier version, counts as damaged if `valid` returns False for it, and gets
        one if it returns True.

        Another process may remove the object before it is opened; once open it can be read to its end.
        """
        entry = self._verify(key, valid)
        if entry is None:
            return None
        mark_used(self._stem(key, _SIDECAR))
        return entry.path

    def get_text(self, key: str) -> str | None:
        """Return the object of `key` as UTF-8 text; None if there is none or it is damaged. Mark it as used."""
        entry = self._read(key)
        if entry is None:
            return None
        try:
            content = entry.path.read_bytes()
            text = content.decode("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            self._tell_damaged(key, entry.path)
            return None
        if entry.digest is not None and bytes_digest(content) != entry.digest:
            self._tell_damaged(key, entry.path)
            return None
        mark_used(self._stem(key, _SIDECAR))
        return text

    def meta(self, key: str) -> Mapping[str, JsonValue] | None:
        """Return the metadata of the object of `key`; None if `get` would give None."""
        entry = self._verify(key, None)
        return None if entry is None else entry.meta

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

        After a failure of the machine it may be damaged, and then counts as absent. Raises OutputError when the store
        cannot be written.
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
            entry = _Entry(path, temporary.stat().st_size, dict(meta), content_digest(temporary))
        self._write_sidecar(key, entry, flush=flush)
        with contextlib.suppress(OSError):
            self._verified[key] = _state(path)
        return path

    def _write_sidecar(self, key: str, entry: _Entry, *, flush: bool) -> None:
        fields: dict[str, JsonValue] = {
            "object": entry.path.name,
            "size": entry.size_bytes,
            "digest": entry.digest,
            "meta": dict(entry.meta),
        }
        fields["sidecar"] = _sidecar_digest(key, fields)
        write_text(self._stem(key, _SIDECAR), json.dumps(fields, sort_keys=True), flush=flush)

    def _stem(self, key: str, suffix: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"a store key is a hexadecimal digest, not {key!r}")
        if not suffix.startswith(".") or "/" in suffix:
            raise ValueError(f"a suffix begins with a dot, not {suffix!r}")
        return self.root.joinpath("objects", key[:2], f"{key[2:]}{suffix}")

    def _verify(self, key: str, valid: Callable[[Path], bool] | None) -> _Entry | None:
        """Return the entry of `key` if its object is as it was put; None if it is absent or damaged."""
        entry = self._read(key)
        if entry is None:
            return None
        try:
            state = _state(entry.path)
            if self._verified.get(key) == state:
                return entry
            if entry.digest is not None:
                whole = content_digest(entry.path) == entry.digest
            else:
                whole = valid is None or valid(entry.path)
        except FileNotFoundError:
            return None
        except OSError:
            whole = False
        if not whole:
            self._tell_damaged(key, entry.path)
            return None
        if entry.digest is None:
            if valid is None:
                return entry
            with contextlib.suppress(OSError, AvlinkError):
                self._write_sidecar(key, replace(entry, digest=content_digest(entry.path)), flush=False)
        self._verified[key] = state
        return entry

    def _read(self, key: str) -> _Entry | None:
        """Return what the sidecar of `key` says, if there is an object of that size; None if absent or damaged."""
        sidecar = self._stem(key, _SIDECAR)
        try:
            fields = json.loads(sidecar.read_text(encoding="utf-8"))
            if fields.keys() != _OLD_FIELDS and fields.pop("sidecar") != _sidecar_digest(key, fields):
                raise ValueError("the sidecar is damaged")
            entry = _Entry(sidecar.parent / fields["object"], fields["size"], fields["meta"], fields.get("digest"))
            if entry.path.parent != sidecar.parent or entry.path.name.partition(".")[0] != key[2:]:
                raise ValueError("the sidecar is that of another entry")
            if entry.path.stat().st_size != entry.size_bytes or not isinstance(entry.meta, Mapping):
                raise ValueError("the object has another size")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # A broken entry counts as absent, whatever is wrong with it.
            self._tell_damaged(key, sidecar)
            return None
        return entry

    def _tell_damaged(self, key: str, path: Path) -> None:
        if key not in self._damaged and self._on_damaged is not None:
            self._damaged.add(key)
            self._on_damaged(path)


@dataclass(frozen=True, slots=True)
class _Entry:
    """The content of a sidecar; `digest` is None in those of earlier versions."""

    path: Path
    size_bytes: int
    meta: Mapping[str, JsonValue]
    digest: str | None


def _sidecar_digest(key: str, fields: Mapping[str, JsonValue]) -> str:
    return digest(["sidecar", key, fields])


def _state(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns


def mark_used(path: Path) -> None:
    """Set the modification time of a path in the cache to now, if it exists and permissions allow it."""
    with contextlib.suppress(OSError):
        os.utime(path)
