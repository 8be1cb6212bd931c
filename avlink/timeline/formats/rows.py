"""Tracks of items that know their places, as the XML formats of editing programs state them.

OTIO places an item by what lies before it on its track, so that the space between becomes gaps, and items that overlap
lie on more than one track.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import opentimelineio as otio

_ZERO = Fraction(0)

MakeTime = Callable[[Fraction], otio.opentime.RationalTime]
"""Makes a time of seconds, at the rate of the sequence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedItem:
    """An item in its place: seconds from the start of its sequence."""

    start_s: Fraction
    end_s: Fraction
    item: otio.core.Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Dissolve:
    """A transition between two moments; the cut is the edge of an item that lies between them."""

    start_s: Fraction
    end_s: Fraction
    name: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


def rows_of(items: Sequence[PlacedItem]) -> list[list[PlacedItem]]:
    """Return the items in as many rows as it takes for none to overlap, each in time order."""
    rows: list[list[PlacedItem]] = []
    for item in sorted(items, key=lambda item: item.start_s):
        row = next((row for row in rows if row[-1].end_s <= item.start_s), None)
        if row is None:
            rows.append([item])
        else:
            row.append(item)
    return rows


def fill_track(track: otio.schema.Track, row: Sequence[PlacedItem], dissolves: list[Dissolve], time: MakeTime) -> None:
    """Append a row of items to a track, with the gaps between them and their dissolves, which leave the list."""

    def dissolve(cut_s: Fraction) -> None:
        found = next((one for one in dissolves if one.start_s <= cut_s <= one.end_s), None)
        if found is not None:
            dissolves.remove(found)
            offsets = time(cut_s - found.start_s), time(found.end_s - cut_s)
            made = otio.schema.Transition(found.name, otio.schema.TransitionTypes.SMPTE_Dissolve, *offsets)
            made.metadata.update(found.metadata)
            track.append(made)

    end_s = _ZERO
    for placed in row:
        if placed.start_s > end_s:
            if end_s:
                dissolve(end_s)
            span = otio.opentime.TimeRange(time(_ZERO), time(placed.start_s - end_s))
            track.append(otio.schema.Gap(source_range=span))
        dissolve(placed.start_s)
        track.append(placed.item)
        end_s = placed.end_s
    dissolve(end_s)
