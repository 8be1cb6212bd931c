"""Markers in the comments of edit decision lists: those that Resolve exports, and the hits of AVLink."""

from __future__ import annotations

from dataclasses import dataclass

_COLOURS = {"SAND": "ORANGE", "FUCHSIA": "MAGENTA", "CREAM": "WHITE", "COCOA": "BLACK"}
_PREFIX = "ResolveColor"
_NOTE = " (confidence "
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveMarker:
    """A marker as Resolve exports it: an event of a frame whose comment holds colour, name, and length in frames."""

    name: str
    note: str
    colour: str
    frames: int


def resolve_marker(comment: str) -> ResolveMarker | None:
    """Return the marker in a comment such as "note |C:ResolveColorBlue |M:step 0.8 |D:12"; None for any other.

    A marker of one frame is a moment, whose length is 0.
    """
    note, is_marker, rest = comment.partition("|C:")
    colour, has_name, rest = rest.partition("|M:")
    name, has_length, frames = rest.rpartition("|D:")
    frames, colour = frames.strip(), colour.strip().removeprefix(_PREFIX).upper()
    if not (is_marker and has_name and has_length) or not frames.isdecimal() or len(frames) > _MOST_DIGITS:
        return None
    length = int(frames)
    return ResolveMarker(
        name=name.strip(),
        note=note.strip(),
        colour=_COLOURS.get(colour, colour),
        frames=length if length > 1 else 0,
    )


def split_note(text: str) -> tuple[str, str]:
    """Return the name and the note of a locator; only hits have a note, in parentheses behind their name."""
    name, sign, rest = text.rpartition(_NOTE)
    if not sign or not rest.endswith(")"):
        return text, ""
    return name.rstrip(), f"{_NOTE.strip(' (')} {rest[:-1]}"
