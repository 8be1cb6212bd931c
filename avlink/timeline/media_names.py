"""Search for media by name: all files below some folders, and of one name the one whose folders fit best.

Cards number their clips from one, so that C0001.MP4 lies on each of them. The folders in which a project says that its
file lies tell them apart, however much of the path above has changed.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote


def same_text(text: str) -> str:
    """Return a name in one Unicode form, as macOS writes é as two characters and others as one."""
    return unicodedata.normalize("NFC", text)


def in_any_form(path: Path) -> Path | None:
    """Return the existing path that is spelled like one in another Unicode form; None if there is none."""
    if str(path).isascii():
        return None
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        here = found / part
        if not os.path.lexists(here) and part != "..":
            try:
                alike = sorted(name for name in os.listdir(found) if same_text(name) == same_text(part))
            except (OSError, ValueError):
                return None
            if not alike:
                return None
            here = found / alike[0]
        found = here
    return found


class NameIndex:
    """The files below some folders by name. Each folder is listed once, when it is first needed."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._below: dict[str, list[Path]] | None = None

    def find(self, name: str, url: str = "") -> tuple[Path, ...]:
        """Return the files of a name that fit the path in a project best: one, none, or several that fit alike.

        Case and Unicode form are ignored where no file has the very name.
        """
        # Projects move between systems that tell upper from lower case and systems that do not.
        paths = self._listed().get(_key(name), [])
        for same in (_exact, same_text, _key):
            alike = [path for path in paths if same(path.name) == same(name) and is_file(path)]
            if alike:
                return _best(alike, url)
        return ()

    def _listed(self) -> dict[str, list[Path]]:
        if self._below is None:
            below: dict[str, list[Path]] = {}
            # One folder may be named twice, or lie below another.
            for path in dict.fromkeys(path for folder in self._folders for path in sorted(folder.rglob("*"))):
                below.setdefault(_key(path.name), []).append(path)
            self._below = below
        return self._below


def _best(paths: list[Path], url: str) -> tuple[Path, ...]:
    """Return the paths whose folders are most like those of a URL; links to one file count once."""
    if len(paths) == 1:
        return tuple(paths)
    paths = list({path.resolve(): path for path in reversed(paths)}.values())
    wanted = [{_key(part), _key(unquote(part))} for part in re.split(r"[\\/]+", url)[:-1] if part]
    likeness = {path: _likeness([_key(part) for part in path.absolute().parts[:-1]], wanted) for path in paths}
    most = max(likeness.values())
    return tuple(sorted(path for path in paths if likeness[path] == most))


def _likeness(folders: list[str], wanted: list[set[str]]) -> tuple[int, int]:
    """Return how many folders right above the file are the same, and how many are the same in order at all."""
    run = 0
    while run < min(len(folders), len(wanted)) and folders[-1 - run] in wanted[-1 - run]:
        run += 1
    # Longest common subsequence, for folders that were put in between or left out.
    row = [0] * (len(wanted) + 1)
    for folder in folders:
        before = row[:]
        for number, names in enumerate(wanted, start=1):
            row[number] = before[number - 1] + 1 if folder in names else max(before[number], row[number - 1])
    return run, row[-1]


def _exact(text: str) -> str:
    return text


def _key(text: str) -> str:
    return same_text(text).casefold()


def is_file(path: Path) -> bool:
    """Return whether there is a file; False for a path that the system refuses to look up."""
    try:
        return path.is_file()
    except OSError:
        # A name that is too long, or a loop of links: no file, whatever it is.
        return False
