"""From an OTIO timeline to the values of `avlink.timeline.flat`, by the walk over its tracks. Opens no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import opentimelineio as otio

from avlink.core.hashing import fraction_text
from avlink.core.hits import Hit
from avlink.timeline.flat import STEM_RATE, FlatClip, FlatMedia, FlatTimeline, FlatTrack
from avlink.timeline.hit_text import hit_name, hit_note
from avlink.timeline.item import KEY, is_off, own_range, plain
from avlink.timeline.item_metadata import has_choice, item_moment, renamed, stem_id
from avlink.timeline.markers import Marker
from avlink.timeline.metadata import REQUESTS
from avlink.timeline.stem_hits import hits_of
from avlink.timeline.timebase import DEFAULT_RATE, timebase
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.visible import part_addresses, seen, visible
from avlink.timeline.walk import Visit, timeline_markers, walk_tracks

_ZERO = Fraction(0)
_VIDEO, _AUDIO = otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio


def flatten_timeline(timeline: otio.schema.Timeline, *, drop_frame: bool | None = None) -> FlatTimeline:
    """Return a timeline as values. `drop_frame` is what its file states of that, where that is known."""
    pictures = list(_tracks(timeline, _VIDEO, ours=False))
    placed = list(_tracks(timeline, _VIDEO, ours=True))
    sounds = list(_tracks(timeline, _AUDIO, ours=False))
    stems = list(_tracks(timeline, _AUDIO, ours=True))
    pairs = _Pairs(pictures, stems)
    rows = [row for group in (pictures, placed, sounds, stems) for row in group]
    tracks = tuple(track for row in rows for track in row.flat(pairs))
    # Stems of 44.1 kHz beside music of 48 kHz: the rate of most clips needs the least conversion.
    heard = [track for track in tracks if track.kind == "audio" and track.ours == bool(stems)]
    rates = Counter(clip.active_media.sample_rate for track in heard for clip in track.clips if clip.media)
    counted = timebase(timeline, drop_frame)
    return FlatTimeline(
        name=timeline.name or "",
        rate=counted.rate,
        drop_frame=counted.drop_frame,
        origin_s=counted.origin_s,
        sample_rate=max(rates, key=lambda rate: (rates[rate], rate)) if rates else STEM_RATE,
        tracks=tracks,
        markers=_in_order(timeline_markers(timeline), [*_with_seen_hits(pictures), *placed, *(stems or sounds)]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A track of the timeline and all that the walk met on it."""

    name: str
    source: otio.core.Item
    kind: Literal["video", "audio"]
    ours: bool
    visits: tuple[Visit, ...]

    def flat(self, pairs: _Pairs) -> Iterator[FlatTrack]:
        """Yield the track, and further ones of its name for what lies over each other in its nested sequences."""
        left_out = []
        found: list[tuple[tuple[int, ...], FlatClip]] = []
        for visit in self.visits:
            if visit.clip is not None:
                found.append((visit.clip.depth, _flat_clip(visit, visit.clip, pairs, ours=self.ours)))
            elif isinstance(visit.item, Skip) and visit.item.timeline_duration_s != 0:
                left_out.append(f"'{visit.item.name}' {visit.item.reason}")
        for number, clips in enumerate(_lanes(found), start=1):
            yield FlatTrack(
                name=self.name if number == 1 else f"{self.name} {number}",
                kind=self.kind,
                clips=tuple(clips),
                ours=self.ours,
                muted=is_off(self.source),
                left_out=tuple(left_out) if number == 1 else (),
            )


class _Pairs:
    """Pictures and the stems that were made for them, by the ids that stems remember."""

    def __init__(self, pictures: Sequence[_Row], stems: Sequence[_Row]) -> None:
        items = [visit.item for row in pictures for visit in row.visits if visit.item is not None]
        sources = {
            visit.item.address: visit.source for row in pictures for visit in row.visits if visit.item is not None
        }
        # A stem remembers the id of a part where only that is seen, or where a marker asked for it.
        addresses = part_addresses(items)
        self._sources = {id: sources[address] for id, address in addresses.items()}
        known = any(isinstance(item, ClipRef) and item.spotted for item in items)
        parts = [one for one in seen(items) if isinstance(one, ClipRef)] if known and stems else []
        self._hits = {part.id: part.hits for part in parts}
        said = [plain(visit.source.metadata) for row in stems for visit in row.visits]
        self._of_item = _by_item(self._hits, map(_ours, said))
        made = (addresses.get(_stem_id(one)) for one in said)
        self._with_stem = {address for address in made if address is not None}

    def has_stem(self, picture: ClipRef) -> bool:
        return picture.address in self._with_stem

    def hits_of(self, stem: Mapping[str, Any]) -> tuple[Hit, ...] | None:
        """Return the hits in the picture of the stem with that metadata, from the start of what is seen of it.

        An item has its own, and the first item of a clip those too that are no items.
        """
        said = _ours(stem)
        return self._hits.get(_stem_id(stem)) if item_moment(said) is None else self._of_item.get(stem_id(said))

    def picture_of(self, stem: Mapping[str, Any]) -> otio.core.Item | None:
        """Return the picture of the stem with that metadata."""
        return self._sources.get(_stem_id(stem))


def _by_item(
    hits: Mapping[str, tuple[Hit, ...] | None], stems: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[Hit, ...]]:
    """Return the hits of clips by the items that were made of them, each hit once."""
    found: dict[str, list[Hit]] = {}
    first: dict[str, str] = {}
    left: dict[str, dict[str, list[Hit]]] = {}
    for said in stems:
        moment, id = item_moment(said), str(said.get("id"))
        known = hits.get(id)
        if moment is None or known is None:
            continue
        if id not in left:
            first[id], left[id] = stem_id(said), {}
            for hit in known:
                left[id].setdefault(fraction_text(hit.time_s), []).append(hit)
        waiting = left[id].get(moment)
        found.setdefault(stem_id(said), []).extend([waiting.pop(0)] if waiting else [])
    for id, item in first.items():
        found[item] += [hit for row in left[id].values() for hit in row]
    return {item: tuple(sorted(own, key=lambda hit: hit.time_s)) for item, own in found.items()}


def _tracks(timeline: otio.schema.Timeline, kind: str, *, ours: bool) -> Iterator[_Row]:
    flat_kind: Literal["video", "audio"] = "video" if kind == _VIDEO else "audio"
    for name, source, visits in walk_tracks(timeline, kind, ours=ours):
        yield _Row(name=name, source=source, kind=flat_kind, ours=ours, visits=tuple(visits))


def _flat_clip(visit: Visit, clip: ClipRef, pairs: _Pairs, *, ours: bool) -> FlatClip:
    source, span = visit.source, own_range(visit.source)
    metadata = plain(source.metadata)
    media, active = _media(source, clip, _ours(metadata))
    lead_s, trail_s = _reach(clip, media)
    before_s = (lead_s if clip.speed > 0 else trail_s) * abs(clip.speed)
    picture = pairs.picture_of(metadata) if ours else None
    requests = _ours(metadata if picture is None else plain(picture.metadata))
    return FlatClip(
        id=_stem_id(metadata) if ours else (visit.item or clip).id,
        name=source.name or "",
        start_s=clip.timeline_start_s,
        duration_s=clip.timeline_duration_s,
        source_start_s=clip.source_start_s,
        speed=None if visit.ramped else clip.speed,
        media=tuple(replace(one, offset_s=one.offset_s - before_s) for one in media),
        active=active,
        lead_s=lead_s,
        trail_s=trail_s,
        fade_in_s=_fade_s(clip, clip.timeline_start_s - lead_s, rising=True),
        fade_out_s=_fade_s(clip, clip.timeline_end_s + trail_s, rising=False),
        muted=visit.muted,
        has_stem=not ours and pairs.has_stem(clip),
        markers=visit.markers,
        hits=pairs.hits_of(metadata) if ours else clip.hits,
        sync_s=_sync_s(media[active], lead_s + clip.timeline_duration_s + trail_s) if ours and media else None,
        rate=DEFAULT_RATE if span is None else float(span.duration.rate),
        requests={name: requests.get(name) for name in REQUESTS},
        metadata=metadata,
    )


def _sync_s(media: FlatMedia, heard_s: Fraction) -> Fraction | None:
    """Return how long after its begin an item strikes that plays a sound of its own; None for any other clip."""
    if not has_choice(_ours(media.metadata)) or not media.hits:
        return None
    sync_s = media.hits[0].start_s - media.offset_s
    return sync_s if 0 <= sync_s < heard_s else None


def _media(source: otio.schema.Clip, clip: ClipRef, said: Mapping[str, Any]) -> tuple[list[FlatMedia], int]:
    """Return the files of a clip in the order of takes, from its place on, and the index of the active one."""
    refs = source.media_references()
    known = {ref.key: ref for ref in clip.media}
    sample_rate, channels = _count(said.get("sample_rate"), STEM_RATE), _count(said.get("channels"), 1)
    media: list[FlatMedia] = []
    active = 0
    metadata = {key: plain(ref.metadata) for key, ref in refs.items()}
    for key in sorted(refs, key=lambda key: (_count(_ours(metadata[key]).get("take"), 0), key)):
        url = getattr(refs[key], "target_url", None) or ""
        if not url:
            continue
        if key == source.active_media_reference_key:
            active = len(media)
        start_s, duration_s = known[key].start_s, known[key].duration_s
        stamp = _ours(metadata[key]).get("time_reference")
        media.append(
            FlatMedia(
                name=_take_name(source, key, number=len(media) + 1, said=said),
                url=url,
                # The range of a medium begins with its timecode, from which the clip's own range counts too.
                offset_s=max(_ZERO, clip.source_low_s - (start_s or _ZERO)),
                duration_s=duration_s,
                # The ranges of stems may be asked to count from 0; their files have a stamp all the same.
                start_s=max(_ZERO, start_s or Fraction(_count(stamp, 0, 1 << 63), sample_rate)),
                sample_rate=sample_rate,
                channels=channels,
                hits=hits_of(source, key, sample_rate),
                metadata=metadata[key],
            )
        )
    return media, active


def _take_name(source: otio.schema.Clip, key: str, *, number: int, said: Mapping[str, Any]) -> str:
    """Return the name of a take: of an item that of the hit and the recording, of any other clip a number."""
    refs = source.media_references()
    if len(refs) == 1:
        return source.name
    heard, own = source.media_reference.name, refs[key].name
    if heard and own:
        is_heard = key == source.active_media_reference_key
        return source.name if is_heard else renamed(source.name, said, heard, own) or own
    return f"{source.name} take {number}"


def _reach(clip: ClipRef, media: Sequence[FlatMedia]) -> tuple[Fraction, Fraction]:
    """Return how far transitions reach over the edges of a clip: no further than each of its files goes."""
    speed = abs(clip.speed)
    if not speed:
        # A frozen clip never comes to the end of its file.
        return clip.lead_s, clip.trail_s
    before = [one.offset_s / speed for one in media]
    after = [
        (one.duration_s - one.offset_s) / speed - clip.timeline_duration_s
        for one in media
        if one.duration_s is not None
    ]
    at_start, at_end = (before, after) if clip.speed > 0 else (after, before)
    return max(_ZERO, min([clip.lead_s, *at_start])), max(_ZERO, min([clip.trail_s, *at_end]))


def _fade_s(clip: ClipRef, edge_s: Fraction, *, rising: bool) -> Fraction:
    """Return how long a clip comes from, or goes to, one of its outer edges; the longest of fades that lie over it."""
    over = [fade for fade in clip.fades if fade.rising == rising and fade.start_s <= edge_s <= fade.end_s]
    return max((fade.end_s - edge_s if rising else edge_s - fade.start_s for fade in over), default=_ZERO)


def _lanes(found: Iterable[tuple[tuple[int, ...], FlatClip]]) -> list[list[FlatClip]]:
    """Return clips, each with its depth, in as many rows as it takes for none to overlap; at least one row.

    Clips of one depth stay together where they can.
    """
    lanes: list[list[FlatClip]] = [[]]
    depths: list[tuple[int, ...] | None] = [None]
    # Neighbours meet and never overlap in their places; fades that reach over a cut do not count here.
    for depth, clip in sorted(found, key=lambda one: (one[1].start_s, one[0])):
        free = [number for number, lane in enumerate(lanes) if not lane or lane[-1].end_s <= clip.start_s]
        at = next((number for number in free if depths[number] == depth), free[0] if free else len(lanes))
        if at == len(lanes):
            lanes.append([])
            depths.append(depth)
        lanes[at].append(clip)
        depths[at] = depth
    return lanes


def _in_order(markers: Iterable[Marker], rows: Iterable[_Row]) -> tuple[Marker, ...]:
    """Return all markers in time order, each once: programs repeat those of a clip on its sound."""
    found: dict[tuple[str, Fraction, Fraction], Marker] = {}
    every = (*markers, *(marker for row in rows for visit in row.visits for marker in visit.markers))
    for marker in map(_with_full_name, every):
        found.setdefault((marker.shown_name, marker.start_s, marker.duration_s), marker)
    return tuple(sorted(found.values(), key=lambda marker: (marker.start_s, marker.shown_name)))


def _with_seen_hits(rows: Sequence[_Row]) -> list[_Row]:
    """Return the rows of pictures without the hits of what lies hidden under another picture at that moment."""
    if not any(marker.hit is not None for row in rows for visit in row.visits for marker in visit.markers):
        return list(rows)
    spans: dict[tuple[int, ...], list[tuple[Fraction, Fraction]]] = {}
    for part in visible([visit.item for row in rows for visit in row.visits if visit.item is not None]):
        spans.setdefault(part.address, []).append((part.timeline_start_s, part.timeline_end_s))

    def is_seen(visit: Visit, marker: Marker) -> bool:
        if marker.hit is None or visit.clip is None:
            return True
        places = spans.get(visit.clip.address, ())
        return any(start_s <= marker.start_s < end_s for start_s, end_s in places)

    return [
        replace(
            row,
            visits=tuple(
                replace(visit, markers=tuple(one for one in visit.markers if is_seen(visit, one)))
                for visit in row.visits
            ),
        )
        for row in rows
    ]


def _with_full_name(marker: Marker) -> Marker:
    """Return a marker; that of a hit with a name and a note that tell all of it, where its metadata is lost."""
    if marker.hit is None:
        return marker
    return replace(marker, name=hit_name(marker.hit), comment=hit_note(marker.hit))


def _ours(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    said = metadata.get(KEY)
    return said if isinstance(said, dict) else {}


def _stem_id(metadata: Mapping[str, Any]) -> str:
    return str(_ours(metadata).get("id", ""))


def _count(value: object, otherwise: int, limit: int = 1 << 31) -> int:
    """Return a whole number above 0 and below a limit that metadata says; `otherwise` for anything else."""
    return int(value) if isinstance(value, (int, float)) and 0 < value < limit else otherwise
