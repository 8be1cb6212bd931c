"""Files that commands write for people, and receipts that say which of them AVLink wrote.

A file is replaced only where its receipt shows that AVLink wrote it and that nobody changed it since. Anything else is
refused, or kept beside the new file as `<name>.bak`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from avlink.core.errors import OutputError
from avlink.core.hashing import content_digest, digest
from avlink.core.paths import atomic_write, cache_dir, write_text

FOLDER = "receipts"
"""The folder of receipts in the cache."""

_DIGITS = 10
"""Hexadecimal digits of the content in a name: a million files collide with a chance below one half."""
_NAMES = 1000
_CONTENT_NAME = re.compile(rf".+_[0-9a-f]{{{_DIGITS}}}(_\d+)?\.[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A note on a file that AVLink wrote: the digest of its bytes, the file it was made from, and facts on it.

    `source` is an absolute path, "" where there is none. `facts` are JSON values of the writer.
    """

    file: str
    source: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that one command writes. `folder` holds the receipts; `overwrite` permits to replace foreign files.

    Foreign files are those that AVLink did not write, or that were changed since. `overwrite` keeps them as `.bak`.
    """

    folder: Path = field(default_factory=lambda: cache_dir() / FOLDER)
    overwrite: bool = False

    def receipt(self, path: Path) -> Receipt | None:
        """Return the receipt of the last file that AVLink wrote as `path`, whatever lies there now."""
        try:
            note = json.loads(self._note(path).read_text(encoding="utf-8"))
            return Receipt(file=str(note["file"]), source=str(note["source"]), facts=dict(note["facts"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def unchanged(self, path: Path) -> Receipt | None:
        """Return the receipt of a file that still has the bytes that AVLink wrote, else None."""
        known = self.receipt(path)
        return known if known is not None and path.is_file() and _digest(path) == known.file else None

    def check(self, path: Path) -> None:
        """Raise OutputError when `path` may not be written: a folder, or a foreign file without `overwrite`.

        Call it before long work: `write` checks when the new file is complete.
        """
        if path.is_dir():
            raise OutputError(f"{path} is a folder; give the name of a file for the output")
        if not self.overwrite and os.path.lexists(path) and self.unchanged(path) is None:
            raise self._refusal(path)

    @contextlib.contextmanager
    def write(
        self, path: Path, *, source: Path | None = None, facts: Mapping[str, Any] | None = None, keep: bool = False
    ) -> Iterator[Path]:
        """Yield a temporary path that becomes `path` when the block ends well, and write its receipt.

        A foreign file is refused; with `overwrite`, or with `keep` for a writer that has taken over its content, it is
        kept as `.bak`. Where the bytes are equal, the file stays as it is. Raises OutputError as `atomic_write` does.
        """
        written = ""

        def before_move(temporary: Path) -> bool:
            nonlocal written
            written = _digest(temporary)
            if not path.is_file():
                self.check(path)
                return True
            # Read once: it may be a film of gigabytes.
            there, known = _digest(path), self.receipt(path)
            if there == written:
                return False
            if known is None or known.file != there:
                if not keep and not self.overwrite:
                    raise self._refusal(path)
                self._keep(path, there)
            return True

        with atomic_write(path, before_move=before_move) as temporary:
            yield temporary
        self._remember(path, written, source=source, facts=facts)

    def write_new(
        self, names: Iterable[Path], fill: Callable[[Path], None], *, facts: Mapping[str, Any] | None = None
    ) -> Path:
        """Let `fill` write a file that replaces no other, and return its path.

        It is the first of `names` that is free, or that has the same bytes already. Raises OutputError as
        `atomic_write` does.
        """
        names = iter(names)
        first = next(names)
        found, written = first, ""

        def before_move(temporary: Path) -> bool:
            nonlocal found, written
            written = _digest(temporary)
            for found in itertools.chain([first], names):
                if not os.path.lexists(found):
                    # Only `first` is moved into place by `atomic_write`.
                    if found is not first:
                        os.replace(temporary, found)
                    return found is first
                if found.is_file() and _digest(found) == written:
                    return False
            raise OutputError(f"{first} and all names that could stand for it are taken")

        with atomic_write(first, before_move=before_move) as temporary:
            fill(temporary)
        self._remember(found, written, source=None, facts=facts)
        return found

    def find(
        self, names: Iterable[Path], *, key: str, fits: Callable[[Path], bool]
    ) -> tuple[Path, Receipt | None] | None:
        """Return the file of `names` that is used as it is, with its receipt; None where one is to be written.

        `key` is that in the facts of its receipt. A file that was edited since, or has no receipt in this cache, stands
        for the content that its name promises, if it `fits`.
        """
        for path in names:
            if not os.path.lexists(path):
                return None
            known = self.unchanged(path)
            if known is not None and known.facts.get("key") == key:
                return path, known
            if known is None and fits(path):
                return path, None
        return None

    def backup_path(self, path: Path) -> Path:
        """Return the path at which a foreign file is kept: a free name, or a copy of the same bytes that is there."""
        return _backup_path(path, _digest(path))

    def _refusal(self, path: Path) -> OutputError:
        why = "was not written by AVLink" if self.receipt(path) is None else "was changed after AVLink wrote it"
        return OutputError(
            f"{path} {why}, and is not overwritten; give another name for the output, or --overwrite, which keeps it "
            f"as {path.name}.bak"
        )

    def _keep(self, path: Path, content: str) -> None:
        """Keep a file, which has the digest `content`, as `<name>.bak`, or `.bak2` and so on."""
        kept = _backup_path(path, content)
        if not os.path.lexists(kept):
            with atomic_write(kept) as temporary:
                shutil.copy2(path, temporary)

    def _remember(self, path: Path, content: str, *, source: Path | None, facts: Mapping[str, Any] | None) -> None:
        """Write the receipt of a file that was just written with the digest `content`."""
        note = {
            "path": str(path.resolve()),
            "file": content,
            "source": "" if source is None else str(source.resolve()),
            "facts": dict(facts or {}),
        }
        write_text(self._note(path), json.dumps(note, sort_keys=True), flush=False)

    def _note(self, path: Path) -> Path:
        name = digest(["receipt", str(path.resolve())])
        return self.folder / name[:2] / f"{name[2:]}.json"


def content_names(folder: Path, name: str, key: str, suffix: str) -> Iterator[Path]:
    """Yield the names that a file may have which is named after its content, the best first.

    `name` is for people, `key` is a digest of everything that determines the content.
    """
    for number in range(1, _NAMES):
        yield folder / f"{name}_{key[:_DIGITS]}{'' if number == 1 else f'_{number}'}{suffix}"


def is_content_name(name: str) -> bool:
    """Return whether a file is named as `content_names` does."""
    return _CONTENT_NAME.fullmatch(name) is not None


def claim_folder(folder: Path, *, marks: Collection[str], what: str) -> None:
    """Raise OutputError for a folder that holds files, and none that matches one of the glob patterns `marks`.

    Call it before files are written into a folder whose content AVLink manages, which is `what`: "a training run".
    """
    try:
        there = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    except OSError as error:
        raise OutputError(f"{folder} cannot be read: {error.strerror or error}") from error
    if there and not any(fnmatch(path.name, mark) for path in there for mark in marks):
        raise OutputError(f"{folder} holds other files and is not {what}; name an empty folder, or one that is new")


def _backup_path(path: Path, content: str) -> Path:
    number = 1
    while True:
        kept = path.with_name(f"{path.name}.bak{'' if number == 1 else number}")
        if not os.path.lexists(kept) or (kept.is_file() and _digest(kept) == content):
            return kept
        number += 1


def _digest(path: Path) -> str:
    # Not remembered by size and time: a change that keeps both is a change.
    try:
        return content_digest(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror or error}") from error
