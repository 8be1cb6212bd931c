"""Hits: what AVLink heard being struck in a stem, which its clip carries as markers and its media remember.

The markers of a clip speak of the take that is heard, and those that a person took away stay away; the other takes
have theirs in the metadata of their media. In formats without such metadata markers are just markers.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import opentimelineio as otio

from avlink import clock
from avlink_otio.metadata import table
from avlink_otio.project import Hit


def is_hit(marker: otio.schema.Marker) -> bool:
    """Whether a marker says where something is struck."""
    return "samples" in table(marker.metadata)


def hits_of(clip: otio.schema.Clip, key: str, sample_rate: int) -> tuple[Hit, ...]:
    """The hits of the medium of a stem under `key`, in the order of time."""
    if key == clip.active_media_reference_key:
        found = [
            (int(table(marker.metadata)["samples"]), marker.name, marker.comment)
            for marker in clip.markers
            if is_hit(marker)
        ]
    else:
        remembered = table(clip.media_references()[key].metadata).get("hits", ())
        found = [
            (int(sample), f"hit {number}", f"{strength_db:.1f} dB")
            for number, (sample, strength_db) in enumerate(remembered, start=1)
        ]
    return tuple(Hit(name=name, note=note, at_s=Fraction(sample, sample_rate)) for sample, name, note in sorted(found))


def event_times_s(clip: otio.schema.Clip) -> list[Fraction]:
    """The markers of a stem within what is heard of it, in seconds from where it begins on its track.

    Hits lie on their samples, markers of other people where those put them.
    """
    span = clip.trimmed_range()
    begin_s, length_s = _seconds(span.start_time), _seconds(span.duration)
    return sorted(time_s for time_s in _times_s(clip, begin_s) if 0 <= time_s < length_s)


def _times_s(clip: otio.schema.Clip, begin_s: Fraction) -> Iterator[Fraction]:
    media = clip.media_reference.available_range
    rate = table(clip.metadata).get("sample_rate")
    for marker in clip.markers:
        if is_hit(marker) and media is not None and rate:
            yield _seconds(media.start_time) + Fraction(int(table(marker.metadata)["samples"]), int(rate)) - begin_s
        else:
            yield _seconds(marker.marked_range.start_time) - begin_s


def _seconds(time: otio.opentime.RationalTime) -> Fraction:
    return clock.exact_time(time.value, time.rate)
