"""Which clips get sound: what a viewer sees, or all of tracks chosen by name; and of these what a recipe wants."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Literal

from avlink.core.errors import TimelineError
from avlink.core.recipe.schema import SelectTable
from avlink.timeline.fades import FadeRow
from avlink.timeline.spots import cued_parts, part_of
from avlink.timeline.values import ClipRef, Skip, left_out, with_fades

Span = tuple[Fraction, Fraction]


_EVERYTHING = SelectTable()


def select_clips(
    items: Sequence[ClipRef | Skip], tracks: Sequence[str] = (), *, wish: SelectTable = _EVERYTHING
) -> tuple[ClipRef | Skip, ...]:
    """The clips to work on, in timeline order, and everything else that is there as skips.

    Without tracks these are the stretches that are seen: the topmost opaque picture hides what lies under it. With
    `tracks` (names, or V1, V2, ... from the lowest) they are all clips of those tracks, hidden or not. A clip with
    markers that are cues ("FOLEY: steps") is there once for each of them, in their ranges only. Of them all, what
    `wish` does not name by clip, marker or colour is not there at all.

    Raises TimelineError when a track of that name does not exist, or nothing at all is as wished.
    """
    tracks = tracks or wish.tracks
    found = _cued_on_tracks(items, tracks) if tracks else _seen(items)
    named = wished(found, wish)
    return tuple(sorted((_worth_a_sound(item, wish) for item in named), key=timeline_order))


def wished(items: Sequence[ClipRef | Skip], wish: SelectTable) -> list[ClipRef | Skip]:
    """The items that are as the wish says. Raises TimelineError when there are some, and none is."""
    named = [item for item in items if is_wished(item, wish)]
    if items and not named:
        raise TimelineError(_nothing_wished(items, wish))
    return named


def is_wished(item: ClipRef | Skip, wish: SelectTable) -> bool:
    """Whether a clip has a name, a marker and a colour that the wish names; what it leaves open holds for all."""
    if wish.clips and not _matches([item.name], wish.clips):
        return False
    if not wish.markers and not wish.colours:
        return True
    if isinstance(item, Skip):
        return False
    texts = [text for marker in item.markers for text in (marker.name, marker.comment)]
    colours = {item.colour or "", *(marker.colour for marker in item.markers if marker.own)}
    return (not wish.markers or _matches(texts, wish.markers)) and (
        not wish.colours or any(colour.upper() in colours for colour in wish.colours)
    )


def _matches(texts: Iterable[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text.casefold(), pattern.casefold()) for text in texts for pattern in patterns)


def _nothing_wished(items: Sequence[ClipRef | Skip], wish: SelectTable) -> str:
    wishes = [
        f"{key} = {', '.join(values)}"
        for key, values in (("clips", wish.clips), ("markers", wish.markers), ("colours", wish.colours))
        if values
    ]
    names = list(dict.fromkeys(item.name for item in items))
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"no clip is as [select] wants it ({'; '.join(wishes)}); there are: {', '.join(names[:8])}{more}"


def _worth_a_sound(item: ClipRef | Skip, wish: SelectTable) -> ClipRef | Skip:
    """What is too short, or stands still, as a skip.

    Nothing moves in a freeze frame, and foley is the sound of what moves: an editor who freezes a picture wants it to
    hold its breath. Where one is asked for by a prompt of its own, or chosen by name, marker or colour, it is made.
    """
    if isinstance(item, Skip):
        return item
    if item.mode == "off":
        return left_out(item, "is switched off for AVLink (its mode is off)")
    if item.timeline_duration_s < Fraction(wish.min_duration_s).limit_denominator(1_000_000):
        return left_out(item, f"is seen for less than {wish.min_duration_s:g} s (select.min_duration_s)")
    chosen = wish.clips or wish.markers or wish.colours or item.asked_prompt is not None
    if not item.speed and not chosen:
        return left_out(item, "is a freeze frame, in which nothing moves; a prompt of its own gives it a sound")
    return item


def timeline_order(item: ClipRef | Skip) -> tuple[bool, Fraction, int, str]:
    """What to sort by for the order on the timeline; what has no place there comes last."""
    start_s = item.timeline_start_s
    return (start_s is None, start_s or Fraction(0), item.layer, item.id)


def on_tracks(
    items: Sequence[ClipRef | Skip], tracks: Sequence[str], *, kind: Literal["video", "sound"] = "video"
) -> list[ClipRef | Skip]:
    """The items on tracks of one kind, by name, else by number: V1 or A1 is the first.

    Raises TimelineError when a track of that name does not exist.
    """
    names = {item.track for item in items}
    letter = "V" if kind == "video" else "A"
    by_name = {name for name in tracks if name in names}
    by_number = {f"{letter}{item.layer + 1}": item.layer for item in items}
    unknown = [name for name in tracks if name not in names and name not in by_number]
    if unknown:
        known = ", ".join(dict.fromkeys(item.track for item in items)) or "none"
        raise TimelineError(f"the timeline has no {kind} track '{unknown[0]}' with clips; it has: {known}")
    numbered = {by_number[name] for name in tracks if name not in names}
    return [item for item in items if item.track in by_name or item.layer in numbered]


def _cued_on_tracks(items: Sequence[ClipRef | Skip], tracks: Sequence[str]) -> list[ClipRef | Skip]:
    return [part for item in on_tracks(items, tracks) for part in cued_parts(item)]


def visible(items: Sequence[ClipRef | Skip]) -> list[ClipRef]:
    """The stretches of all clips that a viewer sees, whatever they are wished to sound like, from below upwards."""
    found = [item for item in _seen(items, heard=False) if isinstance(item, ClipRef)]
    return sorted(found, key=lambda clip: (clip.layer, clip.depth, clip.timeline_start_s))


def _seen(items: Sequence[ClipRef | Skip], *, heard: bool = True) -> list[ClipRef | Skip]:
    """What is seen; `heard` where markers ask for it, and fading as what lies over it."""
    covered: list[Span] = []
    over = FadeRow()
    by_track: dict[str, list[Span]] = {}
    found: list[ClipRef | Skip] = []
    for on_layer in _from_the_top(items):
        for item in on_layer:
            for part in cued_parts(item) if heard else [item]:
                seen = _visible_parts(part, covered, by_track)
                found += [_under(one, over) for one in seen] if heard else seen
        over = over.joined(
            fade for item in on_layer if item.opaque and isinstance(item, ClipRef) for fade in item.fades if fade.alone
        )
        opaque = [span for item in on_layer for span in _hidden_by(item)]
        if opaque:
            covered = _merged([*covered, *opaque])
            track = on_layer[0].track
            by_track[track] = _merged([*by_track.get(track, []), *opaque])
    return found


def _hidden_by(item: ClipRef | Skip) -> list[Span]:
    """The stretches in which nothing is seen of what lies under an item; where it fades alone, that shows through."""
    if not item.opaque or item.timeline_start_s is None or item.timeline_duration_s is None:
        return []
    whole = (item.timeline_start_s, item.timeline_start_s + item.timeline_duration_s)
    if isinstance(item, Skip):
        return [whole]
    return _minus(whole, _merged((fade.start_s, fade.end_s) for fade in item.fades if fade.alone))


def _from_the_top(items: Sequence[ClipRef | Skip]) -> list[list[ClipRef | Skip]]:
    """Items of one height together, highest first: by track, and inside of nested sequences by theirs."""
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
        hiding = [track for track, spans in by_track.items() if _minus(whole, spans) != [whole]]
        return [left_out(item, f"is hidden by the picture on {' and '.join(hiding)}")]
    first, last = parts[0][0], parts[-1][1]
    pieces = [_free_of(part_of(item, start_s, end_s), covered) for start_s, end_s in parts]
    if first != whole[0] or last != whole[1] or len(parts) > 1:
        note = f"{item.name} on {item.track}: only what the tracks above leave of it gets sound"
        pieces[0] = replace(pieces[0], notes=(*pieces[0].notes, note))
    return pieces


def _under(item: ClipRef | Skip, over: FadeRow) -> ClipRef | Skip:
    """What shows through where others fade in and out over it: it goes as they come, and comes as they go."""
    near = [] if isinstance(item, Skip) else over.within(item.heard_start_s, item.heard_end_s)
    if isinstance(item, Skip) or not near:
        return item
    return with_fades(item, [*item.fades, *(replace(fade, rising=not fade.rising, alone=False) for fade in near)])


def _free_of(clip: ClipRef, covered: Sequence[Span]) -> ClipRef:
    """A clip that is seen all through its place, heard no longer in a transition than that is seen as well."""
    if not clip.lead_s and not clip.trail_s:
        return clip
    left = _minus((clip.heard_start_s, clip.heard_end_s), covered)
    start_s, end_s = next(span for span in left if span[1] > clip.timeline_start_s)
    lead_s, trail_s = clip.timeline_start_s - start_s, end_s - clip.timeline_end_s
    return with_fades(replace(clip, lead_s=lead_s, trail_s=trail_s), clip.fades)


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
