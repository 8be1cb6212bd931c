"""Items: each hit of a clip as a stretch of the timeline of its own, with a sound of its own or cut from the clip's.

Items begin and end on whole frames, with silence up to them, so that programs which count frames keep every transient
on its sample. Pure; `avlink.timeline.plan` makes jobs of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

from avlink.core import clock
from avlink.core.hashing import digest, fraction_text
from avlink.core.hits import Hit
from avlink.core.values import HitSounds, ItemSound, SoundWish
from avlink.timeline.values import ClipRef, HitItem, Source, with_fades

_LEAST_LEAD_S = Fraction(1, 100)
"""An item begins at least this long before its transient, which fades of a post chain would swallow otherwise."""

_CUT_LEAD_S = Fraction(1, 20)
"""The sound of a clip is cut this long before a hit, or halfway to the hit before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemGrid:
    """The frames and samples on which items lie, and the length of their handles.

    `rate` is in frames per second of the timeline. `sounds_of(wish, seed, takes)` chooses up to `takes` sounds for each
    hit; without it all items are cut from the sounds of their clips.
    """

    rate: Fraction
    sample_rate: int
    handle_s: Fraction
    sounds_of: Callable[[SoundWish, int, int], Sequence[HitSounds]] | None = None


def sound_items(source: Source, hit: Hit, number: int, sounds: Sequence[ItemSound], grid: ItemGrid) -> list[HitItem]:
    """Return the takes of an item for a hit of a clip, whose sounds are chosen, all in the place of the first one.

    `number` counts from 1 and tells hits at one moment apart.
    """
    clip, first, at_s = source.clip, sounds[0], source.clip.timeline_start_s + hit.time_s
    lead_s = first.lead_s if hit.duration_s else max(first.lead_s, _LEAST_LEAD_S)
    start_s = max(Fraction(0), _frame_before(at_s - lead_s, grid.rate))
    end_s = _frame_after(at_s - first.lead_s + first.length_s, grid.rate)
    place = _part(clip, item_id(clip, hit, number), start_s, max(end_s, start_s + 1 / grid.rate))
    return [_item(replace(place, name=item_name(hit, one)), hit, one, grid) for one in sounds]


def head_of(item: HitItem, clip: ClipRef, sample_rate: int) -> Fraction:
    """Return the length of what is made before an item of `clip` is heard; below 0 where silence comes before it.

    The moment of the hit and the start of the item are rounded as absolute times, so that the transient lies on the
    sample nearest to the hit.
    """
    if item.hit.duration_s:
        # A sound that lasts fills the frames that its range touches.
        return item.at_s
    struck = clock.to_index(clip.timeline_start_s + item.hit.time_s, sample_rate)
    return item.at_s - Fraction(struck - clock.to_index(item.clip.heard_start_s, sample_rate), sample_rate)


def cut_items(source: Source, grid: ItemGrid) -> list[tuple[HitItem, Fraction]]:
    """Return the items into which the sound of a clip is cut before each of its hits, and where each begins in it.

    They fill the clip without a gap. A hit that has no frame of its own shares the item of the one before it.
    """
    clip, hits = source.clip, source.hits or ()
    found: list[tuple[Hit, int, Fraction]] = []
    seen: Counter[Fraction] = Counter()
    for hit in sorted(hits, key=_order):
        seen[hit.time_s] += 1
        at_s = clip.timeline_start_s + hit.time_s
        if not found:
            found.append((hit, seen[hit.time_s], clip.heard_start_s))
            continue
        before, _, begun_s = found[-1]
        before_s = clip.timeline_start_s + before.time_s
        edge_s = _frame_before(max(at_s - _CUT_LEAD_S, (before_s + at_s) / 2), grid.rate)
        if edge_s <= before_s:
            edge_s = (floor(before_s * grid.rate) + 1) / grid.rate
        if max(begun_s, before_s) < edge_s <= at_s and edge_s < clip.heard_end_s:
            found.append((hit, seen[hit.time_s], edge_s))
    ends = [*(start_s for _, _, start_s in found[1:]), clip.heard_end_s]
    items = []
    for (hit, number, start_s), end_s in zip(found, ends, strict=True):
        place = replace(_part(clip, item_id(clip, hit, number), start_s, end_s), name=item_name(hit, None, clip))
        head_s = source_offset(source, start_s)
        tail_s = source.made_s - head_s - (end_s - start_s)
        handles_s = min(head_s, grid.handle_s) + min(tail_s, grid.handle_s)
        at_s = source_offset(source, clip.timeline_start_s + hit.time_s)
        items.append((HitItem(clip=place, hit=hit, at_s=at_s, length_s=end_s - start_s + handles_s), head_s))
    return items


def source_offset(source: Source, time_s: Fraction) -> Fraction:
    """Return how long after the begin of the sound of a clip a moment of the timeline lies."""
    return source.before_s + time_s - source.clip.timeline_start_s


def numbered(hits: Sequence[Hit]) -> list[int]:
    """Return a number for each hit, from 1, that tells those at one moment apart."""
    seen: Counter[Fraction] = Counter()
    numbers: dict[int, int] = {}
    for index in sorted(range(len(hits)), key=lambda index: _order(hits[index])):
        seen[hits[index].time_s] += 1
        numbers[index] = seen[hits[index].time_s]
    return [numbers[index] for index in range(len(hits))]


def item_id(clip: ClipRef, hit: Hit, number: int) -> str:
    """Return the id of the item of a hit: the same as long as the hit lies where it is, however its clip is trimmed."""
    moment = fraction_text(clip.timeline_start_s + hit.time_s)
    cue = [] if clip.cue is None else [clip.cue.role, clip.cue.number]
    return digest(["hit", clip.layer, *clip.depth, moment, number, *cue])[:12]


def item_name(hit: Hit, sound: ItemSound | None, clip: ClipRef | None = None) -> str:
    """Return the name of an item: what strikes, and what is heard: the name of the recording, or of the clip."""
    heard = sound.name if sound is not None else "" if clip is None else clip.name
    return " - ".join(part for part in (hit.words.strip() or hit.kind, heard) if part)


def _item(place: ClipRef, hit: Hit, sound: ItemSound, grid: ItemGrid) -> HitItem:
    lasts = hit.duration_s > 0
    # Silence of a frame keeps the recording around a sound out of the frames that the item rounds up to.
    apart_s = Fraction(0) if lasts else 1 / grid.rate
    before_s, after_s = (
        apart_s + min(length_s, grid.handle_s) if length_s > 0 and grid.handle_s > 0 else Fraction(0)
        for length_s in (sound.before_s, sound.after_s)
    )
    length_s = place.timeline_duration_s if lasts else sound.length_s
    at_s = before_s + sound.lead_s
    core_s = (before_s - min(apart_s, before_s), before_s + length_s + min(apart_s, after_s))
    return HitItem(
        clip=place,
        hit=hit,
        at_s=at_s,
        sound=sound,
        length_s=before_s + length_s + after_s,
        core_s=core_s,
    )


def _part(clip: ClipRef, id: str, start_s: Fraction, end_s: Fraction) -> ClipRef:
    """Return a place of its own within or about that of a clip, in which the fades of the clip are heard."""
    part = replace(
        clip,
        id=id,
        timeline_start_s=start_s,
        timeline_duration_s=end_s - start_s,
        source_start_s=clip.source_start_s + (start_s - clip.timeline_start_s) * clip.speed,
        markers=(),
        lead_s=Fraction(0),
        trail_s=Fraction(0),
    )
    return with_fades(part, clip.fades)


def _order(hit: Hit) -> tuple[object, ...]:
    return hit.time_s, hit.kind, hit.words, hit.strength, hit.duration_s


def _frame_before(time_s: Fraction, rate: Fraction) -> Fraction:
    return floor(time_s * rate) / rate


def _frame_after(time_s: Fraction, rate: Fraction) -> Fraction:
    return ceil(time_s * rate) / rate
