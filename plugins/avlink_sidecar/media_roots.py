"""Missing media: a search by name in folders that the recipe or a file beside the project lists."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePath

from avlink import InputError
from avlink.hooks import MissingMedia
from avlink_sidecar.options import SidecarOptions

_REFRESH_S = 30


def find_media(media: MissingMedia, options: SidecarOptions) -> Path | None:
    """Return the file of that name in the first folder that has one, at any depth, or None.

    Capitals do not matter if no file has the name exactly. Raises InputError for a list of folders that cannot be read.
    """
    roots = [*options.media_roots, *_listed_roots(media.folder, options.media_roots_file)]
    for root in roots:
        # A server is slow to list, and many clips may be missing; a watched folder may get new files.
        names, stems = _files_below(str(media.folder / Path(root).expanduser()), int(time.monotonic() // _REFRESH_S))
        found = names.get(media.name) or names.get(media.name.casefold())
        if found is None and options.any_suffix:
            found = stems.get(PurePath(media.name).stem.casefold())
        if found is not None:
            return Path(found)
    return None


def _listed_roots(folder: Path, name: str) -> list[str]:
    """Return the folders in the list, made absolute: relative ones start from the folder of the list."""
    if not name:
        return []
    # No higher: a list in a folder that everybody may write to could choose the media of all projects below it.
    for place in (folder.absolute(), folder.absolute().parent):
        path = place / name
        if path.is_file():
            return [str(place / Path(line).expanduser()) for line in _lines(path)]
    return []


def _lines(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the list of media folders {path} cannot be read: {error}") from None
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


@lru_cache(maxsize=64)
def _files_below(root: str, period: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return paths by name, exact and without case, and by name without suffix; the highest file of a name wins."""
    names: dict[str, str] = {}
    any_case: dict[str, str] = {}
    stems: dict[str, str] = {}
    # os.walk goes down level by level within a branch; sorting by depth makes the result independent of the disk.
    found = [(folder.count(os.sep), folder, file) for folder, _, files in os.walk(root) for file in files]
    for _, folder, file in sorted(found):
        path = os.path.join(folder, file)
        names.setdefault(file, path)
        any_case.setdefault(file.casefold(), path)
        stems.setdefault(PurePath(file).stem.casefold(), path)
    return {**any_case, **names}, stems
