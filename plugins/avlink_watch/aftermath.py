"""What is left to do when a file is done or has failed: the note that explains it, and moving the original if asked."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from pathlib import Path

from avlink import AvlinkError, OutputError, make_folder, write_text
from avlink_watch.names import matches
from avlink_watch.places import DONE, FAILED, Places
from avlink_watch.recipe import TIMELINES, WatchRecipe

# Bundles have their media inside, and may go anywhere.
_BUNDLES = ("**/*.otioz", "**/*.otiod")
_TIMELINES = tuple(f"**/{glob}" for glob in TIMELINES)


class Aftermath:
    """Deals with originals by the recipe's wish. What cannot be written or moved is a sentence in what is returned."""

    def __init__(self, places: Places, recipe: WatchRecipe) -> None:
        self._places, self._recipe = places, recipe

    def no_more_errors(self, path: str) -> None:
        """Remove explanations of why a file failed before."""
        for moved in (False, True):
            with contextlib.suppress(OSError):
                self._places.error_file(path, moved=moved).unlink()

    def explain(
        self, path: str, reason: str, *, recipe: str, at: datetime, moved: bool
    ) -> tuple[Path | None, list[str]]:
        """Write why a file failed. Where that stands, and what went wrong."""
        error_file = self._places.error_file(path, moved=moved)
        try:
            if not moved:
                self._places.make_output()
            write_text(error_file, explanation(path, reason, recipe=recipe, at=at))
        except AvlinkError as error:
            return None, [str(error)]
        return error_file, []

    def move(self, path: str, *, failed: bool) -> tuple[Path | None, list[str]]:
        """Move an original if that is asked for, and it may go anywhere. Where it went, and what went wrong."""
        folder, wish = (FAILED, self._recipe.failed) if failed else (DONE, self._recipe.done)
        if wish == "leave":
            return None, []
        source = self._places.original(path)
        if matches(path, _TIMELINES) and not matches(path, _BUNDLES):
            # Its media is found from where it lies.
            return None, []
        if not source.exists():
            return None, []
        target = _free(self._places.root / folder / path)
        try:
            make_folder(target.parent)
            os.rename(source, target)
        except OutputError as error:
            return None, [str(error)]
        except OSError as error:
            return None, [f"{source} cannot be moved to {target}: {error.strerror or error}"]
        return target, []


def explanation(path: str, reason: str, *, recipe: str, at: datetime) -> str:
    """The text of `<name>.error.txt`."""
    return (
        f"{path} got no sound, or not all of it.\n\n{reason}\n\n"
        f"When: {at.strftime('%Y-%m-%d %H:%M:%S')}\nBy: {recipe}\n\n"
        "It is tried again when it is changed or put here once more, and by `avlink watch --retry`.\n"
    )


def _free(path: Path) -> Path:
    """The path, or the first that is not there yet with a number before its suffix."""
    number = 1
    found = path
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f"{path.stem} ({number}){path.suffix}")
    return found
