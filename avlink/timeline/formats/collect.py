"""A whole project with its media inside: .otioz, a zip, and .otiod, the same as a folder.

Both hold `content.otio` and one flat folder `media/`. OTIO's own writer resolves paths against the current folder,
forgets all takes but the active one, refuses names that occur twice, and never writes the same zip twice. Here every
local file of every reference is taken along under a name that only it can have, and the same project gives the same
bytes.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

import opentimelineio as otio

from avlink.core.errors import OutputError
from avlink.core.file_digest import file_digest
from avlink.core.hashing import digest
from avlink.core.paths import Writer, atomic_write
from avlink.timeline.formats.otiod import is_same_file, write_folder
from avlink.timeline.formats.otioz import FOLDER, member_names, open_bundle, stays_inside, write_zip
from avlink.timeline.resolve import MediaRoots, find_file, remote_scheme


def write_collected(
    timeline: otio.schema.Timeline,
    output: Path,
    *,
    folder: Path,
    bundle: Path | None = None,
    roots: Sequence[Path] = (),
    find: Callable[[otio.schema.Clip, str], Path | None] | None = None,
    write: Writer = atomic_write,
) -> list[str]:
    """Write a timeline with its media as .otioz or .otiod, as `output` ends; as a whole or not at all.

    Relative media paths count from `folder`, or mean members of the zip `bundle`. `find` finds the file of a clip's
    reference; without it files are searched by name in `roots`. `write` writes the zip, or the timeline in the folder.
    An .otiod that is there is brought up to date: media that it lacks first, then the timeline; no file in it is
    replaced or removed. Returns sentences on what stays outside: media that is missing or remote, and image sequences.

    Raises OutputError when it cannot be written, TimelineError when the bundle is broken.
    """
    if output.suffix.lower() not in {".otioz", ".otiod"}:
        raise OutputError(f"{output} cannot hold media; a project with its media inside ends in .otioz or .otiod")
    copy = timeline.deepcopy()
    there = {f"{FOLDER}/{path.name}".lower(): path for path in (output / FOLDER).glob("*")} if output.is_dir() else {}
    searched = MediaRoots(roots)
    find = find or (lambda clip, url: find_file(url, folder, searched))
    with nullcontext() if bundle is None else open_bundle(bundle) as archive:
        inside = {} if archive is None else {member.filename: member for member in archive.infolist()}
        files, members, notes = _gather(copy, inside, find, there)
        content = otio.adapters.write_to_string(copy, "otio_json")
        if output.suffix.lower() == ".otioz":
            write_zip(output, content, files, archive, members, write=write)
        else:
            write_folder(output, content, files, archive, members, write=write)
    return notes


def _gather(
    timeline: otio.schema.Timeline,
    inside: Mapping[str, zipfile.ZipInfo],
    find: Callable[[otio.schema.Clip, str], Path | None],
    there: Mapping[str, Path],
) -> tuple[dict[str, Path], dict[str, str], list[str]]:
    """Name all media by its place inside, in place. `there` are files that lie at places inside in lower case already.

    Returns the files and the old members by their names inside, and sentences on media that stays outside.
    """
    files: dict[str, Path] = {}
    # What lies in the old bundle stays, whoever names it: images of a sequence are not named one by one.
    members = {name: name for name in inside if name.startswith(f"{FOLDER}/") and stays_inside(name)}
    taken = {**there, **{name.lower(): Path(name) for name in members}}
    outside: dict[str, None] = {}
    known: dict[str, str] = {}
    for clip in timeline.find_clips():
        # All references, not the active one alone: a take that is not heard would be lost.
        refs = clip.media_references()
        for ref in refs.values():
            if isinstance(ref, otio.schema.ImageSequenceReference) and not _holds(inside, ref.target_url_base or ""):
                outside[f"the image sequence {ref.target_url_base}"] = None
            url = getattr(ref, "target_url", None) or ""
            if not isinstance(ref, otio.schema.ExternalReference) or not url:
                continue
            if url not in known:
                old = next((name for name in member_names(url) if name in inside and stays_inside(name)), None)
                path = None if old or remote_scheme(url) else find(clip, url)
                if old is not None:
                    known[url] = old if old.startswith(f"{FOLDER}/") else f"{FOLDER}/{PurePosixPath(old).name}"
                    members[known[url]] = old
                elif path is not None:
                    known[url] = _member_name(path, taken)
                    files[known[url]] = taken[known[url].lower()] = path
                else:
                    known[url] = url
                    outside[url] = None
            ref.target_url = known[url]
    return files, members, [f"{name} is not taken along" for name in outside]


def _member_name(path: Path, taken: Mapping[str, Path]) -> str:
    """Return a name inside for a file: its own, with a digest in it where another file has that name.

    `taken` is the files by their names inside in lower case.
    """
    plain = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", path.name)
    name = f"{FOLDER}/{plain}"
    # Names that differ in case only are one name on some systems.
    same = taken.get(name.lower())
    if same is None or same.resolve() == path.resolve() or is_same_file(path, same):
        return name
    stem, dot, suffix = plain.rpartition(".")
    return f"{FOLDER}/{stem or suffix}_{digest([file_digest(path), str(path)])[:10]}{dot and stem and '.' + suffix}"


def _holds(inside: Mapping[str, zipfile.ZipInfo], base: str) -> bool:
    """Return whether a bundle has anything below the folder of an image sequence."""
    return any(name.startswith(start) for start in member_names(base) for name in inside)
