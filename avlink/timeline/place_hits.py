"""Placement of spotted hits as markers on the clips of a timeline, beside what people made of earlier ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import opentimelineio as otio

from avlink.core.hits import Hit
from avlink.timeline.hit_edits import HitEdits, HitRecord, hit_id, is_near, merged_times, read_hit_edits
from avlink.timeline.hit_markers import SPOTTED, hit_marker, read_hit
from avlink.timeline.item import KEY, item_at, own_range, plain, seconds, table
from avlink.timeline.media_paths import base_name
from avlink.timeline.timebase import frame_rate
from avlink.timeline.values import ClipRef
from avlink.timeline.visible import part_of
from avlink.timeline.walk import list_clips

_ZERO = Fraction(0)
Address = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpottedClip:
    """A stretch of a clip and the hits that a spotter sees in it, from the start of what is seen of it."""

    clip: ClipRef
    hits: tuple[Hit, ...]


@dataclass(slots=True, kw_only=True)
class PlacedHits:
    """The outcome of a placement: hits by the id of their clip, and sentences on edits of people.

    `kept` are the names of clips whose edits are in the timeline, `lost` those of clips that are gone.
    """

    hits: dict[str, tuple[Hit, ...]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def place_hits(
    timeline: otio.schema.Timeline,
    spotted: Sequence[SpottedClip],
    *,
    previous: otio.schema.Timeline | None = None,
    spotter: str,
    version: str,
) -> PlacedHits:
    """Put hits as markers on their clips, in place.

    Markers of people stay, on the clips of `timeline` and on those of `previous`, an earlier result that was edited:
    a hit that was moved, renamed or added is as it was left, and one that was deleted does not come back. Markers of a
    spotter that nobody touched are replaced on the clips that are `spotted`, and stay on all others. No other marker
    is changed; those that people added to clips of `previous` are taken over.
    """
    by_address: dict[Address, list[SpottedClip]] = {}
    for one in spotted:
        by_address.setdefault(one.clip.address, []).append(one)
    earlier = _Earlier(timeline, previous)
    placed = PlacedHits()
    for address, id in earlier.addresses.items():
        clip, before = item_at(timeline, address), earlier.clip_of(id)
        parts = by_address.get(address, [])
        own, theirs = read_hit_edits(clip), HitEdits() if before is None else read_hit_edits(before)
        if not parts and before is None:
            continue
        if own.any or theirs.any:
            placed.kept.append(clip.name)
        _mark(clip, parts, own, theirs, rate=_rate(clip, timeline), spotter=spotter, version=version)
    placed.lost = [clip.name for clip in earlier.unclaimed() if read_hit_edits(clip).any]
    marked = {item.address: item for item in list_clips(timeline) if isinstance(item, ClipRef)}
    for one in spotted:
        part = part_of(marked[one.clip.address], one.clip.timeline_start_s, one.clip.timeline_end_s)
        placed.hits[one.clip.id] = part.hits or ()
    return placed


def _mark(
    clip: otio.core.Item,
    parts: Sequence[SpottedClip],
    own: HitEdits,
    theirs: HitEdits,
    *,
    rate: float,
    spotter: str,
    version: str,
) -> None:
    """Give a clip its markers and its record, in place."""
    taken = merged_times((*own.taken_s, *theirs.taken_s))
    complete = own.complete or theirs.complete
    kept = [*own.kept, *_missing(theirs.kept, own.kept)]
    seen = _seen(parts, rate)
    new: list[otio.schema.Marker] = []
    if complete:
        pass
    elif parts:
        new = [marker for hit, marker in seen if not is_near(hit.time_s, taken)]
    else:
        # Not spotted in this run: the hits of the run before stay.
        new = [marker.deepcopy() for marker in (theirs.untouched or own.untouched)]
    record = own.record or theirs.record
    others = [*own.others, *_missing(theirs.others, own.others)]
    clip.markers[:] = [marker.deepcopy() for marker in (*others, *kept, *new)]
    if not parts and record is None:
        return
    ids = {marked.id: marked.from_s for one in (*kept, *new) if (marked := read_hit(one)) is not None and marked.id}
    remembered = HitRecord(
        spotter=spotter if parts or record is None else record.spotter,
        hits={id: time_s for id, time_s in ids.items() if time_s is not None},
        deleted=merged_times((*own.deleted, *theirs.deleted)),
        complete=complete,
        found=tuple(hit for hit, _ in seen) if parts or record is None else record.found,
    )
    said = plain(table(clip.metadata, KEY))
    clip.metadata[KEY] = {**said, SPOTTED: remembered.to_metadata(version)}


def _seen(parts: Sequence[SpottedClip], rate: float) -> list[tuple[Hit, otio.schema.Marker]]:
    """Return what a spotter sees in a clip, in the clip's own time, with the marker of each."""
    found = [
        (
            own,
            hit_marker(
                own,
                start_s=own.time_s,
                duration_s=own.duration_s,
                rate=rate,
                shown_s=one.clip.source_low_s,
                id=hit_id(own.time_s),
            ),
        )
        for one in parts
        for hit in one.hits
        # Elsewhere nothing has a place in the clip.
        if one.clip.speed and _ZERO <= hit.time_s < one.clip.timeline_duration_s
        for own in (_own_time(hit, one.clip),)
    ]
    # Two events between the same two moments are one hit.
    return list({_look(marker): (own, marker) for own, marker in found}.values())


def _own_time(hit: Hit, clip: ClipRef) -> Hit:
    """Return a hit, which counts from the start of what is seen of a clip, in the clip's own time."""
    length_s = min(hit.duration_s, clip.timeline_duration_s - hit.time_s)
    edges = sorted(clip.source_start_s + moment_s * clip.speed for moment_s in (hit.time_s, hit.time_s + length_s))
    return replace(hit, time_s=edges[0], duration_s=edges[1] - edges[0])


class _Earlier:
    """The picture clips of a timeline by address, and for each the same clip of an earlier result."""

    def __init__(self, timeline: otio.schema.Timeline, previous: otio.schema.Timeline | None) -> None:
        items = list_clips(timeline)
        self.addresses = {item.address: item.id for item in items}
        self._found: dict[str, otio.core.Item] = {}
        self._rest: list[otio.core.Item] = []
        if previous is None:
            return
        there = {item.id: item_at(previous, item.address) for item in list_clips(previous)}
        here = {item.id: item_at(timeline, item.address) for item in items}
        for id, clip in here.items():
            if id in there and _media(there[id]) == _media(clip):
                self._found[id] = there.pop(id)
        # Clips that were moved are known by their media and what they show of it.
        for id, clip in here.items():
            if id not in self._found and there:
                best = max(there, key=lambda other: _shared_s(clip, there[other]))
                if _shared_s(clip, there[best]) > 0:
                    self._found[id] = there.pop(best)
        self._rest = list(there.values())

    def clip_of(self, id: str) -> otio.core.Item | None:
        return self._found.get(id)

    def unclaimed(self) -> Iterator[otio.core.Item]:
        yield from self._rest


def _media(clip: otio.core.Item) -> str:
    """Return a name of the media of a clip that is the same in every folder."""
    refs: Mapping[str, otio.core.MediaReference] = clip.media_references() if isinstance(clip, otio.schema.Clip) else {}
    urls = (getattr(ref, "target_url", "") or getattr(ref, "target_url_base", "") for ref in refs.values())
    return next((base_name(url) for url in urls if url), "") or clip.name


def _shared_s(one: otio.core.Item, other: otio.core.Item) -> Fraction:
    """Return how much of the same media two clips both show, in seconds; 0 for clips of different media."""
    if _media(one) != _media(other):
        return _ZERO
    spans = []
    for item in (one, other):
        span = own_range(item)
        start_s, length_s = (None, None) if span is None else (seconds(span.start_time), seconds(span.duration))
        if start_s is None or length_s is None:
            return _ZERO
        spans.append((start_s, start_s + length_s))
    return min(spans[0][1], spans[1][1]) - max(spans[0][0], spans[1][0])


def _rate(clip: otio.core.Item, timeline: otio.schema.Timeline) -> float:
    span = own_range(clip)
    rate = 0.0 if span is None else float(span.start_time.rate)
    return rate if 1.0 <= rate <= 1000.0 else frame_rate(timeline)


def _missing(markers: Sequence[otio.schema.Marker], among: Sequence[otio.schema.Marker]) -> list[otio.schema.Marker]:
    """Return the markers that are not, with the same name, note and place, among others."""
    known = {_look(one) for one in among}
    return [one for one in markers if _look(one) not in known]


def _look(marker: otio.schema.Marker) -> tuple[str, str, float, float]:
    span = marker.marked_range
    return marker.name, marker.comment, span.start_time.to_seconds(), span.duration.to_seconds()
