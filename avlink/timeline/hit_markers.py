"""Hits as markers of clips, both ways: what a spotter found becomes markers, and what people made of them is read back.

A marker lies on the frame in which its hit is seen, because programs count whole frames; its metadata holds the place
within that frame, and all that its name and note say only in part. It also holds the marker as it was written, so that
whatever a person or a program changed is seen and counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from typing import Any

import opentimelineio as otio

from avlink.core import clock
from avlink.core.hashing import fraction_text
from avlink.core.hits import CONTINUOUS_KINDS, UNKNOWN_KIND, Hit
from avlink.timeline.cue_text import is_cue_text
from avlink.timeline.hit_text import hit_name, hit_note, hit_of_text, is_hit_text, named, noted, read_note, strength_of
from avlink.timeline.item import KEY, is_number, plain, seconds, table

HIT = "hit"
"""The key of a hit in the metadata of its marker, under `KEY`."""

SPOTTED = "spotted"
"""The key, under `KEY`, of what a clip remembers of the spotter that has looked at it."""

_ZERO = Fraction(0)
# Two frames at 24 per second: shorter than any range that a person means.
_POINT_S = Fraction(1, 12)
_SLACK_FRAMES = Fraction(1, 1000)
_COLOURS = {
    "hit": otio.schema.MarkerColor.RED,
    "step": otio.schema.MarkerColor.GREEN,
    "drop": otio.schema.MarkerColor.ORANGE,
    "splash": otio.schema.MarkerColor.BLUE,
    "flash": otio.schema.MarkerColor.YELLOW,
    **dict.fromkeys(CONTINUOUS_KINDS, otio.schema.MarkerColor.PURPLE),
}
_OTHER_COLOUR = otio.schema.MarkerColor.PINK


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedHit:
    """A hit on a clip, from `start_s` on for `duration_s` of the clip's own time. The time of `hit` itself is 0.

    `id` names the marker among those of a spotter, "" for one of a person; `from_s` is the place that it was written
    at. `edited` when a person made or changed it.
    """

    hit: Hit
    start_s: Fraction
    duration_s: Fraction
    id: str = ""
    from_s: Fraction | None = None
    edited: bool = False


def hit_colour(kind: str) -> str:
    """Return the colour of the markers of a kind, by OTIO's name."""
    return str(_COLOURS.get(kind, _OTHER_COLOUR))


def hit_marker(
    hit: Hit, *, start_s: Fraction, duration_s: Fraction, rate: float, shown_s: Fraction, id: str = ""
) -> otio.schema.Marker:
    """Return the marker of a hit that lies at `start_s` of a clip's own time, for `duration_s` of it.

    `rate` is that of the clip's range, and `shown_s` the earliest own time that the clip shows: a clip that begins
    between two frames is not seen in the whole of its first one.
    """
    exact = clock.exact_rate(rate)
    frame = Fraction(floor(start_s * exact + _SLACK_FRAMES))
    if frame < shown_s * exact <= start_s * exact:
        frame = shown_s * exact
    frames = max(Fraction(1), duration_s * exact)
    span = otio.opentime.TimeRange(
        otio.opentime.RationalTime(float(frame), rate), otio.opentime.RationalTime(float(frames), rate)
    )
    name, note = hit_name(hit), hit_note(hit)
    said: dict[str, Any] = {
        **({"id": id} if id else {}),
        "kind": hit.kind,
        "words": hit.words,
        "strength": hit.strength,
        "confidence": hit.confidence,
        "source": hit.source,
        "offset_s": fraction_text(start_s - frame / exact),
        "duration_s": fraction_text(duration_s),
        **({} if hit.place is None else {"place": list(hit.place)}),
        **({"heard": True} if hit.heard else {}),
        "written": {
            "name": name,
            "note": note,
            "start_s": fraction_text(frame / exact),
            "length_s": fraction_text(frames / exact),
        },
    }
    return otio.schema.Marker(
        name=name, marked_range=span, color=hit_colour(hit.kind), comment=note, metadata={KEY: {HIT: said}}
    )


def read_hit(marker: otio.schema.Marker) -> MarkedHit | None:
    """Return the hit that a marker stands for; None for a marker that is none, or lies at no time.

    Fields that nobody changed are as they were written, to the last digit.
    """
    start_s, length_s = seconds(marker.marked_range.start_time), seconds(marker.marked_range.duration)
    if start_s is None or length_s is None:
        return None
    name, note = marker.name or "", marker.comment or ""
    frame_s = 1 / clock.exact_rate(marker.marked_range.start_time.rate)
    said = table(table(marker.metadata, KEY), HIT)
    written = _written(said) if said else None
    if written is None:
        if not is_hit_text(name, note):
            return None
        hit = hit_of_text(name, note)
        length_s = hit.duration_s or (_ZERO if _is_point(length_s, frame_s) else length_s)
        bare = replace(hit, duration_s=_ZERO)
        return MarkedHit(hit=bare, start_s=start_s, duration_s=length_s, edited=hit.source == "marker")
    if is_cue_text(name, note):
        return None
    hit = written.hit
    if name != written.name:
        hit = named(name, hit)
    if note != written.note:
        facts = read_note(note)
        in_name = name != written.name and strength_of(name) is not None
        hit = noted(replace(facts, strength=None) if in_name else facts, hit)
    moved = abs(start_s - written.start_s) >= frame_s / 2
    stretched = abs(length_s - written.length_s) >= frame_s / 2
    edited = moved or stretched or name != written.name or note != written.note
    if edited:
        hit = replace(hit, source="marker", confidence=1.0)
    duration_s = (_ZERO if _is_point(length_s, frame_s) else length_s) if stretched else written.duration_s
    return MarkedHit(
        hit=hit,
        start_s=start_s if moved else written.start_s + written.offset_s,
        duration_s=duration_s,
        id=written.id,
        from_s=written.start_s + written.offset_s,
        edited=edited or hit.source == "marker",
    )


def shift_hit(marker: otio.schema.Marker, by_s: Fraction) -> None:
    """Correct what the marker of a hit remembers of its place where its clip's own time was shifted, in place."""
    said = table(table(marker.metadata, KEY), HIT)
    written = _written(said) if said else None
    if written is not None:
        marker.metadata[KEY][HIT]["written"]["start_s"] = fraction_text(written.start_s + by_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A marker as it was written, by its metadata."""

    hit: Hit
    id: str
    name: str
    note: str
    start_s: Fraction
    length_s: Fraction
    offset_s: Fraction
    duration_s: Fraction


def _written(said: Mapping[str, Any]) -> _Written | None:
    """Return the marker that metadata remembers; None where people or programs left something else there."""
    # Field by field: a copy of the whole table takes ten times as long, and there may be thousands of hits.
    try:
        written, place = said["written"], plain(said["place"]) if "place" in said else None
        numbers = [said["strength"], said["confidence"], *(place or [])]
        if not all(is_number(one) for one in numbers):
            return None
        hit = Hit(
            time_s=_ZERO,
            strength=float(said["strength"]),
            confidence=float(said["confidence"]),
            kind=str(said["kind"]) or UNKNOWN_KIND,
            words=str(said["words"]),
            source=said["source"] if said["source"] in ("picture", "guide") else "marker",
            heard=("heard" in said and said["heard"] is True),
            place=None if place is None else (float(place[0]), float(place[1])),
        )
        return _Written(
            hit=hit,
            id=str(said["id"]) if "id" in said else "",
            name=str(written["name"]),
            note=str(written["note"]),
            start_s=clock.exact_number(str(written["start_s"])),
            length_s=clock.exact_number(str(written["length_s"])),
            offset_s=clock.exact_number(str(said["offset_s"])),
            duration_s=max(_ZERO, clock.exact_number(str(said["duration_s"]))),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None


def _is_point(length_s: Fraction, frame_s: Fraction) -> bool:
    """Return whether a length means a moment: programs whose markers have no length write one of a frame."""
    return length_s < _POINT_S or length_s <= frame_s
