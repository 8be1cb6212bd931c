"""Every clip that a timeline shows, with the place where it is seen, in exact seconds.

The walk goes down into nested sequences and decides nothing about which clips matter (`avlink.timeline.select` does);
it opens no file. Positions are exact fractions: OTIO adds floats and mixes rates, its own `range_of_child` ignores
trims in between, and its time warps change no times. What cannot be had becomes a `Skip` with a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import opentimelineio as otio

from avlink.core.hashing import digest
from avlink.timeline.fades import Fade, Overlap, overlaps
from avlink.timeline.item import KEY, begin_s, is_off, table, visible_duration_s, warp
from avlink.timeline.markers import MarkerRow, colour_of, markers_around, markers_of
from avlink.timeline.media_refs import media_refs
from avlink.timeline.metadata import is_ours, with_requests
from avlink.timeline.values import ClipRef, Skip, with_fades
from avlink.timeline.view import Span, View

_ZERO = Fraction(0)


def list_clips(timeline: otio.schema.Timeline, image_rate: Fraction | None = None) -> tuple[ClipRef | Skip, ...]:
    """All clips of the video tracks, from the lowest track up, switched-off ones too; without pictures of ours.

    Times are cut to what tracks, nested sequences and the timeline show of themselves; nothing is said yet of
    pictures that hide each other. `image_rate` is that of image sequences which tell none.
    """
    return _list(timeline, otio.schema.TrackKind.Video, image_rate)


def list_sounds(timeline: otio.schema.Timeline) -> tuple[ClipRef | Skip, ...]:
    """All clips of the sound tracks in the same way, without stems of ours."""
    return _list(timeline, otio.schema.TrackKind.Audio)


def _list(timeline: otio.schema.Timeline, kind: str, image_rate: Fraction | None = None) -> tuple[ClipRef | Skip, ...]:
    premiere = any("PremierePro_OTIO" in owner.metadata for owner in (timeline, timeline.tracks))
    stack = timeline.tracks
    length_s = None if stack.source_range is None else visible_duration_s(stack, premiere=premiere)
    view = View(offset_s=begin_s(stack), last_s=length_s)
    rows = (MarkerRow(markers_of(stack, view, own=False)),)
    found: list[ClipRef | Skip] = []
    for layer, child in enumerate(_rows(stack, kind)):
        is_track = isinstance(child, otio.schema.Track)
        name = child.name if is_track and child.name else f"{kind[:1]}{layer + 1}"
        place = _Place(track=name, layer=layer, rows=rows, premiere=premiere, kind=kind, image_rate=image_rate)
        found += _walk(child, place, view, _ZERO, _end_s(child, place, _ZERO))
    return tuple(found)


def item_id(layer: int, start_s: Fraction, duration_s: Fraction, depth: tuple[int, ...] = ()) -> str:
    """The name of a place on the timeline, the same in every run."""
    return digest(["item", layer, str(start_s), str(duration_s), *depth])[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the walk is: the outer track, and the sequences inside of it that it went down into."""

    track: str
    layer: int
    kind: str
    premiere: bool
    image_rate: Fraction | None
    rows: tuple[MarkerRow, ...]
    depth: tuple[int, ...] = ()
    nests: tuple[str, ...] = ()
    off: str | None = None
    fades: tuple[Fade, ...] = ()

    def skip(
        self, name: str, reason: str, at_s: Fraction, span: Span | None = None, *, clip: ClipRef | None = None
    ) -> Skip:
        """The skip of what lies at `at_s` of its sequence and is seen in `span` of the timeline."""
        start_s = None if span is None else span[0]
        duration_s = None if span is None or span[1] is None else span[1] - span[0]
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
        )

    def fading(self, over: tuple[Overlap, Overlap], view: View, at_s: Fraction, end_s: Fraction | None) -> _Place:
        """The place inside an item that comes and goes with transitions at its edges."""
        come = over[0].fade(at_s, view, rising=True)
        go = () if end_s is None else over[1].fade(end_s, view, rising=False)
        return replace(self, fades=(*self.fades, *come, *go)) if come or go else self

    def down(self, item: otio.core.Item, view: View) -> _Place:
        """The place inside a composition, whose view of its own time is `view`."""
        is_row = isinstance(item, otio.schema.Track) and not isinstance(item.parent(), otio.schema.Track)
        name = item.name or type(item).__name__
        off = "is on a track that is switched off" if is_row else f"lies in '{name}', which is switched off"
        return replace(
            self,
            nests=self.nests if is_row else (*self.nests, name),
            off=self.off or (off if is_off(item) else None),
            rows=(*self.rows, MarkerRow(markers_of(item, view, own=False))) if item.markers else self.rows,
        )


def _rows(stack: otio.schema.Stack, kind: str) -> Iterator[otio.core.Item]:
    """What lies in a stack: tracks of a kind that are not ours, and whatever else holds pictures."""
    for child in stack:
        is_track = isinstance(child, otio.schema.Track)
        if child.kind == kind and not is_ours(child) if is_track else kind != otio.schema.TrackKind.Audio:
            yield child


def _end_s(item: otio.core.Item, place: _Place, at_s: Fraction) -> Fraction | None:
    """Where an item of a stack ends in the stack's time; None for a composition that ends with what is in it."""
    is_open = isinstance(item, (otio.schema.Stack, otio.schema.Track)) and item.source_range is None
    if is_open and warp(item) == 1:
        return None
    duration_s = visible_duration_s(item, premiere=place.premiere)
    return None if duration_s is None else at_s + duration_s


def _walk(
    item: otio.core.Item,
    place: _Place,
    view: View,
    at_s: Fraction,
    end_s: Fraction | None,
    over: tuple[Overlap, Overlap] = (Overlap(), Overlap()),
) -> Iterator[ClipRef | Skip]:
    """An item that fills [at_s, end_s) of the time of what it lies in, and all that is in it.

    `over` is how transitions reach over these two edges.
    """
    if isinstance(item, otio.schema.Gap):
        return
    is_open = isinstance(item, (otio.schema.Stack, otio.schema.Track))
    name, speed = item.name or type(item).__name__, warp(item)
    if end_s is None and not (is_open and speed == 1):
        yield place.skip(name, "has a length that the timeline does not say, or one at no valid rate", at_s)
        return
    span = view.edges(at_s, end_s)
    shown = view.cut(span)
    if shown is None:
        # A nested sequence that is used ten times would name its unseen clips ten times.
        if not place.nests:
            lack = "has no length" if end_s == at_s else "is trimmed away by its track or the timeline"
            yield place.skip(name, lack, at_s, None if span is None else (view.clamp(span[0]),) * 2)
        return
    longer = view.edges(at_s - over[0].before_s, None if end_s is None else end_s + over[1].after_s)
    own = view.inner(
        at_s,
        end_s,
        at_s=begin_s(item),
        speed=Fraction(1) if speed is None else speed,
        window=shown,
        heard=view.cut(longer, heard=True) or shown,
    )
    place = place.fading(over, view, at_s, end_s)
    if is_open and speed is not None and len(item):
        yield from _contents(item, place.down(item, own), own)
        return
    if isinstance(item, otio.schema.Track) and not len(item):
        return
    clip = _clip(item, name, place, own)
    off = place.off or ("is switched off" if is_off(item) else None)
    reason = off or _why_not(item, speed)
    if clip is not None and reason is None:
        yield clip
    else:
        skip = place.skip(name, reason or "holds no media", at_s, shown, clip=clip)
        # A ramped sequence is picture all the same: it hides what lies under it. What is off hides nothing.
        yield replace(skip, opaque=off is None and (skip.opaque or is_open))


def _contents(composition: otio.core.Item, place: _Place, view: View) -> Iterator[ClipRef | Skip]:
    if not isinstance(composition, otio.schema.Track):
        for index, child in enumerate(_rows(composition, place.kind)):
            deeper = replace(place, depth=(*place.depth, index))
            yield from _walk(child, deeper, view, _ZERO, _end_s(child, place, _ZERO))
        return
    at_s = _ZERO
    lost = ""
    for index, child in enumerate(composition):
        if isinstance(child, otio.schema.Transition):
            continue
        name = child.name or type(child).__name__
        if lost:
            if not isinstance(child, otio.schema.Gap):
                yield place.skip(name, f"comes after '{lost}', whose length the timeline does not say", at_s + index)
            continue
        duration_s = visible_duration_s(child, premiere=place.premiere)
        end_s = None if duration_s is None else at_s + duration_s
        yield from _walk(child, place, view, at_s, end_s, overlaps(composition, index))
        if end_s is None:
            lost = name
        else:
            at_s = end_s


def _why_not(item: otio.core.Item, speed: Fraction | None) -> str | None:
    """The sentence for an item that cannot get sound whatever its media is; None when it can."""
    if not isinstance(item, (otio.schema.Clip, otio.schema.Stack, otio.schema.Track)):
        return f"is a {type(item).__name__}, which holds no media"
    if isinstance(item, otio.schema.Stack) and not len(item):
        return "is a nested sequence of which the project does not tell the contents; flatten it or export it with them"
    if speed is None:
        return "is retimed over time (a time remap or a speed ramp), which no two programs write alike; render the clip"
    return None


def _clip(item: otio.core.Item, name: str, place: _Place, view: View) -> ClipRef | None:
    """The clip as its view shows it; None for what is no clip."""
    if not isinstance(item, otio.schema.Clip) or view.last_s is None:
        return None
    start_s, end_s = view.first_s, view.last_s
    own = MarkerRow(markers_of(item, view, own=True))
    clip = ClipRef(
        id=item_id(place.layer, start_s, end_s - start_s, place.depth),
        name=name,
        track=place.track,
        layer=place.layer,
        timeline_start_s=start_s,
        timeline_duration_s=end_s - start_s,
        source_start_s=view.own_time(start_s),
        media=media_refs(item, place.image_rate),
        speed=view.speed,
        lead_s=view.lead_s,
        trail_s=view.trail_s,
        nests=place.nests,
        depth=place.depth,
        markers=tuple(markers_around((own, *place.rows), start_s, end_s)),
        colour=colour_of(item),
    )
    return with_requests(with_fades(clip, place.fades), table(item.metadata, KEY))
