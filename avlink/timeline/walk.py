"""The walk over a timeline: every clip with the place where it is seen, in exact seconds.

The walk goes down into nested sequences and decides nothing about which clips matter (`avlink.timeline.select` does);
it opens no file. Positions are exact fractions: OTIO adds floats and mixes rates, its own `range_of_child` ignores
trims in between, and its time warps change no times. An item without a place or media becomes a `Skip` with a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import opentimelineio as otio

from avlink.core.hashing import digest
from avlink.core.hits import Hit
from avlink.core.limits import SPEED, TIME_S
from avlink.timeline.fades import Fade, Overlap, overlaps
from avlink.timeline.hit_edits import read_hit_record
from avlink.timeline.hit_markers import SPOTTED
from avlink.timeline.item import KEY, begin_s, is_off, own_range, shown_time, speed_of, table, visible_duration_s
from avlink.timeline.markers import Marker, MarkerIndex, colour_of, markers_around, markers_of
from avlink.timeline.media_refs import media_refs
from avlink.timeline.metadata import is_ours, with_requests
from avlink.timeline.values import ClipRef, Skip, with_fades
from avlink.timeline.view import Span, View

_ZERO = Fraction(0)
_NO_OVERLAPS = (Overlap(), Overlap())


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """An item of a timeline where the walk meets it: a clip, or a composition or gap that has markers.

    `item` is the clip, or the reason why it gets no sound; None for compositions and gaps. `clip` is the clip also
    where it is switched off or `ramped` (retimed over time). `muted` when it or a nested sequence around it is
    switched off; its outer track says that of itself. `markers` are its own that begin where it is seen.
    """

    source: otio.core.Item
    item: ClipRef | Skip | None = None
    clip: ClipRef | None = None
    ramped: bool = False
    muted: bool = False
    markers: tuple[Marker, ...] = ()


def list_clips(timeline: otio.schema.Timeline, image_rate: Fraction | None = None) -> tuple[ClipRef | Skip, ...]:
    """Return all clips of the video tracks, from the lowest track up, switched-off ones too; without pictures of ours.

    Times are cut to the ranges that tracks, nested sequences and the timeline show of themselves. Pictures that hide
    each other are all there. `image_rate` is the rate of image sequences that have none.
    """
    return _items(walk(timeline, otio.schema.TrackKind.Video, image_rate=image_rate))


def list_sounds(timeline: otio.schema.Timeline) -> tuple[ClipRef | Skip, ...]:
    """Return all clips of the sound tracks in the same way, without stems of ours."""
    return _items(walk(timeline, otio.schema.TrackKind.Audio))


def walk(
    timeline: otio.schema.Timeline, kind: str, *, ours: bool = False, image_rate: Fraction | None = None
) -> Iterator[Visit]:
    """Visit the items of all tracks of a kind, from the lowest track up: those of people, or with `ours` AVLink's."""
    for _, _, visits in walk_tracks(timeline, kind, ours=ours, image_rate=image_rate):
        yield from visits


def walk_tracks(
    timeline: otio.schema.Timeline, kind: str, *, ours: bool = False, image_rate: Fraction | None = None
) -> Iterator[tuple[str, otio.core.Item, Iterator[Visit]]]:
    """Yield the tracks of a kind, each with its name and the visits of its items."""
    stack = timeline.tracks
    # Premiere marks timelines that it exports, and only there do time warps change durations.
    premiere = any("PremierePro_OTIO" in owner.metadata for owner in (timeline, stack))
    view = _stack_view(stack, premiere=premiere)
    rows = (MarkerIndex(markers_of(stack, view, own=False)),)
    for layer, (index, child) in enumerate(_rows(stack, kind, ours=ours)):
        is_track = isinstance(child, otio.schema.Track)
        name = child.name if is_track and child.name else f"{kind[:1]}{layer + 1}"
        at = _Context(
            track=name,
            layer=layer,
            rows=rows,
            premiere=premiere,
            kind=kind,
            image_rate=image_rate,
        )
        yield name, child, _walk(child, index, at, view, (_ZERO, _end_s(child, at, _ZERO)))


def timeline_markers(timeline: otio.schema.Timeline) -> list[Marker]:
    """Return the markers of a timeline itself that lie within it, where its stack puts them."""
    return list(_within(timeline.tracks, _stack_view(timeline.tracks, premiere=False)))


def item_id(layer: int, start_s: Fraction, duration_s: Fraction, depth: tuple[int, ...] = ()) -> str:
    """Return the name of a place on the timeline, the same in every run."""
    return digest(["item", layer, str(start_s), str(duration_s), *depth])[:12]


def _stack_view(stack: otio.schema.Stack, *, premiere: bool) -> View:
    """Return the view of a timeline's own tracks, which a range of its stack may trim."""
    length_s = None if stack.source_range is None else visible_duration_s(stack, premiere=premiere)
    return View(offset_s=begin_s(stack) or _ZERO, last_s=length_s)


def _items(visits: Iterator[Visit]) -> tuple[ClipRef | Skip, ...]:
    return tuple(visit.item for visit in visits if visit.item is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """Position of the walk: the outer track, and the nested sequences that it went down into.

    `address` is that of the composition whose items it visits.
    """

    track: str
    layer: int
    kind: str
    premiere: bool
    image_rate: Fraction | None
    rows: tuple[MarkerIndex, ...]
    address: tuple[int, ...] = ()
    depth: tuple[int, ...] = ()
    nests: tuple[str, ...] = ()
    off: str | None = None
    muted: bool = False
    fades: tuple[Fade, ...] = ()

    @property
    def sees(self) -> bool:
        """True on tracks of pictures, in which alone hits are seen."""
        return self.kind == otio.schema.TrackKind.Video

    def skip(
        self, name: str, index: int, reason: str, at_s: Fraction, span: Span | None = None, clip: ClipRef | None = None
    ) -> Skip:
        """Return the skip of an item that lies at `at_s` of its sequence and is seen in `span` of the timeline."""
        start_s = None if span is None else span[0]
        duration_s = None if span is None or span[1] is None else span[1] - span[0]
        # An item without a place is named by its name and the sequences around it.
        where = [str(start_s), str(duration_s)] if duration_s else [name, *self.nests, str(at_s)]
        return Skip(
            id=digest(["skip", self.layer, *where, *self.depth])[:12],
            name=name,
            track=self.track,
            layer=self.layer,
            reason=reason,
            timeline_start_s=start_s,
            timeline_duration_s=duration_s,
            source=None if clip is None else next((ref.url for ref in clip.media if ref.url), None),
            opaque=clip is not None and clip.opaque,
            depth=self.depth,
            address=(*self.address, index),
        )

    def fading(self, over: tuple[Overlap, Overlap], view: View, at_s: Fraction, end_s: Fraction | None) -> _Context:
        """Return the context inside an item that comes and goes with transitions at its edges."""
        come = over[0].fade(at_s, view, rising=True)
        go = () if end_s is None else over[1].fade(end_s, view, rising=False)
        return replace(self, fades=(*self.fades, *come, *go)) if come or go else self

    def down(self, item: otio.core.Item, index: int, view: View) -> _Context:
        """Return the context inside a composition, whose view of its own time is `view`."""
        # A track in a stack is a row of that; a track on a track is a nested sequence.
        is_row = isinstance(item, otio.schema.Track) and not isinstance(item.parent(), otio.schema.Track)
        name = item.name or type(item).__name__
        off = "is on a track that is switched off" if is_row else f"lies in '{name}', which is switched off"
        return replace(
            self,
            nests=self.nests if is_row else (*self.nests, name),
            off=self.off or (off if is_off(item) else None),
            # The outermost track says itself that it is off.
            muted=self.muted or (bool(self.address) and is_off(item)),
            address=(*self.address, index),
            rows=(*self.rows, MarkerIndex(markers_of(item, view, own=False, hits=self.sees)))
            if item.markers
            else self.rows,
        )


def _rows(stack: otio.schema.Stack, kind: str, *, ours: bool = False) -> Iterator[tuple[int, otio.core.Item]]:
    """Yield, with their indices, the tracks of a stack that hold a kind, and all that is no track among pictures."""
    for index, child in enumerate(stack):
        if not isinstance(child, otio.schema.Track):
            if kind != otio.schema.TrackKind.Audio and not ours:
                yield index, child
        elif child.kind == kind and is_ours(child) == ours:
            yield index, child


def _end_s(item: otio.core.Item, at: _Context, at_s: Fraction) -> Fraction | None:
    """Return the time at which an item of a stack ends; None for a composition that ends with its last item."""
    is_open = isinstance(item, (otio.schema.Stack, otio.schema.Track)) and item.source_range is None
    if is_open and speed_of(item) == 1:
        # Its length need not be known, and may not be: one clip without a length would hide all others.
        return None
    duration_s = visible_duration_s(item, premiere=at.premiere)
    return None if duration_s is None else at_s + duration_s


def _walk(
    item: otio.core.Item,
    index: int,
    at: _Context,
    view: View,
    fills: Span,
    over: tuple[Overlap, Overlap] = _NO_OVERLAPS,
) -> Iterator[Visit]:
    """Visit an item and all items in it; it fills a span of the time of the composition that it lies in at `index`.

    `over` is the reach of the transitions at the two edges of that span.
    """
    at_s, end_s = fills
    is_gap = isinstance(item, otio.schema.Gap)
    if is_gap and (end_s is None or not len(item.markers)):
        return
    is_open = isinstance(item, (otio.schema.Stack, otio.schema.Track))
    name, speed = item.name or type(item).__name__, speed_of(item)
    # A composition without a known end can be walked at its own speed alone: retimed, its end is needed.
    if end_s is None and not (is_open and speed == 1):
        reason = (
            f"has a length that the timeline does not say, one at no valid rate, or one of more than {TIME_S.most:,} s"
        )
        yield Visit(source=item, item=at.skip(name, index, reason, at_s))
        return
    span = view.edges(at_s, end_s)
    shown = view.cut(span)
    if shown is None:
        # A nested sequence that is used ten times would name its unseen clips ten times.
        if not at.nests and not is_gap:
            lack = "has no length" if end_s == at_s else "is trimmed away by its track or the timeline"
            nowhere = None if span is None else (view.clamp(span[0]),) * 2
            yield Visit(source=item, item=at.skip(name, index, lack, at_s, nowhere))
        return
    # What transitions add is cut by the window of what it lies in, plus what transitions add to that.
    longer = view.edges(at_s - over[0].before_s, None if end_s is None else end_s + over[1].after_s)
    begins_s = begin_s(item)
    own = view.inner(
        at_s,
        end_s,
        # What begins at no time keeps its place; nothing in it is shown or heard.
        at_s=begins_s or _ZERO,
        # A ramp has no speed; its item keeps its place all the same.
        speed=Fraction(1) if speed is None else speed,
        window=shown,
        heard=view.cut(longer, heard=True) or shown,
    )
    at = at.fading(over, view, at_s, end_s)
    if is_gap or is_open:
        yield Visit(source=item, markers=tuple(_within(item, own, hits=at.sees)))
    if is_open and speed is not None and len(item) and begins_s is not None:
        yield from _contents(item, at.down(item, index, own), own)
    elif not is_gap and not (isinstance(item, otio.schema.Track) and not len(item)):
        yield _visit(item, index, at, own, (at_s, shown, speed))


def _contents(composition: otio.core.Item, at: _Context, view: View) -> Iterator[Visit]:
    if not isinstance(composition, otio.schema.Track):
        # Rows are counted, not indexed: sound tracks in between give a picture no height.
        for number, (index, child) in enumerate(_rows(composition, at.kind)):
            deeper = replace(at, depth=(*at.depth, number))
            yield from _walk(child, index, deeper, view, (_ZERO, _end_s(child, at, _ZERO)))
        return
    at_s = _ZERO
    lost = ""
    for index, child in enumerate(composition):
        if isinstance(child, otio.schema.Transition):
            continue
        name = child.name or type(child).__name__
        if lost:
            # Whoever comes after an unknown length has no place.
            if not isinstance(child, otio.schema.Gap):
                reason = f"comes after '{lost}', whose length the timeline does not say"
                yield Visit(source=child, item=at.skip(name, index, reason, at_s + index))
            continue
        duration_s = visible_duration_s(child, premiere=at.premiere)
        end_s = None if duration_s is None else at_s + duration_s
        yield from _walk(child, index, at, view, (at_s, end_s), overlaps(composition, index))
        if end_s is None:
            lost = name
        else:
            at_s = end_s


def _visit(
    item: otio.core.Item, index: int, at: _Context, own: View, place: tuple[Fraction, Span, Fraction | None]
) -> Visit:
    """Visit an item that holds no others: a clip, or a composition without contents or with a speed that changes."""
    at_s, shown, speed = place
    name = item.name or type(item).__name__
    clip = _clip(item, name, index, at, own)
    off = at.off or ("is switched off" if is_off(item) else None)
    # Speeds of nested sequences multiply.
    reason = off or _why_not(item, speed if abs(own.speed) <= SPEED.most else None)
    if clip is None or reason is not None:
        skip = at.skip(name, index, reason or "holds no media", at_s, shown, clip)
        is_open = isinstance(item, (otio.schema.Stack, otio.schema.Track))
        # A ramped sequence is picture all the same and hides what lies under it; an item that is off hides nothing.
        skip = replace(skip, opaque=off is None and (skip.opaque or is_open))
    return Visit(
        source=item,
        item=clip if clip is not None and reason is None else skip,
        clip=clip,
        ramped=speed is None,
        muted=at.muted or is_off(item),
        markers=_own_of(clip) if clip is not None and clip.markers else (),
    )


def _own_of(clip: ClipRef) -> tuple[Marker, ...]:
    return tuple(marker for marker in clip.markers if marker.own and marker.start_s >= clip.timeline_start_s)


def _within(item: otio.core.Item, view: View, *, hits: bool = True) -> Iterator[Marker]:
    """Yield the markers of an item that begin within its view."""
    for marker in markers_of(item, view, own=True, hits=hits):
        if view.first_s <= marker.start_s and (view.last_s is None or marker.start_s < view.last_s):
            yield marker


def _why_not(item: otio.core.Item, speed: Fraction | None) -> str | None:
    """Return the sentence for an item that cannot get sound whatever its media is; None when it can."""
    if not isinstance(item, (otio.schema.Clip, otio.schema.Stack, otio.schema.Track)):
        return f"is a {type(item).__name__}, which holds no media"
    if isinstance(item, otio.schema.Stack) and not len(item):
        return "is a nested sequence of which the project does not tell the contents; flatten it or export it with them"
    if begin_s(item) is None:
        span = own_range(item)
        return f"begins at no time ({'' if span is None else shown_time(span.start_time)})"
    if speed is None:
        return (
            "is retimed over time (a time remap or a speed ramp), which no two programs write alike, or faster than "
            f"{SPEED.most:,} times; render the clip"
        )
    return None


def _clip(item: otio.core.Item, name: str, index: int, at: _Context, view: View) -> ClipRef | None:
    """Return the clip as its view shows it; None for an item that is no clip."""
    if not isinstance(item, otio.schema.Clip) or view.last_s is None:
        return None
    start_s, end_s = view.first_s, view.last_s
    own = MarkerIndex(markers_of(item, view, own=True, hits=at.sees))
    markers = tuple(markers_around((own, *at.rows), start_s, end_s))
    said = table(item.metadata, KEY)
    clip = ClipRef(
        id=item_id(at.layer, start_s, end_s - start_s, at.depth),
        name=name,
        track=at.track,
        layer=at.layer,
        timeline_start_s=start_s,
        timeline_duration_s=end_s - start_s,
        source_start_s=view.own_time(start_s),
        media=media_refs(item, at.image_rate),
        speed=view.speed,
        lead_s=view.lead_s,
        trail_s=view.trail_s,
        nests=at.nests,
        depth=at.depth,
        markers=markers,
        spotted=SPOTTED in said or any(marker.hit is not None for marker in markers),
        found_hits=_found_hits(item, view) if at.sees and SPOTTED in said else (),
        colour=colour_of(item),
        address=(*at.address, index),
    )
    return with_requests(with_fades(clip, at.fades), said)


def _found_hits(item: otio.core.Item, view: View) -> tuple[Hit, ...]:
    """Return what a spotter has seen in a clip, placed on the timeline."""
    record = read_hit_record(item)
    if record is None or not view.speed:
        return ()
    found = []
    for hit in record.found:
        moments = (hit.time_s, hit.time_s + hit.duration_s)
        first_s, last_s = sorted((moment_s - view.offset_s) / view.speed for moment_s in moments)
        found.append(replace(hit, time_s=first_s, duration_s=last_s - first_s))
    return tuple(sorted(found, key=lambda hit: hit.time_s))
