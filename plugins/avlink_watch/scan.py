"""A listing of a watched folder: names that are ignored, signatures by which a change is noticed.

Change notifications of the system only say when to scan; the scan is the truth.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from avlink import TEMPORARY_PREFIX

if sys.platform == "linux":
    import fcntl

# Syncthing, rsync and unison hide unfinished files; macOS writes "._*" and ".DS_Store".
_HIDDEN = "."
_TEMPORARY_PREFIXES = ("~$", "~syncthing~", TEMPORARY_PREFIX)
# Browsers, FTP programs, aria2, BitTorrent and Resilio Sync.
_UNFINISHED_SUFFIXES = (
    ".part",
    ".partial",
    ".crdownload",
    ".download",
    ".opdownload",
    ".filepart",
    ".tmp",
    ".temp",
    ".aria2",
    ".!sync",
    ".!ut",
    ".!qb",
    ".bc!",
    ".~tmp",
)
_SYSTEM_NAMES = frozenset(
    {
        "thumbs.db",
        "desktop.ini",
        "@eadir",
        "__macosx",
        "#recycle",
        "$recycle.bin",
        "lost+found",
        "system volume information",
    }
)
_OWN_RESULTS = re.compile(r"\.foley(_t\d+)?\.[^.]+$|\.error\.txt$|\.stems$", re.IGNORECASE)
_BUNDLE_SUFFIX = ".otiod"


class FolderGone(Exception):
    """Raised when the watched folder does not exist or cannot be listed; the message says why."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Properties that change when a file is written to or replaced. Those of a bundle folder cover all its files."""

    size: int
    mtime_ns: int
    inode: int

    def __str__(self) -> str:
        return f"{self.size}:{self.mtime_ns}:{self.inode}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFile:
    """A file, by its path from the watched folder with forward slashes.

    `unfinished`: a file beside it, such as clip.mp4.part, says that it is still being written.
    """

    path: str
    signature: Signature
    unfinished: bool = False


@dataclass(slots=True)
class FolderListing:
    """The included files by path, and a sentence for each entry that could not be listed."""

    files: dict[str, SeenFile] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def is_ignored(name: str) -> bool:
    """Return True for names of hidden and unfinished files, of the system's, and of our own results."""
    lower = name.lower()
    return (
        lower.startswith((_HIDDEN, *_TEMPORARY_PREFIXES))
        or lower.endswith(_UNFINISHED_SUFFIXES)
        or lower in _SYSTEM_NAMES
        or _OWN_RESULTS.search(name) is not None
    )


def has_unfinished_sibling(name: str, siblings: Collection[str]) -> bool:
    """Return True if `siblings` hold this name with a suffix of unfinished files, such as clip.mp4.aria2."""
    return any(f"{name}{suffix}" in siblings for suffix in _UNFINISHED_SUFFIXES)


def folder_identity(root: Path) -> tuple[int, int]:
    """Return device and inode, which tell a folder from another of the same name. Raises FolderGone."""
    try:
        found = os.stat(root)
    except OSError as error:
        raise FolderGone(_why_gone(root, error)) from error
    if not stat.S_ISDIR(found.st_mode):
        raise FolderGone(f"{root} is no folder any more")
    return (found.st_dev, found.st_ino)


def list_files(
    root: Path, *, include: Callable[[str], bool], recursive: bool, skip: Collection[Path] = ()
) -> FolderListing:
    """List every file whose path `include` accepts; with `recursive` also in folders below, except those in `skip`.

    Links to files count as files, links to folders are not followed. A file that vanishes during the scan is left out.

    Raises FolderGone when the folder itself cannot be listed.
    """
    listing = FolderListing()
    folders = [""]
    while folders:
        prefix = folders.pop()
        folder = root / prefix if prefix else root
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except OSError as error:
            if not prefix:
                raise FolderGone(_why_gone(root, error)) from error
            if not isinstance(error, FileNotFoundError):
                listing.problems.append(f"{folder} cannot be listed: {error.strerror or error}")
            continue
        names = {entry.name for entry in entries}
        for entry in entries:
            path = f"{prefix}/{entry.name}" if prefix else entry.name
            if is_ignored(entry.name) or Path(entry.path) in skip:
                continue
            if not _is_text(path):
                listing.problems.append(f"the name {path!r} is no Unicode text; give the file another one")
                continue
            try:
                signature = _entry_signature(entry) if include(path) else None
            except OSError:
                continue
            if signature is not None:
                unfinished = has_unfinished_sibling(entry.name, names)
                listing.files[path] = SeenFile(path=path, signature=signature, unfinished=unfinished)
            elif recursive and entry.is_dir(follow_symlinks=False) and not _is_bundle_folder(entry.name):
                folders.append(path)
    return listing


def read_signature(path: Path) -> Signature | None:
    """Return the signature of a file, or of a folder with everything in it; None if it does not exist."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _folder_signature(path, found) if stat.S_ISDIR(found.st_mode) else _file_signature(found)


def is_open_for_writing(path: Path) -> bool:
    """Return True if some process has the file open for writing; False if none has, or the system does not say.

    Linux refuses a read lease on a file that is open for writing (fcntl(2), F_SETLEASE). It grants leases only for
    local files that belong to the caller, so False proves nothing.
    """
    if sys.platform != "linux":
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    else:
        with contextlib.suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False
    finally:
        os.close(handle)


def _is_bundle_folder(name: str) -> bool:
    """Return True for the name of a folder that is a timeline with its media inside."""
    return name.lower().endswith(_BUNDLE_SUFFIX)


def _entry_signature(entry: os.DirEntry[str]) -> Signature | None:
    found = entry.stat()
    if stat.S_ISREG(found.st_mode):
        return _file_signature(found)
    if stat.S_ISDIR(found.st_mode) and _is_bundle_folder(entry.name):
        return _folder_signature(Path(entry.path), found)
    return None


def _file_signature(found: os.stat_result) -> Signature:
    return Signature(found.st_size, found.st_mtime_ns, found.st_ino)


def _folder_signature(folder: Path, found: os.stat_result) -> Signature:
    size, mtime_ns = 0, found.st_mtime_ns
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                inside = os.stat(os.path.join(parent, name))
            except OSError:
                continue
            size += inside.st_size
            mtime_ns = max(mtime_ns, inside.st_mtime_ns)
    return Signature(size, mtime_ns, found.st_ino)


def _is_text(name: str) -> bool:
    # Linux allows any bytes in names. Python decodes invalid ones to surrogates, which SQLite and UTF-8 output refuse.
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _why_gone(root: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{root} is not there"
    return f"{root} cannot be listed: {error.strerror or error}"
