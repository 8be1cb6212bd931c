"""Hits that come back from another program or a sheet, put onto the clips of a timeline.

A hit that comes back as it was keeps all that the other program does not know: its place between two frames, its
confidence, its place in the picture. What was changed, added or deleted there counts as an edit of a person.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

import opentimelineio as otio

from avlink.core.hits import Hit
from avlink.timeline.hit_edits import read_hit_record
from avlink.timeline.hit_markers import hit_marker, read_hit
from avlink.timeline.hit_text import hit_name, hit_of_text
from avlink.timeline.item import item_at, own_range
from avlink.timeline.timebase import frame_rate
from avlink.timeline.values import ClipRef
from avlink.timeline.visible import visible
from avlink.timeline.walk import list_clips

_ZERO = Fraction(0)
_SAME_LENGTH_S = Fraction(1, 12)
ROUNDING_S = Fraction(1, 1000)
"""Formats with times of their own, not frames, are exact to the millisecond or better."""
_NEAR_S = Fraction(1)
"""No format has a grid as coarse as that."""

SameMoment = Callable[[Fraction, Fraction], bool]
"""Tells whether a time of the timeline and one that came back are the same, as far as the format can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedHit:
    """A hit that came back, in seconds from the start of the timeline."""

    start_s: Fraction
    duration_s: Fraction
    name: str
    note: str = ""


@dataclass(slots=True, kw_only=True)
class ImportedHits:
    """The outcome: the number of hits that were added, changed or removed, and those that lie on no clip."""

    changed: int = 0
    outside: tuple[ReturnedHit, ...] = ()


def import_hits(timeline: otio.schema.Timeline, hits: Sequence[ReturnedHit], same: SameMoment) -> ImportedHits:
    """Replace the hits of all visible clips by those of a list, in place.

    A clip without hits, of which the list has none either, stays as it is.
    """
    parts = sorted(visible(list_clips(timeline)), key=lambda part: (part.timeline_start_s, -part.layer))
    by_part: dict[int, list[ReturnedHit]] = {}
    outside = []
    for hit in hits:
        at = _part_of(timeline, parts, hit, same)
        if at is None:
            outside.append(hit)
        else:
            by_part.setdefault(at, []).append(replace(hit, start_s=max(hit.start_s, parts[at].timeline_start_s)))
    changed = sum(set_hits(timeline, part, by_part.get(number, ()), same) for number, part in enumerate(parts))
    return ImportedHits(changed=changed, outside=tuple(outside))


def _part_of(
    timeline: otio.schema.Timeline, parts: Sequence[ClipRef], hit: ReturnedHit, same: SameMoment
) -> int | None:
    """Return the number of the stretch on which a hit lies.

    A format may have rounded a hit at the start of a clip to a time before it, in a gap or in the clip before.
    """
    inside = next(
        (
            at
            for at, part in enumerate(parts)
            if part.speed and part.timeline_start_s <= hit.start_s < part.timeline_end_s
        ),
        None,
    )
    soon = next(
        (
            at
            for at, part in enumerate(parts)
            if part.speed and _ZERO < part.timeline_start_s - hit.start_s <= ROUNDING_S
        ),
        None,
    )
    if soon is None or inside is None:
        return soon if inside is None else inside
    known = {
        at: any(same(one.hit.time_s, hit.start_s) for one in _marked(item_at(timeline, parts[at].address), parts[at]))
        for at in (inside, soon)
    }
    return soon if known[soon] and not known[inside] else inside


def set_hits(timeline: otio.schema.Timeline, part: ClipRef, hits: Iterable[ReturnedHit], same: SameMoment) -> int:
    """Replace the own hits of a stretch of a clip, in place; return how many were added, changed or removed."""
    if not part.speed:
        return 0
    clip = item_at(timeline, part.address)
    # Hits of the timeline, or of a track, come back too, and stay where they are.
    around = [one.hit for one in part.markers if one.hit is not None and not one.own]
    wanted = [
        hit for hit in hits if not any(same(one.time_s, hit.start_s) and not _differs(one, hit) for one in around)
    ]
    there = _marked(clip, part)
    if not there and not wanted:
        return 0
    is_known = bool(there) or read_hit_record(clip) is not None
    span = own_range(clip)
    rate = frame_rate(timeline) if span is None else float(span.start_time.rate)
    changed, added = 0, []
    times_s = [one.hit.time_s for one in there]
    gone = set(range(len(there)))
    for hit in wanted:
        first, last = bisect_left(times_s, hit.start_s - _NEAR_S), bisect_right(times_s, hit.start_s + _NEAR_S)
        match = _match([at for at in range(first, last) if at in gone], there, hit, same)
        if match is None:
            added.append(_marker(hit, part, rate, edited=is_known))
            changed += 1
            continue
        gone.remove(match)
        one = there[match]
        if hit_name(one.hit) != hit.name and _differs(one.hit, hit):
            one.marker.name = hit.name
            changed += 1
        if not _same_length(one.hit.duration_s, hit.duration_s):
            own_s = hit.duration_s * abs(part.speed)
            marked = one.marker.marked_range
            frames = max(1.0, float(own_s * Fraction(rate)))
            one.marker.marked_range = otio.opentime.TimeRange(
                marked.start_time, otio.opentime.RationalTime(frames, marked.start_time.rate)
            )
            changed += 1
    removed = {there[at].number for at in gone}
    left = [marker.deepcopy() for number, marker in enumerate(clip.markers) if number not in removed]
    clip.markers[:] = [*left, *added]
    return changed + len(removed)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Marked:
    """A hit on a clip by its marker, which is number `number` of the clip's; its time counts on the timeline."""

    number: int
    marker: otio.schema.Marker
    hit: Hit


def _marked(clip: otio.core.Item, part: ClipRef) -> list[_Marked]:
    """Return the clip's own hits that begin in a stretch of it, in order of time."""
    found = []
    for number, marker in enumerate(islice(clip.markers, len(clip.markers))):
        marked = read_hit(marker)
        if marked is None:
            continue
        edges = sorted(
            part.timeline_start_s + (own_s - part.source_start_s) / part.speed
            for own_s in (marked.start_s, marked.start_s + marked.duration_s)
        )
        if part.timeline_start_s <= edges[0] < part.timeline_end_s:
            hit = replace(marked.hit, time_s=edges[0], duration_s=edges[1] - edges[0])
            found.append(_Marked(number=number, marker=marker, hit=hit))
    return sorted(found, key=lambda one: one.hit.time_s)


def _match(near: Sequence[int], there: Sequence[_Marked], hit: ReturnedHit, same: SameMoment) -> int | None:
    """Return the number of the hit that came back: at the same moment, one of the same name before others."""
    alike = [at for at in near if same(there[at].hit.time_s, hit.start_s)]
    return min(
        alike,
        key=lambda at: (_differs(there[at].hit, hit), abs(there[at].hit.time_s - hit.start_s)),
        default=None,
    )


def _differs(hit: Hit, other: ReturnedHit) -> bool:
    """Return whether a name says another thing than a hit: other words, another kind or strength."""
    said = hit_of_text(other.name)
    known = hit_of_text(hit_name(hit))
    return (said.kind, said.words, said.strength) != (known.kind, known.words, known.strength)


def _same_length(one_s: Fraction, other_s: Fraction) -> bool:
    # Formats round both ends of a range to frames, and some know no ranges so short.
    return (one_s > 0) == (other_s > 0) and abs(one_s - other_s) < _SAME_LENGTH_S


def _marker(hit: ReturnedHit, part: ClipRef, rate: float, *, edited: bool) -> otio.schema.Marker:
    """Return the marker of a hit that is new on a clip; where others are known a person must have set it."""
    said = hit_of_text(hit.name, hit.note)
    if edited:
        said = replace(said, source="marker", confidence=1.0)
    start_s = hit.start_s - part.timeline_start_s
    length_s = min(hit.duration_s or said.duration_s, part.timeline_duration_s - start_s)
    edges = sorted(part.source_start_s + moment_s * part.speed for moment_s in (start_s, start_s + length_s))
    return hit_marker(
        replace(said, duration_s=_ZERO),
        start_s=edges[0],
        duration_s=edges[1] - edges[0],
        rate=rate,
        shown_s=part.source_low_s,
    )
