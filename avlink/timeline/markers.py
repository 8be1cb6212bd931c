"""Markers and colours, which editors use to say what a clip is for, where they lie on the timeline."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import chain, islice

import opentimelineio as otio

from avlink.timeline.directions import Marker
from avlink.timeline.hits import is_hit
from avlink.timeline.item import seconds, table
from avlink.timeline.view import View

_ZERO = Fraction(0)
_COLOUR_KEYS = {"color", "colour", "clip color", "label", "label2"}


class MarkerRow:
    """Markers in the order of time, so that those of one clip among thousands are found quickly."""

    def __init__(self, markers: Iterable[Marker] = ()) -> None:
        self._markers = sorted(markers, key=lambda marker: (marker.start_s, marker.name))
        self._starts = [marker.start_s for marker in self._markers]
        self._longest_s = max((marker.duration_s for marker in self._markers), default=_ZERO)

    def within(self, start_s: Fraction, end_s: Fraction) -> list[Marker]:
        """The markers that lie in [start_s, end_s) or reach into it."""
        first = bisect_left(self._starts, start_s - self._longest_s)
        last = bisect_right(self._starts, end_s)
        return [marker for marker in self._markers[first:last] if touches(marker, start_s, end_s)]


def touches(marker: Marker, start_s: Fraction, end_s: Fraction) -> bool:
    """Whether a marker lies in [start_s, end_s) or reaches into it."""
    return start_s <= marker.start_s < end_s or marker.start_s < start_s < marker.start_s + marker.duration_s


def markers_of(item: otio.core.Item, view: View, *, own: bool) -> list[Marker]:
    """The markers that people put on an item, where they lie on the timeline; `view` is the item's own.

    A frozen item has none.
    """
    if not view.speed:
        return []
    found = []
    for marker in islice(item.markers, len(item.markers)):
        if is_hit(marker):
            # Ours, which say what is heard; whoever moved them here asks for nothing by them.
            continue
        start_s, duration_s = seconds(marker.marked_range.start_time), seconds(marker.marked_range.duration)
        if start_s is None or duration_s is None:
            continue
        edges = sorted((moment - view.offset_s) / view.speed for moment in (start_s, start_s + max(duration_s, _ZERO)))
        found.append(
            Marker(
                name=marker.name or "",
                colour=str(marker.color or "").upper(),
                comment=marker.comment or "",
                start_s=edges[0],
                duration_s=edges[1] - edges[0],
                own=own,
            )
        )
    return found


def markers_around(rows: Sequence[MarkerRow], start_s: Fraction, end_s: Fraction) -> list[Marker]:
    """The markers of all rows that lie in [start_s, end_s) or reach into it, in the order of time."""
    found = chain.from_iterable(row.within(start_s, end_s) for row in rows)
    return sorted(found, key=lambda marker: (marker.start_s, marker.name))


def colour_of(item: otio.core.Item) -> str | None:
    """The colour or label of a clip in capitals, by OTIO or by the editing program's own metadata."""
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
