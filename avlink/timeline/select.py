"""Selection of clips: those that a viewer sees, or all on tracks chosen by name, and of these those a recipe wants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Literal

from avlink.core.errors import TimelineError
from avlink.core.recipe.schema import SelectTable
from avlink.core.text import first_names
from avlink.timeline.values import ClipRef, Skip, left_out
from avlink.timeline.visible import cued_parts, seen

_EVERYTHING = SelectTable()


def select_clips(
    items: Sequence[ClipRef | Skip],
    tracks: Sequence[str] = (),
    *,
    wanted: SelectTable = _EVERYTHING,
    cued: bool = True,
) -> tuple[ClipRef | Skip, ...]:
    """Return the clips to work on, in timeline order, and all others as skips.

    Without tracks these are the stretches that are seen: the topmost opaque picture hides what lies under it. With
    `tracks` (names, or V1, V2, ... from the lowest) they are all clips of those tracks, hidden or not. A clip with
    markers that are cues ("FOLEY: steps") is returned once for each of them, in their ranges only; without `cued` it is
    returned once as it is. Clips that `wanted` does not name by clip, marker or colour are left out.

    Raises TimelineError when a track of that name does not exist, or no clip is as `wanted`.
    """
    tracks = tracks or wanted.tracks
    if tracks:
        found = _cued_on_tracks(items, tracks) if cued else on_tracks(items, tracks)
    else:
        found = seen(items, heard=cued)
    named = _wanted(found, wanted)
    return tuple(sorted((_worth_a_sound(item, wanted) for item in named), key=timeline_order))


def select_sounds(items: Sequence[ClipRef | Skip], *, wanted: SelectTable) -> tuple[ClipRef | Skip, ...]:
    """Return the sound clips to work on, in timeline order, and all others as skips.

    Sounds hide nothing, so all clips of all tracks are taken, or of the tracks in `wanted`, by name or as A1, A2, ...
    from the first. Clips that it does not name by clip, marker or colour are left out.

    Raises TimelineError when a track of that name does not exist, or no clip is as `wanted`.
    """
    found = on_tracks(items, wanted.tracks, kind="sound") if wanted.tracks else list(items)
    return tuple(sorted((_worth_a_picture(item, wanted) for item in _wanted(found, wanted)), key=timeline_order))


def _wanted(items: Sequence[ClipRef | Skip], wanted: SelectTable) -> list[ClipRef | Skip]:
    """Return the items that are `wanted`. Raises TimelineError when there are items, and none is."""
    named = [item for item in items if _is_wanted(item, wanted)]
    if items and not named:
        raise TimelineError(_nothing_wanted(items, wanted))
    return named


def _is_wanted(item: ClipRef | Skip, wanted: SelectTable) -> bool:
    """Return whether a clip has a name, a marker and a colour of those `wanted`; an empty list holds for all."""
    if wanted.clips and not _matches([item.name], wanted.clips):
        return False
    if not wanted.markers and not wanted.colours:
        return True
    if isinstance(item, Skip):
        return False
    texts = [text for marker in item.markers for text in (marker.name, marker.comment)]
    # Hits have colours of ours, by their kinds.
    colours = {item.colour or "", *(marker.colour for marker in item.markers if marker.own and marker.hit is None)}
    return (not wanted.markers or _matches(texts, wanted.markers)) and (
        not wanted.colours or any(colour.upper() in colours for colour in wanted.colours)
    )


def _matches(texts: Iterable[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text.casefold(), pattern.casefold()) for text in texts for pattern in patterns)


def _nothing_wanted(items: Sequence[ClipRef | Skip], wanted: SelectTable) -> str:
    asked = [
        f"{key} = {', '.join(values)}"
        for key, values in (("clips", wanted.clips), ("markers", wanted.markers), ("colours", wanted.colours))
        if values
    ]
    names = first_names(dict.fromkeys(item.name for item in items), most=8)
    return f"no clip is as [select] wants it ({'; '.join(asked)}); there are: {names}"


def _worth_a_sound(item: ClipRef | Skip, wanted: SelectTable) -> ClipRef | Skip:
    """Return a clip that is too short, or stands still, as a skip.

    Foley is the sound of movement, and nothing moves in a freeze frame. One with a prompt of its own, or chosen by
    name, marker or colour, gets a sound all the same.
    """
    if isinstance(item, Skip):
        return item
    if item.mode == "off":
        return left_out(item, "is switched off for AVLink (its mode is off)")
    if item.timeline_duration_s < Fraction(wanted.min_duration_s).limit_denominator(1_000_000):
        return left_out(item, f"is seen for less than {wanted.min_duration_s:g} s (select.min_duration_s)")
    chosen = wanted.clips or wanted.markers or wanted.colours or item.asked_prompt is not None
    if not item.speed and not chosen:
        return left_out(item, "is a freeze frame, in which nothing moves; a prompt of its own gives it a sound")
    return item


def timeline_order(item: ClipRef | Skip) -> tuple[bool, Fraction, int, str]:
    """Return the sort key of timeline order; items without a place come last."""
    start_s = item.timeline_start_s
    return (start_s is None, start_s or Fraction(0), item.layer, item.id)


def on_tracks(
    items: Sequence[ClipRef | Skip], tracks: Sequence[str], *, kind: Literal["video", "sound"] = "video"
) -> list[ClipRef | Skip]:
    """Return the items on tracks of one kind, by name, else by number: V1 or A1 is the first.

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


def _worth_a_picture(item: ClipRef | Skip, wanted: SelectTable) -> ClipRef | Skip:
    if isinstance(item, Skip):
        return item
    if item.mode == "off":
        return left_out(item, "is switched off for AVLink (its mode is off)")
    if item.timeline_duration_s < Fraction(wanted.min_duration_s).limit_denominator(1_000_000):
        return left_out(item, f"is heard for less than {wanted.min_duration_s:g} s (select.min_duration_s)")
    if not item.speed:
        return left_out(item, "stands still (its speed is 0), and so nothing of it is heard")
    return item
