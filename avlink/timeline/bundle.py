"""OTIO bundles: a zip of `content.otio` and the media it names, all in one flat folder `media/`.

Reading unpacks what the pictures need into a folder outside; writing copies every member of the old bundle as it is
and adds ours. OTIO's own bundle writer resolves paths against the current folder and drops what is not active.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import opentimelineio as otio

from avlink.core.errors import TimelineError
from avlink.core.paths import atomic_write

_CONTENT = "content.otio"
_VERSION = "version.txt"


def unpack_media(bundle: Path, timeline: otio.schema.Timeline, folder: Path) -> Path:
    """Unpack the media that the video tracks name into `folder`, and return it; members that are there are kept.

    Names that would lead outside of `folder` are not unpacked. Raises TimelineError when the zip is broken and
    OutputError when there is no room.
    """
    wanted = set()
    for track in timeline.video_tracks():
        for clip in track.find_clips():
            for ref in clip.media_references().values():
                url = getattr(ref, "target_url", None) or ""
                wanted |= {url, unquote(url)}
    try:
        with zipfile.ZipFile(bundle) as archive:
            for member in archive.infolist():
                path = PurePosixPath(member.filename)
                if member.is_dir() or member.filename not in wanted or not _stays_inside(path):
                    continue
                target = folder.joinpath(*path.parts)
                if target.is_file() and target.stat().st_size == member.file_size:
                    continue
                with atomic_write(target) as temporary, archive.open(member) as packed, temporary.open("wb") as out:
                    shutil.copyfileobj(packed, out, 1 << 20)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise TimelineError(f"{bundle} is broken: {error}") from error
    return folder


def write_bundle(timeline: otio.schema.Timeline, output: Path, *, old: Path | None, media: Mapping[str, Path]) -> None:
    """Write a bundle as a whole or not at all: the timeline, the media of the `old` bundle, and `media` by member name.

    Members of the old bundle that `media` names anew are replaced. Raises OutputError.
    """
    with atomic_write(output) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(_VERSION, "1.0.0", zipfile.ZIP_DEFLATED)
        archive.writestr(_CONTENT, otio.adapters.write_to_string(timeline, "otio_json"), zipfile.ZIP_DEFLATED)
        if old is not None:
            with zipfile.ZipFile(old) as source:
                for member in source.infolist():
                    if member.filename not in {_CONTENT, _VERSION, *media} and not member.is_dir():
                        with source.open(member) as packed, archive.open(member.filename, "w", force_zip64=True) as out:
                            shutil.copyfileobj(packed, out, 1 << 20)
        for name, path in media.items():
            archive.write(path, name, zipfile.ZIP_STORED)


def _stays_inside(path: PurePosixPath) -> bool:
    return not path.is_absolute() and ".." not in path.parts and "\\" not in str(path) and ":" not in str(path)
