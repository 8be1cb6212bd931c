"""One generated input: its files, the commands that read them, and the facts that are known of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import Any

_OF_INPUT = re.compile(r"[\d./\\]\S|\d")
"""Marks of words that come from the input: numbers and names of files."""
_FACTS = "case.json"
_FILES = "files"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A clip of an edit: its start and its duration on the timeline in exact seconds, and its name."""

    start_s: Fraction
    duration_s: Fraction
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An input of one format, with the commands that are run in the folder of its files.

    `files` are contents by relative path; None is a folder without contents. Commands that generate get a fake backend
    and a dry run before them. `exports` are the formats in which the project of the first command is exported.
    """

    format: str
    files: Mapping[str, bytes | None]
    commands: tuple[tuple[str, ...], ...]
    exports: tuple[str, ...] = ()
    places: tuple[Place, ...] | None = None
    """All clips that the first command reports, where they are known."""
    requests: Mapping[str, Mapping[str, Any]] | None = None
    """The requests of clips by id that a sheet of the last command's project has, where they are known."""
    duration_s: Fraction | None = None
    """Length of the media file that the first command reads, where it is known."""

    @property
    def size(self) -> int:
        """A measure of simplicity: bytes of the files, and words of the commands."""
        words = sum(len(word) for command in self.commands for word in command)
        return words + sum(len(name) + len(content or b"") for name, content in self.files.items())

    @property
    def digest(self) -> str:
        """A short name for these files and commands."""
        hashed = blake2b(json.dumps(self.commands).encode(), digest_size=4)
        for name, content in sorted(self.files.items()):
            hashed.update(f"\0{name}\0".encode("utf-8", "surrogatepass") + (content or b""))
        return hashed.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the case into a folder, from which `load` reads it; what was there before is removed."""
        shutil.rmtree(folder, ignore_errors=True)
        self.write_files(folder / _FILES)
        facts = {
            "format": self.format,
            "files": list(self.files),
            "commands": self.commands,
            "exports": self.exports,
            "requests": self.requests,
            "places": self.places and [(str(one.start_s), str(one.duration_s), one.name) for one in self.places],
            "duration_s": self.duration_s if self.duration_s is None else str(self.duration_s),
        }
        (folder / _FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")

    def write_files(self, folder: Path) -> None:
        """Write the files alone."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            path = folder / name
            (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
            if content is not None:
                path.write_bytes(content)


@dataclass(frozen=True, slots=True)
class Fault:
    """A law that does not hold, and how. Faults of one `signature` are taken for one."""

    law: str
    text: str
    where: str = field(default="", compare=False)

    @property
    def signature(self) -> str:
        """The law with the words of the fault that do not depend on the input."""
        words = self.text
        for mark in "'\"":
            words = mark.join(words.split(mark)[::2])
        plain = (word for word in words.split() if word.isascii() and not _OF_INPUT.search(word))
        return f"{self.law}: {' '.join(plain)}"[:160]


def load(folder: Path) -> Case:
    """Return the case that was saved in a folder. Raises OSError or ValueError for a folder that holds none."""
    facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    places, duration_s = facts["places"], facts["duration_s"]
    return Case(
        format=facts["format"],
        files={name: _content(folder / _FILES / name) for name in facts["files"]},
        commands=tuple(tuple(command) for command in facts["commands"]),
        exports=tuple(facts["exports"]),
        requests=facts["requests"],
        places=places and tuple(Place(Fraction(start), Fraction(length), name) for start, length, name in places),
        duration_s=None if duration_s is None else Fraction(duration_s),
    )


def _content(path: Path) -> bytes | None:
    return None if path.is_dir() else path.read_bytes()
