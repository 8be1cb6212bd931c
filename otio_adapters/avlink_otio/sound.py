"""Reading the sound tracks of a timeline.

Of a timeline that AVLink gave its sound, the tracks are
AVLink's own and no other, because a file for another program stands beside the project and never replaces it; of any
other timeline they are all sound tracks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import opentimelineio as otio

from avlink import can_drop, clock, starts_in_drop_frame
from avlink_otio.hits import hits_of, is_hit
from avlink_otio.metadata import KEY, table
from avlink_otio.project import Item, Mark, SoundProject, SoundTrack, Take

SAMPLE_RATE = 48000
"""What stems have unless they say otherwise."""

_ZERO = Fraction(0)


def read_sound(timeline: otio.core.SerializableObject) -> SoundProject:
    """The sound of a timeline. Warns of items that are left out.

    Raises `otio.exceptions.NotSupportedError` for what is no timeline, or one without sound tracks.
    """
    if not isinstance(timeline, otio.schema.Timeline):
        raise otio.exceptions.NotSupportedError(f"this is made of a timeline, not of a {type(timeline).__name__}")
    chosen = sound_tracks(timeline)
    if not chosen:
        raise otio.exceptions.NotSupportedError("the timeline has no sound tracks; give it some with `avlink sonify`")
    start_s, end_s = _window(timeline.tracks)
    tracks = [_read_track(track, f"A{number}", start_s, end_s) for number, track in enumerate(chosen, start=1)]
    rates = [item.take.sample_rate for track in tracks for item in track.items]
    return SoundProject(
        name=timeline.name or "",
        rate=frame_rate(timeline),
        drop_frame=counts_drop_frame(timeline),
        origin_s=_ZERO if timeline.global_start_time is None else max(_seconds(timeline.global_start_time), _ZERO),
        sample_rate=max(set(rates), key=rates.count) if rates else SAMPLE_RATE,
        tracks=tuple(tracks),
        marks=tuple(sorted(_marks(timeline, chosen, start_s, end_s), key=lambda mark: (mark.start_s, mark.name))),
    )


def sound_tracks(timeline: otio.schema.Timeline) -> list[otio.schema.Track]:
    """The sound tracks that AVLink made, or all of them where it made none."""
    tracks = list(timeline.audio_tracks())
    return [track for track in tracks if KEY in track.metadata] or tracks


def frame_rate(timeline: otio.schema.Timeline) -> Fraction:
    """The frame rate of a timeline: its start's, else that of the first item that has one, else 24."""
    times = [] if timeline.global_start_time is None else [timeline.global_start_time]
    for track in timeline.tracks:
        spans = (item.source_range for item in track if isinstance(item, otio.core.Item))
        times += [span.duration for span in spans if span is not None]
    return next((clock.exact_rate(time.rate) for time in times if time.rate > 0), Fraction(24))


def items_at(track: otio.schema.Track) -> Iterator[tuple[int, otio.core.Item, Fraction, Fraction]]:
    """Index, item, start and duration of everything on a track that takes time; ends where a length is not known."""
    at_s = _ZERO
    for index, child in enumerate(track):
        if isinstance(child, otio.schema.Transition):
            continue
        try:
            duration_s = _seconds(child.trimmed_range().duration)
        except (otio.exceptions.OTIOError, ValueError):
            return
        yield index, child, at_s, duration_s
        at_s += duration_s


def _read_track(track: otio.schema.Track, name: str, start_s: Fraction, end_s: Fraction | None) -> SoundTrack:
    own_start_s, own_end_s = _window(track)
    shift_s = own_start_s + start_s
    items = []
    for index, child, at_s, duration_s in items_at(track):
        if isinstance(child, otio.schema.Gap):
            continue
        item = _item(child, at_s, duration_s)
        if item is None:
            continue
        item = _crossfaded(item, track, index)
        lowest_s = shift_s
        ends = [edge for edge in (own_end_s, None if end_s is None else own_start_s + end_s) if edge is not None]
        cut = _cut(item, lowest_s, min(ends) if ends else None)
        if cut is not None:
            items.append(replace(cut, start_s=cut.start_s - shift_s))
    return SoundTrack(name=track.name or name, items=tuple(items), muted=not track.enabled)


def _item(child: otio.core.Item, at_s: Fraction, duration_s: Fraction) -> Item | None:
    if not isinstance(child, otio.schema.Clip):
        warnings.warn(f"'{child.name}' is a nested sequence and is left out", stacklevel=2)
        return None
    if any(isinstance(effect, otio.schema.TimeEffect) for effect in child.effects):
        warnings.warn(f"'{child.name}' is retimed and is left out", stacklevel=2)
        return None
    begin_s = _seconds(child.trimmed_range().start_time)
    refs = child.media_references()
    keys = sorted(refs, key=lambda key: (table(refs[key].metadata).get("take", 0), key))
    takes: list[Take] = []
    heard = 0
    sample_rate = int(table(child.metadata).get("sample_rate", SAMPLE_RATE))
    for key in keys:
        url = getattr(refs[key], "target_url", "") or ""
        if not url:
            continue
        if key == child.active_media_reference_key:
            heard = len(takes)
        span = refs[key].available_range
        takes.append(
            Take(
                name=child.name if len(keys) == 1 else f"{child.name} take {len(takes) + 1}",
                url=url,
                offset_s=max(_ZERO, begin_s if span is None else begin_s - _seconds(span.start_time)),
                media_s=None if span is None else _seconds(span.duration),
                sample_rate=sample_rate,
                stamp_s=_ZERO if span is None else max(_ZERO, _seconds(span.start_time)),
                channels=max(1, int(table(child.metadata).get("channels", 1))),
                hits=hits_of(child, key, sample_rate),
            )
        )
    if not takes:
        warnings.warn(f"'{child.name}' names no file and is left out", stacklevel=2)
        return None
    return Item(
        name=child.name,
        start_s=at_s,
        duration_s=duration_s,
        takes=tuple(takes),
        heard=heard,
        muted=not child.enabled,
    )


def _crossfaded(item: Item, track: otio.schema.Track, index: int) -> Item:
    """The item with what transitions at its ends add to it, and their lengths as fades."""
    before = track[index - 1] if index > 0 else None
    after = track[index + 1] if index + 1 < len(track) else None
    if isinstance(before, otio.schema.Transition):
        head_s, rest_s = _seconds(before.in_offset), _seconds(before.out_offset)
        # No more than the file has before the cut.
        head_s = min(head_s, *(take.offset_s for take in item.takes))
        item = _longer(replace(item, fade_in_s=head_s + rest_s), head_s, _ZERO)
    if isinstance(after, otio.schema.Transition):
        rest_s, tail_s = _seconds(after.in_offset), _seconds(after.out_offset)
        left = [take.media_s - take.offset_s - item.duration_s for take in item.takes if take.media_s is not None]
        tail_s = max(_ZERO, min([tail_s, *left]))
        item = _longer(replace(item, fade_out_s=rest_s + tail_s), _ZERO, tail_s)
    return item


def _longer(item: Item, head_s: Fraction, tail_s: Fraction) -> Item:
    takes = tuple(replace(take, offset_s=take.offset_s - head_s) for take in item.takes)
    return replace(item, start_s=item.start_s - head_s, duration_s=item.duration_s + head_s + tail_s, takes=takes)


def _cut(item: Item, start_s: Fraction, end_s: Fraction | None) -> Item | None:
    """What is left of an item between two times; None for nothing."""
    head_s = max(_ZERO, start_s - item.start_s)
    tail_s = _ZERO if end_s is None else max(_ZERO, item.end_s - end_s)
    if head_s + tail_s >= item.duration_s:
        return None
    return _longer(item, -head_s, -tail_s)


def _marks(
    timeline: otio.schema.Timeline, chosen: Sequence[otio.schema.Track], start_s: Fraction, end_s: Fraction | None
) -> Iterator[Mark]:
    """The markers of the timeline, of its pictures, and of the chosen tracks, where they are on the timeline.

    Hits are none of them: they belong to the files in which they are heard.
    """
    found = [_mark(marker, -start_s) for marker in timeline.tracks.markers]
    for track in [*timeline.video_tracks(), *chosen]:
        own_start_s, _ = _window(track)
        found += [_mark(marker, -own_start_s - start_s) for marker in track.markers]
        for _, child, at_s, duration_s in items_at(track):
            begin_s = _seconds(child.trimmed_range().start_time)
            for marker in child.markers:
                if is_hit(marker):
                    continue
                mark = _mark(marker, at_s - begin_s)
                if at_s <= mark.start_s < at_s + duration_s:
                    found.append(replace(mark, start_s=mark.start_s - own_start_s - start_s))
    for mark in dict.fromkeys(found):
        if mark.start_s >= 0 and (end_s is None or mark.start_s < end_s - start_s):
            yield mark


def _mark(marker: otio.schema.Marker, shift_s: Fraction) -> Mark:
    span = marker.marked_range
    text = marker.name or marker.comment
    return Mark(name=text, start_s=_seconds(span.start_time) + shift_s, duration_s=_seconds(span.duration))


def _window(item: otio.core.Item) -> tuple[Fraction, Fraction | None]:
    span = item.source_range
    if span is None:
        return _ZERO, None
    return _seconds(span.start_time), _seconds(span.start_time) + _seconds(span.duration)


def counts_drop_frame(timeline: otio.schema.Timeline) -> bool:
    """Whether a timeline counts in drop-frame: by Final Cut's metadata, by AVLink's tracks, else by its start."""
    rate, start = frame_rate(timeline), timeline.global_start_time
    if not can_drop(rate):
        return False
    by_program = (
        table(table(timeline.metadata, "fcp_xml"), "timecode").get("displayformat"),
        table(timeline.metadata, "fcpx").get("tcFormat"),
        *(table(track.metadata).get("drop_frame") for track in timeline.tracks),
    )
    for said in by_program:
        if said in ("DF", "NDF", True, False):
            return said in ("DF", True)
    return start is not None and starts_in_drop_frame(_seconds(start), rate)


def _seconds(time: otio.opentime.RationalTime) -> Fraction:
    return clock.exact_time(time.value, time.rate)
