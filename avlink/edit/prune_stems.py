"""`avlink stems prune`: removal of stems and pictures of AVLink that no project uses any more.

They are named after their content and never written over, so that old ones stay until they are pruned. A file is
removed only when its receipt shows that AVLink wrote it and nobody changed it, and when no project beside it names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import opentimelineio as otio

from avlink.core.errors import InputError
from avlink.core.outputs import Outputs, is_content_name
from avlink.timeline.formats.otioz import read_content
from avlink.timeline.item import KEY
from avlink.timeline.metadata import is_ours
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
    outputs = outputs or Outputs()
    files = [read_timeline(project) for project in projects]
    used = {path for file in files for path in _media(file)}
    folders = sorted({folder for file in files for folder in _folders(file) if folder.is_dir()})
    if not folders:
        raise InputError(f"no stems of AVLink lie beside {', '.join(map(str, projects))}; name projects that have some")
    there = [path.resolve() for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]
    written = [path for path in there if path.suffix in _SUFFIXES and is_content_name(path.name)]
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


def _judged(path: Path, others: Iterable[tuple[Path, bytes | None]], outputs: Outputs) -> UnusedStem:
    size = path.stat().st_size
    # Names are of ASCII letters, so they stand in projects as they are, in formats of 16-bit text with a zero between.
    names = (path.name.encode(), path.name.encode("utf-16-le"))
    by = next((other for other, content in others if content and any(name in content for name in names)), None)
    unread = next((other for other, content in others if content is None), None)
    if by is None and unread is not None:
        return UnusedStem(path=path, size_bytes=size, kept=f"{unread.name} cannot be read, and may use it")
    if by is not None:
        return UnusedStem(path=path, size_bytes=size, kept=f"{by.name} uses it")
    if outputs.unchanged(path) is None:
        known = outputs.receipt(path) is not None
        why = "it was changed after AVLink wrote it" if known else "this machine has no receipt of it"
        return UnusedStem(path=path, size_bytes=size, kept=why)
    return UnusedStem(path=path, size_bytes=size)


def _media(file: TimelineFile) -> Iterator[Path]:
    roots = MediaRoots(())
    for clip in file.timeline.find_clips():
        for ref in clip.media_references().values():
            path = roots.file(getattr(ref, "target_url", None) or "", file.folder)
            if path is not None:
                yield path.resolve()


def _folders(file: TimelineFile) -> Iterator[Path]:
    """Yield the folders in which stems and pictures of a project may lie."""
    base = re.sub(r"\.(foley|visual)$", "", file.path.stem, flags=re.IGNORECASE)
    yield file.path.with_name(f"{base}.stems").resolve()
    yield file.path.with_name(f"{base}.pictures").resolve()
    roots = MediaRoots(())
    for track in file.timeline.tracks:
        if not isinstance(track, otio.schema.Track) or not is_ours(track):
            continue
        for clip in track.find_clips():
            for ref in clip.media_references().values():
                path = roots.file(getattr(ref, "target_url", None) or "", file.folder)
                if path is not None and KEY in ref.metadata:
                    yield path.resolve().parent


def _other_projects(projects: Sequence[Path], folders: Sequence[Path]) -> Iterator[tuple[Path, bytes | None]]:
    """Yield the projects beside the named ones, and old versions of these, with their content; None if unreadable."""
    named = {project.resolve() for project in projects}
    known = timeline_suffixes() | _OTHER_PROGRAMS
    beside = {*(project.resolve().parent for project in projects), *(folder.parent for folder in folders)}
    for path in sorted({path for folder in beside for path in folder.iterdir()}):
        suffix = Path(_BACKUP.sub("", path.name)).suffix.lower().lstrip(".")
        if suffix not in known or path.resolve() in named:
            continue
        content = path / "content.otio" if suffix == "otiod" else path / "Info.fcpxml" if suffix == "fcpxmld" else path
        if not content.is_file():
            continue
        try:
            yield path, read_content(path).encode() if suffix == "otioz" else content.read_bytes()
        except (OSError, InputError):
            yield path, None
