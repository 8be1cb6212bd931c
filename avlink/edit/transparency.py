"""Clips that let what lies under them show through, told by their media: titles, logos and effects with alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from avlink.core.errors import MediaError, PluginError
from avlink.core.values import ImageSequence
from avlink.edit.sources import Locate
from avlink.media.transparency import shows_through
from avlink.timeline.resolve import MediaRoots, Unresolved, find_media
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.visible import that_cover


def with_transparency(
    items: Sequence[ClipRef | Skip], *, folder: Path, roots: MediaRoots, locate: Locate | None = None
) -> tuple[ClipRef | Skip, ...]:
    """Return items with `transparent` set on clips that have others under them, and media that shows these.

    Media that is not found or cannot be read hides what lies under it, as far as anyone knows. Only clips over others
    are opened, each file once.
    """
    known: dict[Path | ImageSequence, bool] = {}

    def is_transparent(clip: ClipRef) -> bool:
        media = _find(clip, folder, roots, locate)
        if media is None:
            return False
        if media not in known:
            try:
                known[media] = shows_through(media)
            except (MediaError, OSError):
                known[media] = False
        return known[media]

    over = {id(item) for item in that_cover(items)}
    return tuple(
        replace(item, transparent=True)
        if isinstance(item, ClipRef) and id(item) in over and is_transparent(item)
        else item
        for item in items
    )


def _find(clip: ClipRef, folder: Path, roots: MediaRoots, locate: Locate | None) -> Path | ImageSequence | None:
    try:
        return find_media(clip, folder, roots)[1]
    except Unresolved:
        try:
            return None if locate is None else locate(clip)
        except PluginError:
            return None
