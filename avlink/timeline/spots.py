"""Stretches of clips: what markers ask for within them, and what is left of them where others hide them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from avlink.core.hashing import digest
from avlink.timeline.directions import Cue, read_cue
from avlink.timeline.markers import touches
from avlink.timeline.values import ClipRef, Skip, with_fades
from avlink.timeline.walk import item_id


def part_of(clip: ClipRef, start_s: Fraction, end_s: Fraction) -> ClipRef:
    """The stretch of a clip between two timeline times; transitions reach over the clip's own edges only."""
    part = replace(
        clip,
        id=_part_id(clip, start_s, end_s),
        timeline_start_s=start_s,
        timeline_duration_s=end_s - start_s,
        source_start_s=clip.source_start_s + (start_s - clip.timeline_start_s) * clip.speed,
        markers=tuple(marker for marker in clip.markers if touches(marker, start_s, end_s)),
        lead_s=clip.lead_s if start_s == clip.timeline_start_s else Fraction(0),
        trail_s=clip.trail_s if end_s == clip.timeline_end_s else Fraction(0),
    )
    return with_fades(part, clip.fades)


def cued_parts(item: ClipRef | Skip) -> list[ClipRef | Skip]:
    """One part for each cue on a clip: its range, or all of the clip for a point.

    A cue of the clip's own kind says where that sound is and is not; one of the other kind is laid beside it, so that
    "AMB: rain" over a scene leaves the foley of its clips alone. A clip that is off stays off, whatever its markers
    say.
    """
    if isinstance(item, Skip) or item.mode == "off":
        return [item]
    asked: set[tuple[Fraction, Fraction, Cue]] = set()
    for marker in item.markers:
        cue = read_cue(marker)
        if cue is not None:
            end_s = item.timeline_end_s if marker.is_point else marker.start_s + marker.duration_s
            start_s = item.timeline_start_s if marker.is_point else marker.start_s
            asked.add((max(start_s, item.timeline_start_s), min(end_s, item.timeline_end_s), cue))
    parts: list[ClipRef | Skip] = []
    ordered = sorted(asked, key=lambda one: (one[0], one[1], one[2].role, one[2].prompt or ""))
    for index, (start_s, end_s, cue) in enumerate(ordered):
        # The number and not the words is in the id, so that other words make no other stem of it.
        number = sum((start_s, end_s, cue.role) == (*one[:2], one[2].role) for one in ordered[:index])
        parts.append(part_of(replace(item, cue=replace(cue, number=number)), start_s, end_s))
    is_limited = any(cue.role == item.role for _, _, cue in ordered)
    return parts if is_limited else [item, *parts]


def _part_id(clip: ClipRef, start_s: Fraction, end_s: Fraction) -> str:
    id = item_id(clip.layer, start_s, end_s - start_s, clip.depth)
    return id if clip.cue is None else digest(["cue", id, clip.cue.role, clip.cue.number])[:12]
