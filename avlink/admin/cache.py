"""`avlink cache`: listing and pruning the data that is kept between runs.

The least recently used entries are removed. Other runs may be at work: entries that were used in the last minutes stay,
and a run that finds an entry gone generates it again.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlink.core.errors import InputError
from avlink.core.paths import cache_dir, sweep_leftovers
from avlink.core.store import Store, StoreEntry

BUNDLES, FINISHED = "bundles", "finished"
"""Folders of the cache outside the store: unpacked media, and finished sounds whose only output is a movie."""

KINDS = {
    "sounds": "generated sounds",
    "pictures": "generated pictures",
    FINISHED: "finished sounds of single movies",
    BUNDLES: "media unpacked from .otioz",
    "notes": "notes on generated sounds",
    "digests": "digests of media files, and what they hold",
    "other": "other",
}
"""Kinds of entries, with their names for people."""

DEFAULT_DAYS = 30
GRACE_S = 600.0
"""Entries that were used within this time stay: a run that is at work may need them the next moment."""

# Media of a bundle are read throughout a run without being marked as used, so they stay as long as a run may take.
_BUNDLE_GRACE_S = 86400.0
_OF_SUFFIX = {".wav": "sounds", ".npy": "pictures", ".json": "notes", ".txt": "digests"}
_SECONDS = {"min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {"B": 1} | {
    f"{letter}{unit}": base**power
    for power, letter in enumerate("KMGT", start=1)
    for unit, base in (("", 1000), ("B", 1000), ("iB", 1024))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number of entries, and their size in bytes."""

    entries: int
    size_bytes: int

    def to_json(self) -> dict[str, int]:
        """Return the values for JSON."""
        return {"entries": self.entries, "bytes": self.size_bytes}


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheReport:
    """The cache's folder and its content by kind; every kind is listed."""

    folder: Path
    kinds: dict[str, Amount]

    @property
    def total(self) -> Amount:
        """All kinds together."""
        return _sum(self.kinds.values())

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        kinds = {name: amount.to_json() for name, amount in self.kinds.items()}
        return {"folder": str(self.folder), **self.total.to_json(), "kinds": kinds}


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """Entries that were removed (or would be, in a dry run) by kind; the rest; and the number kept as in use."""

    folder: Path
    removed: dict[str, Amount]
    left: Amount
    in_use: int
    dry_run: bool

    @property
    def total(self) -> Amount:
        """All removed entries together."""
        return _sum(self.removed.values())

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        return {
            "folder": str(self.folder),
            "dry_run": self.dry_run,
            "removed": self.total.to_json(),
            "left": self.left.to_json(),
            "in_use": self.in_use,
            "kinds": {name: amount.to_json() for name, amount in self.removed.items()},
        }


def look_at_cache(folder: Path | None = None) -> CacheReport:
    """Return the content of the cache in `folder`, by default this machine's."""
    folder = cache_dir() if folder is None else folder
    return CacheReport(folder=folder, kinds=_amounts(list(_pieces(folder))))


def prune_cache(
    folder: Path | None = None,
    *,
    older_than_s: float | None = None,
    max_bytes: int | None = None,
    dry_run: bool = False,
    grace_s: float = GRACE_S,
) -> PruneReport:
    """Remove entries not used for `older_than_s`, then the least recently used ones until `max_bytes` are left.

    With neither, entries not used for 30 days are removed. Entries used within `grace_s` always stay.
    """
    folder = cache_dir() if folder is None else folder
    if older_than_s is None and max_bytes is None:
        older_than_s = DEFAULT_DAYS * 86400.0
    now_s = time.time()
    pieces = sorted(_pieces(folder), key=lambda piece: piece[1].used_s)
    free = [piece for piece in pieces if now_s - piece[1].used_s >= _grace_s(piece[0], grace_s)]
    excess = sum(entry.size_bytes for _, entry in pieces) - (max_bytes or 0) if max_bytes is not None else 0
    removed = []
    kept = 0
    for kind, entry in free:
        too_old = older_than_s is not None and now_s - entry.used_s > older_than_s
        if not too_old and excess <= 0:
            continue
        if not dry_run and not entry.remove():
            kept += 1
            continue
        removed.append((kind, entry))
        excess -= entry.size_bytes
    if not dry_run:
        _tidy(folder, now_s)
    gone = _amounts(removed)
    before = _sum(_amounts(pieces).values())
    left = Amount(entries=before.entries - len(removed), size_bytes=before.size_bytes - _sum(gone.values()).size_bytes)
    return PruneReport(folder=folder, removed=gone, left=left, in_use=len(pieces) - len(free) + kept, dry_run=dry_run)


def parse_age(text: str) -> float:
    """Return the seconds of a length of time such as 30d, 12h, 45min or 2w. Raises InputError."""
    return _number(text, _SECONDS, "a length of time, such as 30d, 12h, 45min or 2w")


def parse_size(text: str) -> int:
    """Return the bytes of a size such as 10GB, 500MB or 2GiB. Raises InputError."""
    return round(_number(text, _BYTES, "a size, such as 10GB, 500MB or 2GiB"))


def size_text(size_bytes: int) -> str:
    """Format bytes for people, in powers of 1000 like the sizes that they type."""
    value, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"


def _pieces(folder: Path) -> Iterator[tuple[str, StoreEntry]]:
    """Yield all entries of the cache with their kinds. A folder of a bundle is one entry."""
    for entry in Store(folder).entries():
        yield _OF_SUFFIX.get(entry.suffix, "other"), entry
    for place in (*_inside(folder / FINISHED), *_inside(folder / BUNDLES)):
        files = tuple(path for path in sorted(place.rglob("*")) if path.is_file()) if place.is_dir() else ()
        with contextlib.suppress(OSError):
            # Use is marked on the outermost path: the only file, or the folder around several.
            yield (
                place.parent.name,
                _CacheFile(
                    suffix=place.suffix,
                    files=(*files, place),
                    size_bytes=sum(path.stat().st_size for path in (files or (place,)) if path.is_file()),
                    used_s=place.stat().st_mtime,
                ),
            )


class _CacheFile(StoreEntry):
    """A file or a folder of the cache outside the store."""

    __slots__ = ()

    def remove(self) -> bool:
        """Remove the entry as `StoreEntry` does; of a folder, everything in it that the system allows."""
        *files, place = self.files
        try:
            if place.stat().st_mtime > self.used_s:
                return False
            for file in files:
                file.unlink(missing_ok=True)
            if not place.is_dir():
                place.unlink(missing_ok=True)
                return True
            for folder in sorted((path for path in place.rglob("*") if path.is_dir()), reverse=True):
                folder.rmdir()
            place.rmdir()
        except OSError:
            return False
        return True


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def _tidy(folder: Path, now_s: float) -> None:
    """Remove temporary files of killed runs. Empty folders stay: another run may be about to write there."""
    for place in {folder / FINISHED, *(folder / "objects").glob("??")}:
        if place.is_dir():
            sweep_leftovers(place, now_s=now_s)


def _grace_s(kind: str, grace_s: float) -> float:
    return max(grace_s, _BUNDLE_GRACE_S) if kind == BUNDLES else grace_s


def _amounts(pieces: Sequence[tuple[str, StoreEntry]]) -> dict[str, Amount]:
    of = {kind: [entry.size_bytes for found, entry in pieces if found == kind] for kind in KINDS}
    return {kind: Amount(entries=len(sizes), size_bytes=sum(sizes)) for kind, sizes in of.items()}


def _sum(amounts: Iterable[Amount]) -> Amount:
    listed = list(amounts)
    return Amount(
        entries=sum(amount.entries for amount in listed), size_bytes=sum(amount.size_bytes for amount in listed)
    )


def _number(text: str, units: dict[str, int], what: str) -> float:
    known = {name.lower(): factor for name, factor in units.items()}
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    if match is None or match[2].lower() not in known:
        raise InputError(f"'{text}' is not {what}")
    return float(match[1]) * known[match[2].lower()]
