"""The metadata of AVLink in a timeline: the tracks that it made, and the requests that people wrote on clips.

People and spreadsheets write these values, so that none of them ends a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import opentimelineio as otio

from avlink.timeline.item import KEY, is_number, table
from avlink.timeline.markers import MODES, Mode
from avlink.timeline.values import ClipRef

PICTURE = "picture"
"""The role in the metadata of a video track of ours; tracks of people have none."""

REQUESTS = ("mode", "prompt", "negative", "seed", "gain_db")
"""The requests of a clip under `KEY`; stems repeat them for cue sheets."""

MAX_SEED = 2**63 - 1
MAX_GAIN_DB = 60.0


def sound_tracks(timeline: otio.schema.Timeline) -> list[otio.schema.Track]:
    """Return the tracks that are a timeline's sound for other programs: those that AVLink made, else all of them."""
    tracks = list(timeline.audio_tracks())
    return [track for track in tracks if is_ours(track)] or tracks


def take_number(ref: otio.core.MediaReference) -> int:
    """Return the number of the take that a medium of a stem is; 1 where its metadata says nothing or no number."""
    number = table(ref.metadata, KEY).get("take")
    return number if isinstance(number, int) and not isinstance(number, bool) and abs(number) < MAX_SEED else 1


def own_tracks(timeline: otio.schema.Timeline) -> list[otio.schema.Track]:
    """Return the tracks of a timeline that hold our stems, or our pictures."""
    return [track for track in timeline.tracks if isinstance(track, otio.schema.Track) and is_ours(track)]


def is_ours(track: otio.schema.Track) -> bool:
    """Return whether a track holds our stems, or our pictures."""
    if track.kind == otio.schema.TrackKind.Audio:
        return KEY in track.metadata
    return holds_pictures(track)


def holds_pictures(track: otio.core.Composable) -> bool:
    """Return whether a track holds our pictures."""
    is_video = isinstance(track, otio.schema.Track) and track.kind == otio.schema.TrackKind.Video
    return is_video and table(track.metadata, KEY).get("role") == PICTURE


def with_requests(clip: ClipRef, said: Mapping[str, Any]) -> ClipRef:
    """Return a clip with prompt, negative, seed, gain_db and mode of its metadata; None where that has none.

    An invalid value counts as none, and a note names it.
    """
    notes = list(clip.notes)

    def checked(name: str, fits: Callable[[Any], bool], lack: str) -> Any:
        value = said.get(name)
        if value is None or fits(value):
            return value
        told = f"its {name} in metadata['avlink'], {_shown(value)}, {lack}; the recipe decides"
        notes.append(f"{clip.name} on {clip.track}: {told}")
        return None

    prompt, negative = (checked(name, _is_text, "is no text") for name in ("prompt", "negative"))
    seed = checked("seed", _is_seed, f"is no whole number from 0 to {MAX_SEED}")
    gain_db = checked("gain_db", _is_gain, f"is no number of decibels from -{MAX_GAIN_DB:g} to {MAX_GAIN_DB:g}")
    mode = checked("mode", lambda value: _mode(value) is not None, f"is none of {', '.join(MODES)}")
    return replace(
        clip,
        prompt=prompt,
        negative=negative,
        seed=None if seed is None else int(seed),
        gain_db=None if gain_db is None else float(gain_db),
        mode=_mode(mode),
        notes=tuple(notes),
    )


def set_requests(clip: otio.core.Item, words: Mapping[str, Any]) -> bool:
    """Set requests of a clip, in place: None removes one, others stay. Return whether that changed it."""
    before = dict(table(clip.metadata, KEY))
    after = dict(before)
    for name in REQUESTS:
        if name not in words:
            continue
        # An empty text asks for nothing either.
        if words[name] is None and before.get(name, "") != "":
            del after[name]
        elif words[name] is not None:
            after[name] = words[name]
    if after == before:
        return False
    if after:
        clip.metadata[KEY] = after
    else:
        del clip.metadata[KEY]
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_seed(value: Any) -> bool:
    return is_number(value) and value == int(value) and 0 <= value <= MAX_SEED


def _is_gain(value: Any) -> bool:
    return is_number(value) and abs(value) <= MAX_GAIN_DB


def _mode(value: Any) -> Mode | None:
    text = value.strip().lower() if isinstance(value, str) else None
    return next((known for known in MODES if known == text), None)


def _shown(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
