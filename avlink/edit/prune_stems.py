"""`avlink stems prune`: removal of stems and pictures of AVLink that no project uses any more.

They are named after their content and never written over, so that old ones stay until they are pruned. A file is
removed only when its receipt shows that AVLink wrote it and nobody changed it, and when no project beside it names it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import opentimelineio as otio

from avlink.core.errors import InputError
from avlink.core.outputs import Outputs, is_content_name
from avlink.edit.project import content_file
from avlink.timeline.formats.otioz import read_content
from avlink.timeline.item import KEY
from avlink.timeline.metadata import own_tracks
from avlink.timeline.read import TimelineFile, read_timeline, timeline_suffixes
from avlink.timeline.resolve import MediaRoots

_SUFFIXES = {".wav", ".mov"}
_OTHER_PROGRAMS = {"rpp", "rpp-bak", "csv", "kdenlive", "mlt", "txt", "ptx", "prproj", "drp", "drt"}
_BACKUP = re.compile(r"\.bak\d*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedStem:
    """A file that no named project uses. `kept` says why it stays all the same; "" for one that is removed."""

    path: Path
    size_bytes: int
    kept: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedStems:
    """The files that `projects` do not use, and the number of those that they use."""

    projects: tuple[Path, ...]
    used: int
    unused: tuple[UnusedStem, ...]

    @property
    def removable(self) -> tuple[UnusedStem, ...]:
        """The files that nothing speaks for."""
        return tuple(one for one in self.unused if not one.kept)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format", "command" and "removed"."""
        return {
            "projects": [str(project) for project in self.projects],
            "used": self.used,
            "unused": [
                {"path": str(one.path), "bytes": one.size_bytes, "kept": one.kept or None} for one in self.unused
            ],
        }


def find_unused(projects: Sequence[Path], *, outputs: Outputs | None = None) -> UnusedStems:
    """Return the stems and pictures beside projects that none of them uses. Nothing is removed.

    Raises InputError for a project that cannot be read, or when no stems lie beside any of them.
    """
    outputs, roots = outputs or Outputs(), MediaRoots()
    used: set[Path] = set()
    folders: set[Path] = set()
    for file in [read_timeline(project) for project in projects]:
        used.update(path for _, path in _media(file.timeline.find_clips(), file, roots))
        folders.update(_folders(file, roots))
    folders = {folder for folder in folders if folder.is_dir()}
    if not folders:
        raise InputError(f"no stems of AVLink lie beside {', '.join(map(str, projects))}; name projects that have some")
    there = (path for folder in sorted(folders) for path in sorted(folder.iterdir()) if path.is_file())
    written = [path.resolve() for path in there if path.suffix in _SUFFIXES and is_content_name(path.name)]
    others = list(_other_projects(projects, folders))
    unused = [_judged(path, others, outputs) for path in written if path not in used]
    return UnusedStems(projects=tuple(projects), used=sum(path in used for path in written), unused=tuple(unused))


def remove_unused(found: UnusedStems, *, outputs: Outputs | None = None) -> tuple[Path, ...]:
    """Remove the files that nothing speaks for, and return them. One that was changed meanwhile stays."""
    outputs = outputs or Outputs()
    removed = []
    for one in found.removable:
        if outputs.unchanged(one.path) is not None:
            one.path.unlink(missing_ok=True)
            removed.append(one.path)
    return tuple(removed)


def _judged(path: Path, others: Sequence[tuple[Path, bytes | None]], outputs: Outputs) -> UnusedStem:
    # Names are of ASCII letters, so they stand in projects as they are, in formats of 16-bit text with a zero between.
    names = (path.name.encode(), path.name.encode("utf-16-le"))
    user = next((other for other, content in others if content and any(name in content for name in names)), None)
    unread = next((other for other, content in others if content is None), None)
    kept = ""
    if user is not None:
        kept = f"{user.name} uses it"
    elif unread is not None:
        kept = f"{unread.name} cannot be read, and may use it"
    elif outputs.unchanged(path) is None:
        is_known = outputs.receipt(path) is not None
        kept = "it was changed after AVLink wrote it" if is_known else "this machine has no receipt of it"
    return UnusedStem(path=path, size_bytes=path.stat().st_size, kept=kept)


def _media(
    clips: Iterable[otio.schema.Clip], file: TimelineFile, roots: MediaRoots
) -> Iterator[tuple[otio.core.MediaReference, Path]]:
    """Yield the references of clips that have a file, with it."""
    for clip in clips:
        for ref in clip.media_references().values():
            path = roots.file(getattr(ref, "target_url", None) or "", file.folder)
            if path is not None:
                yield ref, path.resolve()


def _folders(file: TimelineFile, roots: MediaRoots) -> Iterator[Path]:
    """Yield the folders in which stems and pictures of a project may lie."""
    base = re.sub(r"\.(foley|visual)$", "", file.path.stem, flags=re.IGNORECASE)
    yield file.path.with_name(f"{base}.stems").resolve()
    yield file.path.with_name(f"{base}.pictures").resolve()
    for track in own_tracks(file.timeline):
        yield from (path.parent for ref, path in _media(track.find_clips(), file, roots) if KEY in ref.metadata)


def _other_projects(projects: Sequence[Path], folders: Collection[Path]) -> Iterator[tuple[Path, bytes | None]]:
    """Yield the projects beside the named ones, and old versions of these, with their content; None if unreadable."""
    named = {project.resolve() for project in projects}
    known = timeline_suffixes() | _OTHER_PROGRAMS
    beside = {*(project.resolve().parent for project in projects), *(folder.parent for folder in folders)}
    for path in sorted({path for folder in beside for path in folder.iterdir()}):
        suffix = Path(_BACKUP.sub("", path.name)).suffix.lower().lstrip(".")
        if suffix not in known or path.resolve() in named:
            continue
        content = path / "Info.fcpxml" if suffix == "fcpxmld" else content_file(path)
        if not content.is_file():
            continue
        try:
            yield path, read_content(path).encode() if suffix == "otioz" else content.read_bytes()
        except (OSError, InputError):
            yield path, None
