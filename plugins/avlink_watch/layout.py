"""The folders that belong to a watched folder: results, originals that were moved, state."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from avlink import (
    AvlinkError,
    InputError,
    OutputError,
    atomic_write,
    digest,
    make_folder,
    namesakes,
    sweep_leftovers,
    write_text,
)
from avlink_watch.recipe import MOVIES, TIMELINES, WatchRecipe, matches

DONE, FAILED = "done", "failed"
_PROBE = ".avlink-watch"
_SPARE_BYTES = 1 << 20
# Bundles have their media inside, and may go anywhere.
_BUNDLES = ("**/*.otioz", "**/*.otiod")
_TIMELINES = tuple(f"**/{glob}" for glob in TIMELINES)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLayout:
    """The folders of one watched folder, and the base name of its state. `root` and `output` are absolute."""

    root: Path
    output: Path
    state: Path

    @property
    def excluded(self) -> frozenset[Path]:
        """The folders whose files are never taken for new ones."""
        return frozenset({self.output, self.root / DONE, self.root / FAILED})

    def original(self, path: str) -> Path:
        """Return a watched file's absolute path."""
        return self.root / path

    def output_stems(self, path: str, key: str) -> tuple[str, ...]:
        """Return names that a file's results may begin with, best first: a/shot, a/shot.mov, a/shot.mov.1234abcd.

        Where another film or timeline of that name lies beside it, the first is left out, whichever comes first; only
        an .otio has it all the same.
        """
        pure = PurePosixPath(path)
        names = (str(pure.with_suffix("")), path, f"{path}.{key[:8]}")
        return names[1:] if pure.suffix.lower() != ".otio" and self._has_rivals(path) else names

    def _has_rivals(self, path: str) -> bool:
        return any(matches(one.name, (*MOVIES, *TIMELINES)) for one in namesakes(self.original(path)))

    def error_file(self, path: str, *, moved: bool) -> Path:
        """Return the path of the text that explains a failure."""
        folder = self.root / FAILED if moved else self.output
        return folder / f"{path}.error.txt"

    def display(self, path: Path) -> str:
        """Return a path for people: relative if it is in the watched folder."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def make_output(self) -> None:
        """Make the folder of results, but never the watched folder itself, which may be a disk that is not mounted.

        Raises OutputError.
        """
        if self.output.is_relative_to(self.root) and not self.root.is_dir():
            raise OutputError(f"{self.output} cannot be written: {self.root} is not there")
        make_folder(self.output)

    def sweep(self, now_s: float) -> None:
        """Remove half-written files of killed runs from the results once they are an hour old."""
        for folder, below, _ in os.walk(self.output):
            below[:] = [name for name in below if not name.startswith(".")]
            sweep_leftovers(Path(folder), now_s=now_s)

    def check_space(self, size_bytes: int) -> None:
        """Raise OutputError if a result of this size could not be written now."""
        self.make_output()
        probe = self.output / _PROBE
        try:
            # Free space as reported leaves quotas and permissions out, so something is written.
            with atomic_write(probe) as temporary:
                temporary.write_bytes(bytes(4096))
        except OutputError as error:
            raise OutputError(str(error).replace(str(probe), str(self.output))) from error
        with contextlib.suppress(OSError):
            probe.unlink()
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(self.output).free
            if free < size_bytes + _SPARE_BYTES:
                raise OutputError(f"{self.output} cannot be written: there is no space left on the disk")


class Originals:
    """Moves originals to done/ and failed/, and explains failures. A problem is returned as a sentence, not raised."""

    def __init__(self, layout: FolderLayout, recipe: WatchRecipe) -> None:
        self._layout, self._recipe = layout, recipe

    def remove_error_files(self, path: str) -> None:
        """Remove explanations of earlier failures of a file."""
        for moved in (False, True):
            with contextlib.suppress(OSError):
                self._layout.error_file(path, moved=moved).unlink()

    def write_error_file(
        self, path: str, reason: str, *, recipe: str, at: datetime, moved: bool
    ) -> tuple[Path | None, list[str]]:
        """Write why a file failed. Returns the path of that text and the problems on the way."""
        error_file = self._layout.error_file(path, moved=moved)
        try:
            if not moved:
                self._layout.make_output()
            write_text(error_file, _explanation(path, reason, recipe=recipe, at=at))
        except AvlinkError as error:
            return None, [str(error)]
        return error_file, []

    def move(self, path: str, *, failed: bool) -> tuple[Path | None, list[str]]:
        """Move an original if the recipe says so. Returns its new path and the problems on the way."""
        folder, action = (FAILED, self._recipe.failed) if failed else (DONE, self._recipe.done)
        if action == "leave":
            return None, []
        source = self._layout.original(path)
        if matches(path, _TIMELINES) and not matches(path, _BUNDLES):
            # A timeline finds its media by paths relative to itself, so it stays.
            return None, []
        if not source.exists():
            return None, []
        target = _unused(self._layout.root / folder / path)
        try:
            make_folder(target.parent)
            os.rename(source, target)
        except OutputError as error:
            return None, [str(error)]
        except OSError as error:
            return None, [f"{source} cannot be moved to {target}: {error.strerror or error}"]
        return target, []


def layout_of(root: Path, recipe: WatchRecipe) -> FolderLayout:
    """Return the layout of a folder that is to be watched. Raises InputError for an output that could not work."""
    root = Path(os.path.abspath(root)).resolve()
    output = (root / Path(recipe.output).expanduser()).resolve()
    if output == root or root.is_relative_to(output):
        raise InputError(
            f'output = "{recipe.output}": results in {output} would be taken for new files of {root}; name a folder '
            "in it or beside it"
        )
    # Folders of the same name have different digests; the name is for people.
    return FolderLayout(root=root, output=output, state=state_dir() / f"{_slug(root.name)}-{digest(str(root))[:12]}")


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of ledgers and locks: `$AVLINK_STATE_DIR`, else `avlink` in the platform's folder for state."""
    if chosen := environ.get("AVLINK_STATE_DIR"):
        base = Path(chosen).expanduser()
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support" / "avlink"
    elif sys.platform == "win32":
        base = Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "avlink"
    else:
        base = Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "avlink"
    return base / "watch"


def _explanation(path: str, reason: str, *, recipe: str, at: datetime) -> str:
    return (
        f"{path} got no sound, or not all of it.\n\n{reason}\n\n"
        f"When: {at.strftime('%Y-%m-%d %H:%M:%S')}\nBy: {recipe}\n\n"
        "It is tried again when it is changed or put here once more, and by `avlink watch --retry`.\n"
    )


def _unused(path: Path) -> Path:
    """Return the path, or the first with a number before its suffix that does not exist yet."""
    number = 1
    found = path
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f"{path.stem} ({number}){path.suffix}")
    return found


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name)[:40].strip("-") or "folder"
