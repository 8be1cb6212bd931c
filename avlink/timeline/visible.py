"""The stretches of clips that a viewer sees, and the parts of them that markers ask for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, islice

from avlink.core.hashing import digest
from avlink.timeline.fades import FadeIndex
from avlink.timeline.markers import MarkerCue, MarkerIndex, read_cue
from avlink.timeline.values import ClipRef, Skip, left_out, with_fades
from avlink.timeline.walk import item_id

Span = tuple[Fraction, Fraction]
_MOST_EDGES = 60
_MOST_NAMED = 3


def visible(items: Sequence[ClipRef | Skip]) -> list[ClipRef]:
    """Return the stretches of all clips that a viewer sees, from the lowest track up; cues of markers do not count."""
    found = [item for item in seen(items, heard=False) if isinstance(item, ClipRef)]
    return sorted(found, key=lambda clip: (clip.layer, clip.depth, clip.timeline_start_s))


def seen(items: Sequence[ClipRef | Skip], *, heard: bool = True) -> list[ClipRef | Skip]:
    """Return all stretches that are seen, from the top down; with `heard` as markers ask for sound, and with fades."""
    covered: list[Span] = []
    over = FadeIndex()
    by_track: dict[str, list[Span]] = {}
    found: list[ClipRef | Skip] = []
    # From the top down, so that all that hides an item is known when its turn comes.
    for on_layer in _from_the_top(items):
        for item in on_layer:
            for part in cued_parts(item) if heard else [item]:
                seen = _visible_parts(part, covered, by_track)
                found += [_under(one, over) for one in seen] if heard else seen
        over = over.joined(
            fade for item in on_layer if item.opaque and isinstance(item, ClipRef) for fade in item.fades if fade.alone
        )
        # Clips of one height hide each other no more than neighbours do, so they count only after all of them.
        opaque = [span for item in on_layer for span in _hidden_by(item)]
        if opaque:
            covered = _merged([*covered, *opaque])
            track = on_layer[0].track
            by_track[track] = _merged([*by_track.get(track, []), *opaque])
    return found


def that_cover(items: Sequence[ClipRef | Skip]) -> list[ClipRef]:
    """Return the clips that hide something under them, by what the timeline says of their media."""
    found: list[ClipRef] = []
    below: list[Span] = []
    for on_layer in reversed(_from_the_top(items)):
        clips = [item for item in on_layer if isinstance(item, ClipRef)]
        found += [
            clip for clip in clips if clip.opaque and _touches((clip.timeline_start_s, clip.timeline_end_s), below)
        ]
        below = _merged([*below, *((clip.heard_start_s, clip.heard_end_s) for clip in clips)])
    return found


def part_addresses(items: Sequence[ClipRef | Skip]) -> dict[str, tuple[int, ...]]:
    """Return the address of each item, by its id and by those of the parts of it that may be all that is seen.

    Of some clips above, only their media tells that they hide nothing. So all parts between edges of what may hide a
    clip count, as long as these are few.
    """
    found = {part.id: part.address for part in seen(items)}
    edges = sorted({edge for item in items for span in _hidden_by(item) for edge in span})
    for item in items:
        for part in cued_parts(item):
            if isinstance(part, ClipRef):
                inner = edges[bisect_right(edges, part.timeline_start_s) : bisect_left(edges, part.timeline_end_s)]
                if inner and len(inner) <= _MOST_EDGES:
                    times = [part.timeline_start_s, *inner, part.timeline_end_s]
                    found |= {_part_id(part, *span): part.address for span in combinations(times, 2)}
    return found | {item.id: item.address for item in items}


def cued_parts(item: ClipRef | Skip) -> list[ClipRef | Skip]:
    """Return one part for each cue on a clip: its range, or all of the clip for a point.

    A cue of the clip's own kind says where that sound is and is not; one of the other kind is laid beside it, so that
    "AMB: rain" over a scene leaves the foley of its clips alone. A clip that is off stays off, whatever its markers
    say.
    """
    if isinstance(item, Skip) or item.mode == "off":
        return [item]
    asked: set[tuple[Fraction, Fraction, MarkerCue]] = set()
    for marker in item.markers:
        cue = read_cue(marker)
        if cue is not None:
            end_s = item.timeline_end_s if marker.is_point else marker.start_s + marker.duration_s
            start_s = item.timeline_start_s if marker.is_point else marker.start_s
            asked.add((max(start_s, item.timeline_start_s), min(end_s, item.timeline_end_s), cue))
    parts: list[ClipRef | Skip] = []
    ordered = sorted(asked, key=lambda one: (one[0], one[1], one[2].role, one[2].prompt or ""))
    markers = MarkerIndex(item.markers)
    alike: Counter[tuple[Fraction, Fraction, str]] = Counter()
    for start_s, end_s, cue in ordered:
        # The number and not the words is in the id, so that other words make no other stem of it.
        number = alike[start_s, end_s, cue.role]
        alike[start_s, end_s, cue.role] += 1
        parts.append(part_of(replace(item, cue=replace(cue, number=number)), start_s, end_s, markers))
    is_limited = any(cue.role == item.role for _, _, cue in ordered)
    return parts if is_limited else [item, *parts]


def part_of(clip: ClipRef, start_s: Fraction, end_s: Fraction, markers: MarkerIndex | None = None) -> ClipRef:
    """Return the stretch of a clip between two timeline times; transitions reach over the clip's own edges only.

    `markers` are those of the clip, where many parts of it are asked for.
    """
    whole = (start_s, end_s) == (clip.timeline_start_s, clip.timeline_end_s)
    markers = MarkerIndex(clip.markers) if markers is None and not whole else markers
    part = replace(
        clip,
        id=_part_id(clip, start_s, end_s),
        timeline_start_s=start_s,
        timeline_duration_s=end_s - start_s,
        source_start_s=clip.source_start_s + (start_s - clip.timeline_start_s) * clip.speed,
        markers=clip.markers if whole or markers is None else tuple(markers.within(start_s, end_s)),
        lead_s=clip.lead_s if start_s == clip.timeline_start_s else Fraction(0),
        trail_s=clip.trail_s if end_s == clip.timeline_end_s else Fraction(0),
    )
    return with_fades(part, clip.fades)


def _hidden_by(item: ClipRef | Skip) -> list[Span]:
    """Return the spans in which an item hides all under it: not where it fades alone, and others show through."""
    if not item.opaque or item.timeline_start_s is None or item.timeline_duration_s is None:
        return []
    whole = (item.timeline_start_s, item.timeline_start_s + item.timeline_duration_s)
    if isinstance(item, Skip):
        return [whole]
    return _minus(whole, _merged((fade.start_s, fade.end_s) for fade in item.fades if fade.alone))


def _from_the_top(items: Sequence[ClipRef | Skip]) -> list[list[ClipRef | Skip]]:
    """Return items grouped by height, highest first: by track, and within nested sequences by the tracks of these."""
    rows: dict[tuple[int, ...], list[ClipRef | Skip]] = {}
    for item in items:
        rows.setdefault((item.layer, *item.depth), []).append(item)
    return [rows[height] for height in sorted(rows, reverse=True)]


def _visible_parts(
    item: ClipRef | Skip, covered: Sequence[Span], by_track: Mapping[str, Sequence[Span]]
) -> Iterable[ClipRef | Skip]:
    if isinstance(item, Skip):
        return [item]
    whole = (item.timeline_start_s, item.timeline_end_s)
    parts = _minus(whole, covered)
    if parts == [whole]:
        return [_free_of(item, covered)]
    if not parts:
        hiding = (track for track, spans in by_track.items() if _minus(whole, spans) != [whole])
        named = list(islice(hiding, _MOST_NAMED))
        others = " and others" if next(hiding, None) is not None else ""
        return [left_out(item, f"is hidden by the picture on {' and '.join(named)}{others}")]
    first, last = parts[0][0], parts[-1][1]
    pieces = [_free_of(part_of(item, start_s, end_s), covered) for start_s, end_s in parts]
    if first != whole[0] or last != whole[1] or len(parts) > 1:
        note = f"{item.name} on {item.track}: only what the tracks above leave of it gets sound"
        pieces[0] = replace(pieces[0], notes=(*pieces[0].notes, note))
    return pieces


def _under(item: ClipRef | Skip, over: FadeIndex) -> ClipRef | Skip:
    """Return an item that shows through where others over it fade: it goes as they come, and comes as they go."""
    near = [] if isinstance(item, Skip) else over.within(item.heard_start_s, item.heard_end_s)
    if isinstance(item, Skip) or not near:
        return item
    return with_fades(item, [*item.fades, *(replace(fade, rising=not fade.rising, alone=False) for fade in near)])


def _free_of(clip: ClipRef, covered: Sequence[Span]) -> ClipRef:
    """Return a clip that is seen throughout its place, and heard in a transition only while that is seen too."""
    if not clip.lead_s and not clip.trail_s:
        return clip
    # Of the stretches that are left, the one that the place of the clip lies in.
    left = _minus((clip.heard_start_s, clip.heard_end_s), covered)
    start_s, end_s = next(span for span in left if span[1] > clip.timeline_start_s)
    lead_s, trail_s = clip.timeline_start_s - start_s, end_s - clip.timeline_end_s
    return with_fades(replace(clip, lead_s=lead_s, trail_s=trail_s), clip.fades)


def _minus(span: Span, covered: Sequence[Span]) -> list[Span]:
    """Return the parts of a span that sorted, disjoint spans do not cover."""
    start_s, end_s = span
    left = []
    # The last covered span that begins at or before ours is the first that can reach into it.
    for index in range(max(0, bisect_right(covered, (start_s, end_s)) - 1), len(covered)):
        cover_start_s, cover_end_s = covered[index]
        if cover_start_s >= end_s:
            break
        if cover_start_s > start_s:
            left.append((start_s, cover_start_s))
        start_s = max(start_s, cover_end_s)
    if start_s < end_s:
        left.append((start_s, end_s))
    return left


def _touches(span: Span, covered: Sequence[Span]) -> bool:
    """Return whether a span overlaps one of sorted, disjoint spans."""
    index = bisect_right(covered, span[0], key=lambda one: one[1])
    return index < len(covered) and covered[index][0] < span[1]


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start_s, end_s in sorted(spans):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return merged


def _part_id(clip: ClipRef, start_s: Fraction, end_s: Fraction) -> str:
    id = item_id(clip.layer, start_s, end_s - start_s, clip.depth)
    return id if clip.cue is None else digest(["cue", id, clip.cue.role, clip.cue.number])[:12]
