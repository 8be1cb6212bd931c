"""Markers and colours, which editors use to direct the sound, at their places on the timeline."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, islice
from typing import Literal, TypeAlias

import opentimelineio as otio

from avlink.core.hits import Hit
from avlink.timeline.cue_text import CUE_TEXT
from avlink.timeline.hit_markers import read_hit
from avlink.timeline.item import KEY, seconds, table
from avlink.timeline.view import View

_ZERO = Fraction(0)
_COLOUR_KEYS = {"color", "colour", "clip color", "label", "label2"}

Role: TypeAlias = Literal["sync", "ambience"]
Mode: TypeAlias = Literal["sync", "ambience", "off"]
MODES: tuple[Mode, ...] = ("sync", "ambience", "off")
"""Modes of a clip: sound in sync with its picture, sound that goes on throughout, or none."""

# Two frames at 24 per second: shorter than any range that a person means.
_POINT_S = Fraction(1, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A marker in its place on the timeline. `own` when it lies on the clip itself and not on an item around it.

    `hit` is the sounding event that it marks, in the same place; None for any other marker.
    """

    name: str
    colour: str
    comment: str
    start_s: Fraction
    duration_s: Fraction
    own: bool = True
    hit: Hit | None = None

    @property
    def shown_name(self) -> str:
        """Its name, else its comment."""
        return self.name or self.comment

    @property
    def is_point(self) -> bool:
        """True for a moment, not a range: programs whose markers have no length write one of a frame."""
        return self.duration_s < _POINT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerCue:
    """A sound that a marker asks for. `number` tells apart those of one role over the same stretch."""

    role: Role
    prompt: str | None
    number: int = 0


def read_cue(marker: Marker) -> MarkerCue | None:
    """Return the cue in a marker's name, else in its comment: "FOLEY: footsteps on gravel", "AMB: wind" in any case.

    A name that ends at its colon has its prompt in the comment. None for any other marker.
    """
    for text, more in ((marker.name, marker.comment), (marker.comment, "")):
        match = CUE_TEXT.fullmatch(text)
        if match is not None:
            role: Role = "sync" if match[1].lower() == "foley" else "ambience"
            return MarkerCue(role=role, prompt=match[2].strip() or more.strip() or None)
    return None


class MarkerIndex:
    """Markers sorted by time, to find those of one clip among thousands quickly."""

    def __init__(self, markers: Iterable[Marker] = ()) -> None:
        self._markers = sorted(markers, key=lambda marker: (marker.start_s, marker.name))
        self._starts = [marker.start_s for marker in self._markers]
        self._ends = [marker.start_s + marker.duration_s for marker in self._markers]
        self._longest_s = max((marker.duration_s for marker in self._markers), default=_ZERO)

    def within(self, start_s: Fraction, end_s: Fraction) -> list[Marker]:
        """Return the markers that lie in [start_s, end_s) or reach into it."""
        # Sorted by start alone: one that reaches in begins at most the longest of all before it.
        first = bisect_left(self._starts, start_s - self._longest_s)
        inside, last = bisect_left(self._starts, start_s), bisect_left(self._starts, end_s)
        reaching = [self._markers[index] for index in range(first, inside) if self._ends[index] > start_s]
        return [*reaching, *self._markers[inside:last]]


def is_hit(marker: otio.schema.Marker) -> bool:
    """Return whether a marker is a stem hit: one of our marks on a stem, wherever it lies by now."""
    return isinstance(table(marker.metadata, KEY).get("samples"), int)


def markers_of(item: otio.core.Item, view: View, *, own: bool, hits: bool = True) -> list[Marker]:
    """Return the markers that people put on an item, placed on the timeline; `view` is the item's own.

    A frozen item has none, because no moment of it has one place. Without `hits`, as on sound, none is a sounding event
    of a picture.
    """
    if not view.speed:
        return []
    found = []
    for marker in islice(item.markers, len(item.markers)):
        if is_hit(marker):
            # Hits tell of a stem and ask for nothing, also where a person copied them to a picture.
            continue
        start_s, duration_s = seconds(marker.marked_range.start_time), seconds(marker.marked_range.duration)
        if start_s is None or duration_s is None:
            continue
        marked = read_hit(marker) if hits else None
        if marked is not None:
            # Exactly where it was seen, and not on the frame alone.
            start_s, duration_s = marked.start_s, marked.duration_s
        edges = sorted((moment - view.offset_s) / view.speed for moment in (start_s, start_s + max(duration_s, _ZERO)))
        found.append(
            Marker(
                name=marker.name or "",
                colour=str(marker.color or "").upper(),
                comment=marker.comment or "",
                start_s=edges[0],
                duration_s=edges[1] - edges[0],
                own=own,
                hit=None if marked is None else replace(marked.hit, time_s=edges[0], duration_s=edges[1] - edges[0]),
            )
        )
    return found


def markers_around(rows: Sequence[MarkerIndex], start_s: Fraction, end_s: Fraction) -> list[Marker]:
    """Return the markers of all rows that lie in [start_s, end_s) or reach into it, in time order."""
    by_row = [found for row in rows if (found := row.within(start_s, end_s))]
    if len(by_row) < 2:
        return by_row[0] if by_row else []
    return sorted(chain.from_iterable(by_row), key=lambda marker: (marker.start_s, marker.name))


def colour_of(item: otio.core.Item) -> str | None:
    """Return the colour or label of a clip in capitals, by OTIO or by the editing program's own metadata."""
    colour = getattr(item, "color", None)
    if colour is not None:
        return str(colour.name or colour.to_hex()).upper()
    for program in ("fcp_xml", "Resolve_OTIO", "PremierePro_OTIO"):
        said = table(item.metadata, program)
        for values in (said, table(said, "labels")):
            for key in values:
                if key.lower() in _COLOUR_KEYS and isinstance(values[key], str) and values[key]:
                    return str(values[key]).upper()
    return None
