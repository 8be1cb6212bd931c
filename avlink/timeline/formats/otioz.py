"""OTIO bundles as zips: .otioz, with `content.otio` and the media it names in one flat folder `media/`.

OTIO's own bundle writer resolves paths against the current folder, drops the references that are not active, and never
writes the same zip twice. Here the same content gives the same bytes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import opentimelineio as otio

from avlink.core.disk_space import check_space
from avlink.core.errors import AvlinkError, OutputError, TimelineError
from avlink.core.file_digest import file_identity
from avlink.core.input_files import check_regular
from avlink.core.limits import BUNDLE_MEMBERS, BUNDLE_RATIO, PROJECT_BYTES
from avlink.core.paths import Writer, atomic_write
from avlink.timeline.media_refs import MediaRef, media_refs

CONTENT, FOLDER = "content.otio", "media"
"""The timeline in a bundle, and the folder of its media; folder bundles (.otiod) have the same."""

_VERSION = "version.txt"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_WHOLE_NS = 315_532_800_000_000_000
_HARMLESS_BYTES = 10**9
"""Bundles that unpack to less are taken at any ratio: silence and black pack well."""
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError, RuntimeError)


def read_content(bundle: Path) -> str:
    """Return the timeline of a bundle as JSON text. Raises TimelineError when the zip is broken or holds none."""
    with open_bundle(bundle) as archive:
        try:
            member = archive.getinfo(CONTENT)
        except KeyError as error:
            raise TimelineError(f"{bundle} is no OTIO bundle: it has no {CONTENT} inside") from error
        PROJECT_BYTES.check(member.file_size, f"{bundle}, {CONTENT}", TimelineError)
        return archive.read(member).decode("utf-8-sig")


@contextlib.contextmanager
def open_bundle(bundle: Path) -> Iterator[zipfile.ZipFile]:
    """Open a bundle for reading: its list of members is within the limits, and none is packed in an unusual way.

    Raises TimelineError where the zip is broken, also where reading from it fails, and for one that unpacks to far
    more than its size. OutputError passes.
    """
    check_regular(bundle, TimelineError)
    try:
        with zipfile.ZipFile(bundle) as archive:
            _check_members(bundle, archive)
            yield archive
    except AvlinkError:
        raise
    except _BROKEN as error:
        reason = f"{bundle} is broken, or no OTIO bundle: {str(error) or 'it ends too early'}"
        raise TimelineError(f"{reason}; copy it again") from error
    except OSError as error:
        # Written files have names of their own, or none.
        if error.filename not in (None, str(bundle)):
            raise
        raise TimelineError(f"{bundle} cannot be read: {error.strerror or error}") from error


def _check_members(bundle: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    BUNDLE_MEMBERS.check(len(members), bundle, TimelineError)
    unpacked = sum(member.file_size for member in members)
    if unpacked > _HARMLESS_BYTES:
        BUNDLE_RATIO.check(unpacked / max(1, bundle.stat().st_size), bundle, TimelineError)
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise TimelineError(
                f"{bundle}: its member {member.filename} is packed by method {member.compress_type}; members of OTIO "
                "bundles are stored or deflated, so pack it again"
            )


def unpack_media(bundle: Path, timeline: otio.schema.Timeline, folder: Path) -> Path:
    """Unpack the media that the video tracks name into `folder`, and return it; members that are there are kept.

    Names that would lead outside of `folder` are not unpacked. Raises TimelineError when the zip is broken and
    OutputError when there is no room.
    """
    return _unpack(bundle, _wanted(timeline), folder)


def unpack_sound(bundle: Path, tracks: Sequence[otio.schema.Track], folder: Path, *, foreign: bool = False) -> Path:
    """Unpack the media of sound tracks out of a .otioz into `folder`/media, and return `folder`.

    Files that are there stay; with `foreign` one of another length may belong to a person and is refused, without it
    it was left by a killed run and is unpacked again. Raises TimelineError when the zip is broken, OutputError when it
    cannot be written.
    """
    wanted = {
        name
        for track in tracks
        for clip in track.find_clips()
        for ref in clip.media_references().values()
        for name in member_names(getattr(ref, "target_url", None) or "")
    }
    return _unpack(bundle, wanted, folder, foreign=foreign)


def write_bundle(
    timeline: otio.schema.Timeline,
    output: Path,
    *,
    old: Path | None,
    media: Mapping[str, Path],
    write: Writer = atomic_write,
) -> None:
    """Write a bundle as a whole or not at all: the timeline, the media of the `old` bundle, and `media` by member name.

    Members of the old bundle that `media` names anew are replaced, and the same content gives the same bytes. Raises
    OutputError.
    """
    with write(output) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(_member_info(_VERSION, zipfile.ZIP_DEFLATED), "1.0.0")
        content = otio.adapters.write_to_string(timeline, "otio_json")
        archive.writestr(_member_info(CONTENT, zipfile.ZIP_DEFLATED), content)
        if old is not None:
            with open_bundle(old) as source:
                for member in source.infolist():
                    if member.filename not in {CONTENT, _VERSION, *media} and not member.is_dir():
                        info = _member_info(member.filename, zipfile.ZIP_STORED)
                        with source.open(member) as packed, archive.open(info, "w", force_zip64=True) as out:
                            shutil.copyfileobj(packed, out, 1 << 20)
        for name, path in media.items():
            _add_file(archive, name, path)


def write_zip(
    output: Path,
    content: str,
    files: Mapping[str, Path],
    old: zipfile.ZipFile | None,
    members: Mapping[str, str],
    *,
    write: Writer = atomic_write,
) -> None:
    """Write a timeline and its media as a zip: `files`, and `members` of the `old` zip, by their names inside."""
    with write(output) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(_member_info(_VERSION, zipfile.ZIP_DEFLATED), "1.0.0")
        archive.writestr(_member_info(CONTENT, zipfile.ZIP_DEFLATED), content)
        for name in sorted({*files, *members}):
            if name in files:
                _add_file(archive, name, files[name])
            elif old is not None:
                info = _member_info(name, zipfile.ZIP_STORED)
                with archive.open(info, "w", force_zip64=True) as out, old.open(members[name]) as packed:
                    shutil.copyfileobj(packed, out, 1 << 20)


def _add_file(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Copy a file into a zip that is written. Raises MediaChanged if it changes meanwhile."""
    identity = file_identity(path)
    info = _member_info(name, zipfile.ZIP_STORED)
    with path.open("rb") as plain, archive.open(info, "w", force_zip64=True) as out:
        shutil.copyfileobj(plain, out, 1 << 20)
    identity.check()


def member_names(url: str) -> tuple[str, ...]:
    """Return the members that a URL in a bundle can mean: literally, then decoded once."""
    return tuple(dict.fromkeys((url, unquote(url)))) if url else ()


def copy_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Unpack one member of a zip."""
    with archive.open(member) as packed, target.open("wb") as out:
        shutil.copyfileobj(packed, out, 1 << 20)


def stays_inside(name: str) -> bool:
    """Return whether the name of a member leads to no place outside of its bundle."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name


def _unpack(bundle: Path, wanted: Container[str], folder: Path, *, foreign: bool = False) -> Path:
    """Unpack the `wanted` members of a .otioz into `folder`, and return it; those that are there whole are kept.

    Names that would lead outside of `folder` are not unpacked. Raises TimelineError when the zip is broken and
    OutputError when there is no room.
    """
    with open_bundle(bundle) as archive:
        needed = []
        for member in archive.infolist():
            if member.filename in wanted and not member.is_dir() and stays_inside(member.filename):
                target = folder.joinpath(*PurePosixPath(member.filename).parts)
                if foreign and target.is_file() and target.stat().st_size != member.file_size:
                    raise OutputError(f"{target} is another file than that in {bundle}; move it, and export again")
                if foreign and target.is_file():
                    continue
                # A run that was killed may have left a part of it, and the cache may be damaged.
                if not _is_whole(target, member):
                    needed.append((member, target))
        check_space({folder: sum(member.file_size for member, _ in needed)}, f"the media in {bundle}")
        for member, target in needed:
            with atomic_write(target) as temporary:
                copy_member(archive, member, temporary)
                _mark_whole(temporary, member)
    return folder


def _is_whole(path: Path, member: zipfile.ZipInfo) -> bool:
    """Return whether a file in the cache is a member as it was unpacked. It is read unless its time says so."""
    try:
        stat = path.stat()
        if stat.st_size != member.file_size:
            return False
        if stat.st_mtime_ns == _whole_ns(member):
            return True
        found = 0
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                found = zlib.crc32(chunk, found)
    except OSError:
        return False
    if found == member.CRC:
        _mark_whole(path, member)
    return found == member.CRC


def _mark_whole(path: Path, member: zipfile.ZipInfo) -> None:
    """Give a file the time of what was just compared with its checksum: whoever writes to it gives it another."""
    with contextlib.suppress(OSError):
        os.utime(path, ns=(_whole_ns(member), _whole_ns(member)))


def _whole_ns(member: zipfile.ZipInfo) -> int:
    # Nanoseconds of the first seconds of 1980: the checksum is in them.
    return _WHOLE_NS + member.CRC


def _wanted(timeline: otio.schema.Timeline) -> Container[str]:
    wanted = _Names()
    for child in timeline.tracks:
        if isinstance(child, otio.schema.Track) and child.kind == otio.schema.TrackKind.Audio:
            continue
        clips = [child] if isinstance(child, otio.schema.Clip) else child.find_clips()
        for clip in clips:
            for ref in media_refs(clip):
                wanted.add(ref)
    return wanted


class _Names:
    """The members of a bundle that a timeline needs: files, and all names that its image sequences may have."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._starts: set[tuple[str, str]] = set()

    def add(self, ref: MediaRef) -> None:
        for url in (ref.url, unquote(ref.url)):
            if ref.images is None:
                self._files.add(url)
            else:
                self._starts.add((f"{url}{ref.images.prefix}", ref.images.suffix))

    def __contains__(self, name: object) -> bool:
        if name in self._files:
            return True
        return any(str(name).startswith(start) and str(name).endswith(end) for start, end in self._starts)


def _member_info(name: str, method: int) -> zipfile.ZipInfo:
    """Return a member without the date and the machine it was written on, so that equal content gives equal bytes."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = method
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info
