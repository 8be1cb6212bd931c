"""A whole project with its media inside: .otioz, a zip, and .otiod, the same as a folder.

Both hold `content.otio` and one flat folder `media/`. OTIO's own writer resolves paths against the current folder,
forgets all takes but the active one, refuses names that occur twice, and never writes the same zip twice. Here every
local file of every reference is taken along under a name that only it can have, and the same project gives the same
bytes.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Container, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import opentimelineio as otio

from avlink.core.errors import OutputError, TimelineError
from avlink.core.file_digest import file_digest
from avlink.core.hashing import digest
from avlink.core.paths import atomic_write
from avlink.timeline.formats.otiod import CONTENT, FOLDER, copy_member, stays_inside, write_folder
from avlink.timeline.resolve import MediaRoots, find_file, remote_scheme

_VERSION = "version.txt"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_collected(
    timeline: otio.schema.Timeline,
    output: Path,
    *,
    folder: Path,
    bundle: Path | None = None,
    roots: Sequence[Path] = (),
    renew: bool = False,
) -> list[str]:
    """Write a timeline with its media as .otioz or .otiod, as `output` ends; as a whole or not at all.

    Relative media paths count from `folder`, or mean members of the zip `bundle`. An .otiod that is there is refused,
    or with `renew` brought up to date: its media first, then what names it, then what nobody names is removed. Returns
    sentences on what stays outside: media that is missing or remote, and image sequences.

    Raises OutputError when it cannot be written, TimelineError when the bundle is broken.
    """
    if output.suffix.lower() not in {".otioz", ".otiod"}:
        raise OutputError(f"{output} cannot hold media; a project with its media inside ends in .otioz or .otiod")
    copy = timeline.deepcopy()
    try:
        archive = None if bundle is None else zipfile.ZipFile(bundle)
    except (OSError, zipfile.BadZipFile) as error:
        raise TimelineError(f"{bundle} is broken: {error}") from error
    inside = {} if archive is None else {member.filename: member for member in archive.infolist()}
    files, members, notes = _gather(copy, folder, inside, MediaRoots(roots))
    content = otio.adapters.write_to_string(copy, "otio_json")
    try:
        if output.suffix.lower() == ".otioz":
            _write_zip(output, content, files, archive, members)
        else:
            write_folder(output, content, files, archive, members, renew=renew)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise TimelineError(f"{bundle} is broken: {error}") from error
    finally:
        if archive is not None:
            archive.close()
    return notes


def unpack_sound(bundle: Path, tracks: Sequence[otio.schema.Track], folder: Path) -> Path:
    """Unpack what sound tracks name out of a .otioz into `folder`/media; returns `folder`. Files that are there stay.

    Raises TimelineError when the zip is broken, OutputError when it cannot be written.
    """
    wanted = {
        name
        for track in tracks
        for clip in track.find_clips()
        for ref in clip.media_references().values()
        for name in _names(getattr(ref, "target_url", None) or "")
    }
    return unpack(bundle, wanted, folder)


def unpack(bundle: Path, wanted: Container[str], folder: Path) -> Path:
    """Unpack the `wanted` members of a .otioz into `folder`, and return it; those that are there whole are kept.

    Names that would lead outside of `folder` are not unpacked. Raises TimelineError when the zip is broken and
    OutputError when there is no room.
    """
    try:
        with zipfile.ZipFile(bundle) as archive:
            for member in archive.infolist():
                if member.filename in wanted and not member.is_dir() and stays_inside(member.filename):
                    target = folder.joinpath(*PurePosixPath(member.filename).parts)
                    if not target.is_file() or target.stat().st_size != member.file_size:
                        with atomic_write(target) as temporary:
                            copy_member(archive, member, temporary)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise TimelineError(f"{bundle} is broken: {error}") from error
    return folder


def member_info(name: str, method: int) -> zipfile.ZipInfo:
    """A member without the moment and the machine it was written on."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = method
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info


def _gather(
    timeline: otio.schema.Timeline, folder: Path, inside: Mapping[str, zipfile.ZipInfo], roots: MediaRoots
) -> tuple[dict[str, Path], dict[str, str], list[str]]:
    """Name all media as it will lie inside, in place; which file or old member goes under which name; and what not."""
    files: dict[str, Path] = {}
    # What lies in the old bundle stays, whoever names it: images of a sequence are not named one by one.
    members = {name: name for name in inside if name.startswith(f"{FOLDER}/") and stays_inside(name)}
    taken = {name.lower(): Path(name) for name in members}
    outside: dict[str, None] = {}
    known: dict[str, str] = {}
    for clip in timeline.find_clips():
        refs = clip.media_references()
        for ref in refs.values():
            if isinstance(ref, otio.schema.ImageSequenceReference) and not _holds(inside, ref.target_url_base or ""):
                outside[f"the image sequence {ref.target_url_base}"] = None
            url = getattr(ref, "target_url", None) or ""
            if not isinstance(ref, otio.schema.ExternalReference) or not url:
                continue
            if url not in known:
                old = next((name for name in _names(url) if name in inside and stays_inside(name)), None)
                path = None if old or remote_scheme(url) else find_file(url, folder, roots)
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
    """A name inside for a file: its own, with a digest in it where another file has that name.

    `taken` is the files by their names inside in lower case.
    """
    plain = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", path.name)
    name = f"{FOLDER}/{plain}"
    # Names that differ in case only are one name on some systems.
    same = taken.get(name.lower())
    if same is None or same.resolve() == path.resolve():
        return name
    stem, dot, suffix = plain.rpartition(".")
    return f"{FOLDER}/{stem or suffix}_{digest([file_digest(path), str(path)])[:10]}{dot and stem and '.' + suffix}"


def _write_zip(
    output: Path,
    content: str,
    files: Mapping[str, Path],
    old: zipfile.ZipFile | None,
    members: Mapping[str, str],
) -> None:
    with atomic_write(output) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(member_info(_VERSION, zipfile.ZIP_DEFLATED), "1.0.0")
        archive.writestr(member_info(CONTENT, zipfile.ZIP_DEFLATED), content)
        for name in sorted({*files, *members}):
            with archive.open(member_info(name, zipfile.ZIP_STORED), "w", force_zip64=True) as out:
                if name in files:
                    with files[name].open("rb") as source:
                        shutil.copyfileobj(source, out, 1 << 20)
                elif old is not None:
                    with old.open(members[name]) as packed:
                        shutil.copyfileobj(packed, out, 1 << 20)


def _holds(inside: Mapping[str, zipfile.ZipInfo], base: str) -> bool:
    """Whether a bundle has anything below the folder of an image sequence."""
    return any(name.startswith(start) for start in _names(base) for name in inside)


def _names(url: str) -> tuple[str, ...]:
    """The members that a URL in a bundle can mean: literally, then decoded once."""
    return tuple(dict.fromkeys((url, unquote(url)))) if url else ()
