"""OTIO bundles as folders: .otiod, with `content.otio` and one flat folder `media/`."""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import opentimelineio as otio

from avlink.core.errors import OutputError
from avlink.core.file_digest import file_digest
from avlink.core.paths import TEMPORARY_PREFIX, atomic_write, make_folder

CONTENT, FOLDER = "content.otio", "media"
"""The timeline in a bundle, and where its media lies."""


def write_folder(
    output: Path,
    content: str,
    files: Mapping[str, Path],
    old: zipfile.ZipFile | None,
    members: Mapping[str, str],
    *,
    renew: bool,
) -> None:
    """Write a timeline and its media as a folder: `files`, and `members` of the `old` zip, by their names inside.

    A folder cannot replace another in one step: a new one is moved into place; one that is there is refused, or with
    `renew` brought up to date. Raises OutputError.
    """
    if output.exists():
        if not renew or not (output / CONTENT).is_file():
            raise OutputError(f"{output} is there already; remove it, or give another name for the output")
        before = _named_in(output)
        _fill(output, content, files, old, members)
        for name in before - {*files, *members}:
            (output / name).unlink(missing_ok=True)
        return
    temporary = output.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}.otiod"
    try:
        _fill(temporary, content, files, old, members)
        os.replace(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(
    folder: Path, content: str, files: Mapping[str, Path], old: zipfile.ZipFile | None, members: Mapping[str, str]
) -> None:
    """Put media into a folder, and then the timeline that names it."""
    make_folder(folder / FOLDER)
    for name, path in files.items():
        if not _is_same(path, folder / name):
            with atomic_write(folder / name) as target:
                shutil.copyfile(path, target)
    for name, member in members.items():
        if old is not None:
            with atomic_write(folder / name) as target:
                copy_member(old, old.getinfo(member), target)
    with atomic_write(folder / CONTENT) as target:
        target.write_text(content, encoding="utf-8", newline="\n")


def _is_same(path: Path, target: Path) -> bool:
    if not target.is_file():
        return False
    return path.samefile(target) or (
        path.stat().st_size == target.stat().st_size and file_digest(path) == file_digest(target)
    )


def _named_in(folder: Path) -> set[str]:
    """The media that the timeline of a folder names and that lies in it; nothing where it cannot be read."""
    try:
        found = otio.adapters.read_from_string((folder / CONTENT).read_text(encoding="utf-8"), "otio_json")
        urls = {
            getattr(ref, "target_url", None) or ""
            for clip in found.find_clips()
            for ref in clip.media_references().values()
        }
    except Exception:
        return set()
    return {url for url in urls if url.startswith(f"{FOLDER}/") and stays_inside(url)}


def copy_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Unpack one member of a zip."""
    with archive.open(member) as packed, target.open("wb") as out:
        shutil.copyfileobj(packed, out, 1 << 20)


def stays_inside(name: str) -> bool:
    """Whether the name of a member leads to nowhere outside of its bundle."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name
