"""What lies in a watched folder now. Events of the system are hints; this is the truth."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from avlink_watch.names import is_arriving, is_bundle_folder, is_ignored


class FolderGone(Exception):
    """The watched folder is not there, or cannot be listed; the message says why."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What changes when a file is written to or replaced. Of a folder: the sum of what is in it."""

    size: int
    changed_ns: int
    inode: int

    def __str__(self) -> str:
        return f"{self.size}:{self.changed_ns}:{self.inode}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A file, by its path from the watched folder with forward slashes. `arriving`: one beside it says so."""

    path: str
    signature: Signature
    arriving: bool = False


@dataclass(slots=True)
class Listing:
    """All files that are meant, by path, and sentences on what could not be looked at."""

    files: dict[str, Seen] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


def folder_identity(root: Path) -> tuple[int, int]:
    """Device and inode, by which a folder is told from another that took its place. Raises FolderGone."""
    try:
        found = os.stat(root)
    except OSError as error:
        raise FolderGone(_why_gone(root, error)) from error
    if not stat.S_ISDIR(found.st_mode):
        raise FolderGone(f"{root} is no folder any more")
    return (found.st_dev, found.st_ino)


def list_files(root: Path, *, wanted: Callable[[str], bool], below: bool, skip: Collection[Path] = ()) -> Listing:
    """Every file that is `wanted` by its path; with `below`, also in folders below, except those in `skip`.

    Links to files count as files, links to folders are not followed. What vanishes meanwhile is not there.

    Raises FolderGone when the folder itself cannot be listed.
    """
    listing = Listing()
    folders = [""]
    while folders:
        prefix = folders.pop()
        place = root / prefix if prefix else root
        try:
            with os.scandir(place) as found:
                entries = list(found)
        except OSError as error:
            if not prefix:
                raise FolderGone(_why_gone(root, error)) from error
            if not isinstance(error, FileNotFoundError):
                listing.troubles.append(f"{place} cannot be listed: {error.strerror or error}")
            continue
        names = {entry.name for entry in entries}
        for entry in entries:
            path = f"{prefix}/{entry.name}" if prefix else entry.name
            if is_ignored(entry.name) or Path(entry.path) in skip:
                continue
            if not _can_be_written(path):
                listing.troubles.append(f"the name {path!r} is no Unicode text; give the file another one")
                continue
            try:
                signature = _look(entry, wanted(path))
            except OSError:
                continue
            if signature is not None:
                listing.files[path] = Seen(path=path, signature=signature, arriving=is_arriving(entry.name, names))
            elif below and entry.is_dir(follow_symlinks=False) and not is_bundle_folder(entry.name):
                folders.append(path)
    return listing


def sign(path: Path) -> Signature | None:
    """The signature of a file, or of a folder with all that is in it; None if it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _sum(path, found) if stat.S_ISDIR(found.st_mode) else _of(found)


def _look(entry: os.DirEntry[str], wanted: bool) -> Signature | None:
    if not wanted:
        return None
    found = entry.stat()
    if stat.S_ISREG(found.st_mode):
        return _of(found)
    if stat.S_ISDIR(found.st_mode) and is_bundle_folder(entry.name):
        return _sum(Path(entry.path), found)
    return None


def _of(found: os.stat_result) -> Signature:
    return Signature(found.st_size, found.st_mtime_ns, found.st_ino)


def _sum(folder: Path, found: os.stat_result) -> Signature:
    size, changed_ns = 0, found.st_mtime_ns
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                inside = os.stat(os.path.join(place, name))
            except OSError:
                continue
            size += inside.st_size
            changed_ns = max(changed_ns, inside.st_mtime_ns)
    return Signature(size, changed_ns, found.st_ino)


def _can_be_written(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _why_gone(root: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{root} is not there"
    return f"{root} cannot be listed: {error.strerror or error}"
