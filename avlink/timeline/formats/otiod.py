"""OTIO bundles as folders: .otiod, with `content.otio` and one flat folder `media/`."""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from avlink.core.errors import OutputError
from avlink.core.file_digest import file_digest, file_identity
from avlink.core.paths import TEMPORARY_PREFIX, Writer, atomic_write, make_folder
from avlink.timeline.formats.otioz import CONTENT, FOLDER, copy_member


def write_folder(
    output: Path,
    content: str,
    files: Mapping[str, Path],
    old: zipfile.ZipFile | None,
    members: Mapping[str, str],
    *,
    write: Writer = atomic_write,
) -> None:
    """Write a timeline and its media as a folder: `files`, and `members` of the `old` zip, by their names inside.

    A new folder is moved into place. One that is there is brought up to date: media that it lacks first, then the
    timeline through `write`. No other file in it is replaced, and none is removed. Raises OutputError.
    """
    if output.exists():
        if not (output / CONTENT).is_file():
            raise OutputError(f"{output} is there already and is no OTIO bundle; give another name for the output")
        _fill(output, files, old, members)
        _write_content(output / CONTENT, content, write)
        return
    temporary = output.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}.otiod"
    try:
        _fill(temporary, files, old, members)
        _write_content(temporary / CONTENT, content, atomic_write)
        os.replace(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    # Once more for its receipt: equal bytes stay as they are.
    _write_content(output / CONTENT, content, write)


def _write_content(path: Path, content: str, write: Writer) -> None:
    with write(path) as target:
        target.write_text(content, encoding="utf-8", newline="\n")


def _fill(folder: Path, files: Mapping[str, Path], old: zipfile.ZipFile | None, members: Mapping[str, str]) -> None:
    """Write media into a folder. Before the timeline that names it, so that a killed run leaves no name without one."""
    make_folder(folder / FOLDER)
    for name, path in files.items():
        if not is_same_file(path, folder / name):
            with atomic_write(folder / name) as target:
                identity = file_identity(path)
                shutil.copyfile(path, target)
                # Half of one file and half of another is no media.
                identity.check()
    for name, member in members.items():
        if old is not None:
            with atomic_write(folder / name) as target:
                copy_member(old, old.getinfo(member), target)


def is_same_file(path: Path, target: Path) -> bool:
    """Return whether two files are one, or have equal bytes; False where the second is not there."""
    if not target.is_file():
        return False
    return path.samefile(target) or (
        path.stat().st_size == target.stat().st_size and file_digest(path) == file_digest(target)
    )
