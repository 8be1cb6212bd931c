"""Which clips get sound: what a viewer sees, or all that lies on tracks chosen by name."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from avlink.core.errors import TimelineError
from avlink.timeline.values import ClipRef, Skip
from avlink.timeline.walk import part_of

Span = tuple[Fraction, Fraction]


def select_clips(items: Sequence[ClipRef | Skip], tracks: Sequence[str] = ()) -> tuple[ClipRef | Skip, ...]:
    """The clips to work on, in timeline order, and everything else as skips.

    Without `tracks` these are the stretches that are seen: the topmost opaque picture hides what lies under it. With
    `tracks` (names, or V1, V2, ... from the lowest) they are all clips of those tracks, hidden or not.

    Raises TimelineError when a track of that name does not exist.
    """
    chosen = _on_tracks(items, tracks) if tracks else _seen(items)
    return tuple(sorted(chosen, key=_timeline_order))


def _timeline_order(item: ClipRef | Skip) -> tuple[bool, Fraction, int, str]:
    start_s = item.timeline_start_s
    return (start_s is None, start_s or Fraction(0), item.layer, item.id)


def _on_tracks(items: Sequence[ClipRef | Skip], tracks: Sequence[str]) -> list[ClipRef | Skip]:
    names = {item.track for item in items}
    layers = {item.layer for item in items}
    by_name = {name for name in tracks if name in names}
    by_number = {f"V{layer + 1}": layer for layer in layers}
    unknown = [name for name in tracks if name not in names and name not in by_number]
    if unknown:
        known = ", ".join(dict.fromkeys(item.track for item in items)) or "none"
        raise TimelineError(f"the timeline has no video track '{unknown[0]}' with clips; it has: {known}")
    numbered = {by_number[name] for name in tracks if name not in names}
    return [item for item in items if item.track in by_name or item.layer in numbered]


def _seen(items: Sequence[ClipRef | Skip]) -> list[ClipRef | Skip]:
    covered: list[Span] = []
    covers: list[str] = []
    found: list[ClipRef | Skip] = []
    for layer in sorted({item.layer for item in items}, reverse=True):
        on_layer = [item for item in items if item.layer == layer]
        for item in on_layer:
            found += _visible_parts(item, covered, covers)
        opaque = [
            (item.timeline_start_s, item.timeline_start_s + item.timeline_duration_s)
            for item in on_layer
            if item.opaque and item.timeline_start_s is not None and item.timeline_duration_s is not None
        ]
        if opaque:
            covered = _merged([*covered, *opaque])
            covers.append(on_layer[0].track)
    return found


def _visible_parts(item: ClipRef | Skip, covered: Sequence[Span], covers: Sequence[str]) -> Iterable[ClipRef | Skip]:
    if isinstance(item, Skip):
        return [item]
    whole = (item.timeline_start_s, item.timeline_end_s)
    parts = _minus(whole, covered)
    if parts == [whole]:
        return [item]
    if not parts:
        return [
            Skip(
                id=item.id,
                name=item.name,
                track=item.track,
                layer=item.layer,
                reason=f"is hidden by the picture on {' and '.join(reversed(covers))}",
                timeline_start_s=item.timeline_start_s,
                timeline_duration_s=item.timeline_duration_s,
                source=next((ref.url for ref in item.media if ref.url), None),
            )
        ]
    first, last = parts[0][0], parts[-1][1]
    pieces = [part_of(item, start_s, end_s) for start_s, end_s in parts]
    if first != whole[0] or last != whole[1] or len(parts) > 1:
        note = f"{item.name} on {item.track}: only what the tracks above leave of it gets sound"
        pieces[0] = replace(pieces[0], notes=(*pieces[0].notes, note))
    return pieces


def _minus(span: Span, covered: Sequence[Span]) -> list[Span]:
    """What sorted, disjoint spans leave of one span."""
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


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start_s, end_s in sorted(spans):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return merged
