"""Where things are: results, originals that were dealt with, and what is remembered."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from avlink import InputError, OutputError, atomic_write, digest, make_folder, sweep_leftovers
from avlink_watch.recipe import WatchRecipe

DONE, FAILED = "done", "failed"
_PROBE = ".avlink-watch"
_ROOM_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders of one watched folder. `root` and `output` are whole paths."""

    root: Path
    output: Path
    state: Path

    @property
    def own(self) -> frozenset[Path]:
        """The folders in which nothing is new."""
        return frozenset({self.output, self.root / DONE, self.root / FAILED})

    def original(self, path: str) -> Path:
        """A watched file by its path from the folder."""
        return self.root / path

    def bases(self, path: str, key: str) -> tuple[str, ...]:
        """What the names of a file's results may begin with, best first: a/shot, a/shot.mov, one that is its own."""
        pure = PurePosixPath(path)
        return (str(pure.with_suffix("")), path, f"{path}.{key[:8]}")

    def error_file(self, path: str, *, moved: bool) -> Path:
        """Where it is explained why a file failed."""
        folder = self.root / FAILED if moved else self.output
        return folder / f"{path}.error.txt"

    def shown(self, path: Path) -> str:
        """A path for people: from the watched folder if it lies in it."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def make_output(self) -> None:
        """Make the folder of results; never the watched folder itself, which may be a disk that is not mounted.

        Raises OutputError.
        """
        if self.output.is_relative_to(self.root) and not self.root.is_dir():
            raise OutputError(f"{self.output} cannot be written: {self.root} is not there")
        make_folder(self.output)

    def sweep(self, now_s: float) -> None:
        """Remove what killed runs left half-written among the results, once it is an hour old."""
        for folder, below, _ in os.walk(self.output):
            below[:] = [name for name in below if not name.startswith(".")]
            sweep_leftovers(Path(folder), now_s=now_s)

    def check_room(self, size_bytes: int) -> None:
        """Whether a result of that size could be written now. Raises OutputError in words if not."""
        self.make_output()
        probe = self.output / _PROBE
        try:
            with atomic_write(probe) as temporary:
                temporary.write_bytes(bytes(4096))
        except OutputError as error:
            raise OutputError(str(error).replace(str(probe), str(self.output))) from error
        with contextlib.suppress(OSError):
            probe.unlink()
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(self.output).free
            if free < size_bytes + _ROOM_BYTES:
                raise OutputError(f"{self.output} cannot be written: there is no space left on the disk")


def places_of(root: Path, recipe: WatchRecipe) -> Places:
    """The places for a folder that is to be watched. Raises InputError for an output that could not work."""
    root = Path(os.path.abspath(root)).resolve()
    output = (root / Path(recipe.output).expanduser()).resolve()
    if output == root or root.is_relative_to(output):
        raise InputError(
            f'output = "{recipe.output}": results in {output} would be taken for new files of {root}; name a folder '
            "in it or beside it"
        )
    return Places(root=root, output=output, state=state_folder() / f"{_slug(root.name)}-{digest(str(root))[:12]}")


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where it is remembered what was done: `$AVLINK_STATE_DIR`, else the platform's folder for state, in `avlink`."""
    if chosen := environ.get("AVLINK_STATE_DIR"):
        base = Path(chosen).expanduser()
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support" / "avlink"
    elif sys.platform == "win32":
        base = Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "avlink"
    else:
        base = Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "avlink"
    return base / "watch"


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name)[:40].strip("-") or "folder"
