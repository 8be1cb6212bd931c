"""The own time of a clip, in which its range, its markers and the ranges of its media count: moved as a whole."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import opentimelineio as otio

from avlink.timeline.hit_markers import shift_hit
from avlink.timeline.item import rational_time, seconds


def shift_own_time(clip: otio.schema.Clip, by_s: Fraction) -> None:
    """Let the own time of a clip count `by_s` later, in place. It plays the same stretch of its media as before."""
    if clip.source_range is not None:
        clip.source_range = _shifted(clip.source_range, by_s)
    for marker in islice(clip.markers, len(clip.markers)):
        marker.marked_range = _shifted(marker.marked_range, by_s)
        shift_hit(marker, by_s)
    refs = clip.media_references()
    for ref in refs.values():
        if ref.available_range is not None:
            ref.available_range = _shifted(ref.available_range, by_s)


def _shifted(span: otio.opentime.TimeRange, by_s: Fraction) -> otio.opentime.TimeRange:
    start_s, rate = seconds(span.start_time), span.start_time.rate
    if start_s is None:
        return span
    return otio.opentime.TimeRange(rational_time(start_s + by_s, rate), span.duration)
