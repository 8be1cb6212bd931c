"""Completeness of an input before it is sonified: its own last byte, and the media that it needs.

For programs that watch files which other programs may still be writing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avlink.core.values import ImageSequence
from avlink.edit.media_file import is_media_file
from avlink.edit.request import SonifyRequest
from avlink.edit.transparency import with_transparency
from avlink.media import completeness as whole
from avlink.timeline.read import read_timeline
from avlink.timeline.resolve import MediaRoots, Unresolved, find_media
from avlink.timeline.select import select_clips
from avlink.timeline.values import Skip
from avlink.timeline.walk import list_clips


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededMedia:
    """One piece of media that a run reads: a file, or the folder of an image sequence.

    `path` is None if it is not found; `reason` then names the places searched. `name` is the timeline's.
    """

    name: str
    path: Path | None
    reason: str = ""


def check_whole(path: Path, *, on_part: Callable[[float], None] | None = None) -> str | None:
    """Read a media file to its last packet, or a timeline. Return a sentence if more of it may follow, else None.

    `on_part` is called repeatedly with the seconds of media that were read.

    Raises InputError for a file that is broken, truncated or of another kind. A file that is still being written
    raises it, too: callers that wait for files call again.
    """
    if is_media_file(path):
        return whole.check_whole(path, on_part=on_part)
    read_timeline(path)
    return None


def needed_media(request: SonifyRequest) -> tuple[NeededMedia, ...]:
    """Return the media of the clips that a run would sonify, each once.

    Files are looked up. Only those of clips that lie over others are opened, since what is seen through them counts.

    A media file needs only itself, and so does a bundle (.otioz), which has its media inside. Clips without a file
    (titles, stills, remote media) need nothing.

    Raises InputError for a timeline that cannot be read, or has no such clips.
    """
    if is_media_file(request.input):
        return ()
    file = read_timeline(request.input, request.recipe.read)
    if file.bundle is not None:
        return ()
    roots = MediaRoots(request.media_root)
    found: dict[str, NeededMedia] = {}
    items = with_transparency(list_clips(file.timeline, file.image_rate), folder=file.folder, roots=roots)
    for clip in select_clips(items, wanted=request.recipe.select):
        if isinstance(clip, Skip):
            continue
        try:
            ref, media = find_media(clip, file.folder, roots)
        except Unresolved as error:
            if error.missing:
                name = error.source or clip.name
                found.setdefault(name, NeededMedia(name=name, path=None, reason=str(error)))
            continue
        path = media.first.parent if isinstance(media, ImageSequence) else media
        found.setdefault(str(path), NeededMedia(name=ref.url or path.name, path=path))
    return tuple(found.values())
