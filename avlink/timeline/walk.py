"""Every clip on the video tracks of a timeline, with the place where it lies, in exact seconds.

The walk decides nothing about which clips matter (`avlink.timeline.select` does) and opens no file. Positions are
sums of exact fractions: OTIO adds floats and mixes rates, and its own `range_of_child` ignores trims in between.
What is not handled becomes a `Skip` with a sentence, never silence: retimes, freezes, nested sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import opentimelineio as otio

from avlink.core.hashing import digest
from avlink.timeline.item import is_off, media_refs, own_range, seconds, visible_duration_s, why_not, words
from avlink.timeline.values import ClipRef, Skip

_ZERO = Fraction(0)


def list_clips(timeline: otio.schema.Timeline) -> tuple[ClipRef | Skip, ...]:
    """All clips of the video tracks, from the lowest track up and in time order, switched-off ones too.

    Times are cut to what tracks and the timeline show of themselves; nothing is said yet of pictures that hide
    each other.
    """
    premiere = any("PremierePro_OTIO" in owner.metadata for owner in (timeline, timeline.tracks))
    found: list[ClipRef | Skip] = []
    layer = 0
    for child in timeline.tracks:
        is_track = isinstance(child, otio.schema.Track)
        if is_track and child.kind != otio.schema.TrackKind.Video:
            continue
        place = _Place(track=child.name if is_track and child.name else f"V{layer + 1}", layer=layer)
        if is_track:
            found += [_in_stack(item, timeline.tracks) for item in _walk_track(child, place, premiere=premiere)]
        else:
            reason = "lies beside the tracks, where this version does not look for clips"
            found.append(place.skip(child.name or type(child).__name__, reason))
        layer += 1
    return tuple(found)


def origin_s(timeline: otio.schema.Timeline) -> Fraction:
    """Real time from midnight to the start of a timeline, by its timecode; 0 when it says nothing."""
    start = timeline.global_start_time
    return _ZERO if start is None else max(seconds(start) or _ZERO, _ZERO)


def frame_rate(timeline: otio.schema.Timeline) -> float:
    """The rate a timeline counts in, as it is written there: its start's, else its first clip's, else 24."""
    start = timeline.global_start_time
    if start is not None and start.rate > 0:
        return float(start.rate)
    for track in timeline.video_tracks():
        for item in track:
            span = own_range(item) if isinstance(item, otio.core.Item) else None
            if span is not None and span.duration.rate > 0:
                return float(span.duration.rate)
    return 24.0


def item_id(layer: int, start_s: Fraction, duration_s: Fraction) -> str:
    """The name of a place on the timeline, the same in every run."""
    return digest(["item", layer, str(start_s), str(duration_s)])[:12]


def part_of(clip: ClipRef, start_s: Fraction, end_s: Fraction, *, moved_s: Fraction = _ZERO) -> ClipRef:
    """The stretch of a clip between two timeline times, moved by `moved_s`."""
    return replace(
        clip,
        id=item_id(clip.layer, start_s + moved_s, end_s - start_s),
        timeline_start_s=start_s + moved_s,
        timeline_duration_s=end_s - start_s,
        source_start_s=clip.source_start_s + (start_s - clip.timeline_start_s) * clip.speed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    track: str
    layer: int

    def skip(
        self,
        name: str,
        reason: str,
        start_s: Fraction | None = None,
        duration_s: Fraction | None = None,
        *,
        source: str | None = None,
        opaque: bool = False,
    ) -> Skip:
        where = [name] if start_s is None or duration_s is None else [str(start_s), str(duration_s)]
        return Skip(
            id=digest(["skip", self.layer, *where])[:12],
            name=name,
            track=self.track,
            layer=self.layer,
            reason=reason,
            timeline_start_s=start_s,
            timeline_duration_s=duration_s,
            source=source,
            opaque=opaque,
        )


def _walk_track(track: otio.schema.Track, place: _Place, *, premiere: bool) -> Iterator[ClipRef | Skip]:
    shown_s, shown_end_s = _window(track)
    track_off = is_off(track)
    start_s: Fraction | None = _ZERO
    lost = ""
    for index, child in enumerate(track):
        if isinstance(child, otio.schema.Transition):
            continue
        name = child.name or type(child).__name__
        duration_s = visible_duration_s(child, premiere=premiere)
        if start_s is None:
            if not isinstance(child, otio.schema.Gap):
                yield place.skip(name, f"comes after '{lost}', whose length the timeline does not say")
            continue
        if duration_s is None:
            start_s, lost = None, name
            yield place.skip(name, "has a length that the timeline does not say, or one at no valid rate")
            continue
        if not isinstance(child, otio.schema.Gap):
            first_s, last_s = max(start_s, shown_s), start_s + duration_s
            last_s = last_s if shown_end_s is None else min(last_s, shown_end_s)
            reason = "is on a track that is switched off" if track_off else why_not(child)
            if last_s <= first_s:
                reason = "has no length" if duration_s == 0 else "is trimmed away by its track"
            clip = _clip(child, name, place, first_s - shown_s, max(last_s - first_s, _ZERO), first_s - start_s)
            if clip is not None and reason is None:
                yield replace(clip, notes=_notes(track, index, f"{name} on {place.track}"))
            else:
                # A freeze or a nested sequence is picture all the same: it hides what lies under it.
                opaque = last_s > first_s and not track_off and not is_off(child) and (clip is None or clip.opaque)
                url = None if clip is None else next((ref.url for ref in clip.media if ref.url), None)
                text = reason or "holds no media"
                yield place.skip(name, text, first_s - shown_s, max(last_s - first_s, _ZERO), source=url, opaque=opaque)
        start_s += duration_s


def _clip(
    item: otio.core.Item, name: str, place: _Place, at_s: Fraction, duration_s: Fraction, head_s: Fraction
) -> ClipRef | None:
    """The clip at `at_s`, whose first `head_s` are trimmed away by its track; None for what is no clip."""
    if not isinstance(item, otio.schema.Clip):
        return None
    span = own_range(item)
    begin_s = None if span is None else seconds(span.start_time)
    prompt, negative = words(item)
    return ClipRef(
        id=item_id(place.layer, at_s, duration_s),
        name=name,
        track=place.track,
        layer=place.layer,
        timeline_start_s=at_s,
        timeline_duration_s=duration_s,
        source_start_s=(begin_s or _ZERO) + head_s,
        media=media_refs(item),
        prompt=prompt,
        negative=negative,
    )


def _window(track: otio.schema.Track) -> tuple[Fraction, Fraction | None]:
    """What a track shows of itself: from when on and until when (None: to its end)."""
    span = track.source_range
    start_s = None if span is None else seconds(span.start_time)
    duration_s = None if span is None else seconds(span.duration)
    if start_s is None or duration_s is None:
        return _ZERO, None
    return start_s, start_s + duration_s


def _in_stack(item: ClipRef | Skip, stack: otio.schema.Stack) -> ClipRef | Skip:
    """The item as the timeline shows it when its stack of tracks is trimmed, which is rare."""
    span = stack.source_range
    first_s = None if span is None else seconds(span.start_time)
    length_s = None if span is None else seconds(span.duration)
    if first_s is None or length_s is None or item.timeline_start_s is None or item.timeline_duration_s is None:
        return item
    start_s = max(item.timeline_start_s, first_s)
    end_s = min(item.timeline_start_s + item.timeline_duration_s, first_s + length_s)
    if end_s <= start_s:
        place = _Place(track=item.track, layer=item.layer)
        return place.skip(item.name, "is trimmed away by the timeline", item.timeline_start_s - first_s, _ZERO)
    if isinstance(item, Skip):
        return replace(item, timeline_start_s=start_s - first_s, timeline_duration_s=end_s - start_s)
    return part_of(item, start_s, end_s, moved_s=-first_s)


def _notes(track: otio.schema.Track, index: int, who: str) -> tuple[str, ...]:
    notes = []
    for neighbour, where in ((index - 1, "start"), (index + 1, "end")):
        if 0 <= neighbour < len(track) and isinstance(track[neighbour], otio.schema.Transition):
            notes.append(f"{who}: the transition at its {where} is treated as a cut")
    return tuple(notes)
