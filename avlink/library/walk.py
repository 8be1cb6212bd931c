"""The files of a library's folder: sounds, sheets and licences."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from avlink.core.errors import InputError
from avlink.core.input_files import check_name, check_regular
from avlink.library.licences import find_licence_file, read_licence
from avlink.library.sheets import SUFFIXES as SHEET_SUFFIXES
from avlink.library.sheets import Sheets

SUFFIXES = frozenset(
    (".wav", ".wave", ".bwf", ".rf64", ".aif", ".aiff", ".aifc", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a")
)
"""Files that are taken for sounds, in any case."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A sound file; `name` is its path below the root, with "/" on every system."""

    name: str
    size_bytes: int
    mtime_ns: int


@dataclass(slots=True)
class LibraryFolder:
    """Everything that was found in a library's folder. `troubles` are sentences on what could not be read."""

    files: list[FoundFile] = field(default_factory=list)
    sheets: Sheets = field(default_factory=Sheets)
    troubles: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Folders below the root that could not be read: their sounds may still be there."""
    _licences: dict[str, str] = field(default_factory=dict)

    def licence(self, name: str) -> str:
        """Return the licence that the nearest folder above a sound states in a file; "" if none does."""
        for folder in PurePosixPath(name).parents:
            found = self._licences.get(folder.as_posix())
            if found:
                return found
        return ""


def walk_folder(root: Path) -> LibraryFolder:
    """Return the sounds, sheets and licences below `root`, in the order of names.

    Hidden files and folders are passed over, as are symbolic links to folders, which may lead in circles.
    """
    found = LibraryFolder()
    _walk(root, root, found)
    found.files.sort(key=lambda one: one.name)
    return found


def _walk(root: Path, folder: Path, found: LibraryFolder) -> None:
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        below = folder.relative_to(root).as_posix()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            found.troubles.append(f"the folder {folder} cannot be read: {error.strerror or error}")
            found.unread.append(below)
            continue
        names = [entry.name for entry in entries]
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                check_name(Path(entry.path))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                else:
                    _take(root, Path(entry.path), found)
            except (InputError, OSError) as error:
                found.troubles.append(str(error))
        licence = find_licence_file(names)
        if licence:
            found._licences[below] = read_licence(folder / licence)


def _take(root: Path, path: Path, found: LibraryFolder) -> None:
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        # Through a link to a file, for the state is that of the file itself; a folder named "x.wav" is none.
        check_regular(path)
        stat = path.stat()
        if path.is_dir():
            return
        found.files.append(FoundFile(path.relative_to(root).as_posix(), stat.st_size, stat.st_mtime_ns))
    elif suffix in SHEET_SUFFIXES:
        found.sheets.add(root, path)
