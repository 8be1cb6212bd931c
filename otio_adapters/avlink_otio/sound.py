"""The part of a timeline that formats for sound programs hold, with a warning for each clip that they cannot."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import opentimelineio as otio

from avlink import FlatClip, FlatTimeline, FlatTrack, flatten_timeline


def flat(timeline: otio.core.SerializableObject) -> FlatTimeline:
    """Return a timeline that OTIO hands to a writer as values.

    Raises `otio.exceptions.NotSupportedError` for an object that is no timeline.
    """
    if not isinstance(timeline, otio.schema.Timeline):
        raise otio.exceptions.NotSupportedError(f"this is made of a timeline, not of a {type(timeline).__name__}")
    return flatten_timeline(timeline)


def sound_of(timeline: FlatTimeline, *, retimed: bool = False, hits: bool = False) -> FlatTimeline:
    """Return a timeline with its sound tracks only, and on them the clips that play a file at its own speed.

    With `retimed` clips at another constant speed are there too. Warns of clips that are left out. Raises
    `otio.exceptions.NotSupportedError` for a timeline without sound tracks; with `hits` one whose hits are marked, and
    which is not given its sound yet, is written too.
    """
    tracks = timeline.sound_tracks
    if not tracks and hits and timeline.hits:
        return timeline
    if not tracks:
        raise otio.exceptions.NotSupportedError("the timeline has no sound tracks; give it some with `avlink sonify`")
    tracks = tuple(replace(track, clips=tuple(_playable(track, retimed=retimed))) for track in tracks)
    if not any(track.clips for track in tracks):
        warnings.warn("none of its sound tracks has a clip that can be written: the file is empty", stacklevel=2)
    return replace(timeline, tracks=tracks)


def _playable(track: FlatTrack, *, retimed: bool) -> Iterator[FlatClip]:
    for sentence in track.left_out:
        warnings.warn(f"{sentence}; it is left out", stacklevel=2)
    for clip in track.clips:
        # Programs stretch sound in ways of their own, with or without its pitch, so that no two would sound alike.
        if clip.speed != 1 and not (retimed and clip.speed):
            warnings.warn(f"'{clip.name}' is retimed and is left out", stacklevel=2)
        elif not clip.media:
            warnings.warn(f"'{clip.name}' names no file and is left out", stacklevel=2)
        else:
            yield clip
