"""Knowing the tracks that AVLink made from those of the project."""

from __future__ import annotations

import opentimelineio as otio

from avlink.timeline.item import table

KEY = "avlink"
"""The one metadata key that is ours."""

PICTURE = "picture"
"""The role that a video track of ours says it has; those of people have none."""


def is_ours(track: otio.schema.Track) -> bool:
    """Whether a track holds our stems, or our pictures."""
    if track.kind == otio.schema.TrackKind.Audio:
        return KEY in track.metadata
    return holds_pictures(track)


def holds_pictures(track: otio.core.Composable) -> bool:
    """Whether a track holds our pictures."""
    is_video = isinstance(track, otio.schema.Track) and track.kind == otio.schema.TrackKind.Video
    return is_video and table(track.metadata, KEY).get("role") == PICTURE
