"""The size of a timeline, checked once after any reader, so that everything behind it may recurse and multiply."""

from __future__ import annotations

from itertools import islice

import opentimelineio as otio

from avlink.core.errors import TimelineError
from avlink.core.limits import ITEMS, MARKERS, RATES, REFERENCES, SEQUENCES_DEPTH, TRACKS


def check_timeline_size(timeline: otio.schema.Timeline, where: object) -> None:
    """Check nesting, tracks, items, markers, references and rates. Raises TimelineError for more than the limits."""
    items = markers = 0
    rates: set[float] = set()
    waiting: list[tuple[otio.core.Composition, int]] = [(timeline.tracks, 1)]
    while waiting:
        parent, depth = waiting.pop()
        SEQUENCES_DEPTH.check(depth, where, TimelineError)
        items += len(parent)
        ITEMS.check(items, where, TimelineError)
        if isinstance(parent, otio.schema.Stack):
            TRACKS.check(len(parent), where, TimelineError)
        markers += len(parent.markers)
        # OTIO's iterators take long to say that they have no more.
        for child in islice(parent, len(parent)):
            if isinstance(child, otio.core.Composition):
                waiting.append((child, depth + 1))
                continue
            if isinstance(child, otio.core.Item):
                markers += len(child.markers)
                if child.source_range is not None:
                    rates.add(child.source_range.duration.rate)
            if isinstance(child, otio.schema.Clip):
                REFERENCES.check(len(child.media_references()), f"{where}, clip '{child.name}'", TimelineError)
        MARKERS.check(markers, where, TimelineError)
        RATES.check(len(rates), where, TimelineError)
