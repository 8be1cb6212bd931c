"""What editing programs need to be told of the channels of a sound clip, in the words of each.

OTIO has no channels of its own, so every program writes its own metadata. A project is answered in the language that
it speaks already; one that speaks none gets none. Links between clips are left out on purpose: a wrong one fuses clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import opentimelineio as otio

RESOLVE, PREMIERE = "Resolve_OTIO", "PremierePro_OTIO"
_TYPES = {1: "Mono", 2: "Stereo", 6: "5.1"}


def dialects(timeline: otio.schema.Timeline) -> tuple[str, ...]:
    """The programs whose metadata a timeline carries, on itself or on any of its tracks and what lies on them."""
    found = {name for owner in _owners(timeline) for name in (RESOLVE, PREMIERE) if name in owner.metadata}
    return tuple(sorted(found))


def track_words(channels: int, languages: tuple[str, ...]) -> dict[str, Any]:
    """The metadata of a sound track of so many channels."""
    kind = _TYPES.get(channels, "Adaptive")
    words: dict[str, Any] = {
        RESOLVE: {"Audio Type": kind, "Locked": False, "SoloOn": False},
        PREMIERE: {"AudioChannels": {"ChannelType": kind, "NumberOfChannels": channels}},
    }
    return {name: words[name] for name in languages}


def clip_words(channels: int, languages: tuple[str, ...]) -> dict[str, Any]:
    """The metadata of a clip of a file with so many channels, all of them used in their order."""
    words: dict[str, Any] = {
        RESOLVE: {"Channels": [{"Source Channel ID": channel, "Source Track ID": 0} for channel in range(channels)]},
        PREMIERE: {
            "AudioChannels": {
                "ChannelType": _TYPES.get(channels, "Adaptive"),
                "SecondaryAssignments": [{"SecondaryChannelIndex": channel} for channel in range(channels)],
            },
            "OriginalChannelGroupIndex": 0,
            "SourceClipIndex": 0,
        },
    }
    return {name: words[name] for name in languages}


def _owners(timeline: otio.schema.Timeline) -> Iterator[Any]:
    yield timeline
    yield timeline.tracks
    for track in timeline.tracks:
        yield track
        # The first items tell: a program that writes its own words writes them everywhere.
        if isinstance(track, otio.schema.Track):
            yield from track[:4]
