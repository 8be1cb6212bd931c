"""OTIO bundles: a zip of `content.otio` and the media it names, all in one flat folder `media/`.

Reading unpacks what the pictures need into a folder outside; writing copies every member of the old bundle as it is
and adds ours. OTIO's own bundle writer resolves paths against the current folder and drops what is not active.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Container, Mapping
from pathlib import Path
from urllib.parse import unquote

import opentimelineio as otio

from avlink.core.paths import atomic_write
from avlink.timeline.formats.collect import member_info, unpack
from avlink.timeline.item import media_refs
from avlink.timeline.values import MediaRef

_CONTENT = "content.otio"
_VERSION = "version.txt"


def unpack_media(bundle: Path, timeline: otio.schema.Timeline, folder: Path) -> Path:
    """Unpack the media that the video tracks name into `folder`, and return it; members that are there are kept.

    Names that would lead outside of `folder` are not unpacked. Raises TimelineError when the zip is broken and
    OutputError when there is no room.
    """
    return unpack(bundle, _wanted(timeline), folder)


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
    """The members of a bundle that a timeline needs: files, and all that image sequences may be called."""

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


def write_bundle(timeline: otio.schema.Timeline, output: Path, *, old: Path | None, media: Mapping[str, Path]) -> None:
    """Write a bundle as a whole or not at all: the timeline, the media of the `old` bundle, and `media` by member name.

    Members of the old bundle that `media` names anew are replaced, and the same content gives the same bytes. Raises
    OutputError.
    """
    with atomic_write(output) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(member_info(_VERSION, zipfile.ZIP_DEFLATED), "1.0.0")
        content = otio.adapters.write_to_string(timeline, "otio_json")
        archive.writestr(member_info(_CONTENT, zipfile.ZIP_DEFLATED), content)
        if old is not None:
            with zipfile.ZipFile(old) as source:
                for member in source.infolist():
                    if member.filename not in {_CONTENT, _VERSION, *media} and not member.is_dir():
                        info = member_info(member.filename, zipfile.ZIP_STORED)
                        with source.open(member) as packed, archive.open(info, "w", force_zip64=True) as out:
                            shutil.copyfileobj(packed, out, 1 << 20)
        for name, path in media.items():
            info = member_info(name, zipfile.ZIP_STORED)
            with path.open("rb") as plain, archive.open(info, "w", force_zip64=True) as out:
                shutil.copyfileobj(plain, out, 1 << 20)
