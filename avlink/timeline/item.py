"""Properties of one item of a track: its range, duration, speed, and whether it is switched off.

The conventions by which editing programs differ from OTIO in these are handled here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from math import isfinite
from typing import Any

import opentimelineio as otio

from avlink.core import clock
from avlink.core.limits import SPEED, TIME_S

KEY = "avlink"
"""The key under which AVLink keeps metadata of its own."""


def own_range(item: otio.core.Item) -> otio.opentime.TimeRange | None:
    """Return the range that an item plays: its own, else all of its media or contents; None when neither is stated."""
    if item.source_range is not None:
        return item.source_range
    try:
        return item.available_range()
    except (otio.exceptions.OTIOError, NotImplementedError, ValueError):
        # Gaps and other items without contents do not implement it.
        if not isinstance(item, otio.schema.Clip):
            return None
    refs = item.media_references().values()
    return next((ref.available_range for ref in refs if ref.available_range is not None), None)


def seconds(time: otio.opentime.RationalTime) -> Fraction | None:
    """Return exact seconds; None for an invalid time: rate 0 (titles of some exports), infinite, or no number.

    A time beyond the limit is invalid too: programs write such numbers for a length that they do not know.
    """
    return _seconds(time.value, time.rate)


# Cached because a walk asks some five times per clip, and a merge walks three timelines of the same times.
@lru_cache(maxsize=1 << 15)
def _seconds(value: float, rate: float) -> Fraction | None:
    try:
        found = clock.exact_time(value, rate)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) <= TIME_S.most else None


def begin_s(item: otio.core.Item) -> Fraction | None:
    """Return the moment of its own time at which an item begins: media time in a clip, else time of its contents.

    None for one that is no time: not a number, infinite, or at a rate of 0.
    """
    # The contents of a composition count from 0, also where OTIO takes an available range from them.
    span = own_range(item) if isinstance(item, otio.schema.Clip) else item.source_range
    return Fraction(0) if span is None else moment_s(span.start_time)


def stack_start_s(timeline: otio.schema.Timeline) -> Fraction:
    """Return the tracks' own time at the start of a timeline: not 0 only when its stack is trimmed."""
    return begin_s(timeline.tracks) or Fraction(0)


def rational_time(time_s: Fraction, rate: float) -> otio.opentime.RationalTime:
    """Return seconds as a time at a rate as the project writes it; a literal 29.97 means 30000/1001."""
    return otio.opentime.RationalTime(float(time_s * clock.exact_rate(rate)), rate)


def item_at(timeline: otio.schema.Timeline, address: tuple[int, ...]) -> otio.core.Item:
    """Return the item at an address: its index in the stack, then in each composition below."""
    item = timeline.tracks
    for index in address:
        item = item[index]
    return item


def moment_s(time: otio.opentime.RationalTime) -> Fraction | None:
    """Return the seconds of a moment; None for one that is no time. Zero is zero at a rate of 0 too, as titles have."""
    return Fraction(0) if time.value == 0 else seconds(time)


def shown_time(time: otio.opentime.RationalTime) -> str:
    """Return a time that is none as it is written, for a sentence."""
    return f"{time.value:g} at {time.rate:g} frames per second"


def visible_duration_s(item: otio.core.Item, *, premiere: bool) -> Fraction | None:
    """Return the duration of an item on its track; None when that cannot be known.

    Time warps change no duration in OTIO, EDL and Resolve. Premiere writes the duration of the media instead, which
    divided by the speed is that on the track.
    """
    if item.source_range is None and isinstance(item, (otio.schema.Stack, otio.schema.Track)):
        duration_s = _contents_s(item, premiere=premiere)
    else:
        span = own_range(item)
        duration_s = None if span is None else seconds(span.duration)
    if duration_s is None:
        return None
    if premiere and (speed := speed_of(item)):
        # On the grid, for every clip may have a speed of its own.
        duration_s = clock.on_grid(duration_s / abs(speed))
    return max(duration_s, Fraction(0))


def _contents_s(item: otio.core.Item, *, premiere: bool) -> Fraction | None:
    lengths = [visible_duration_s(child, premiere=premiere) for child in item if isinstance(child, otio.core.Item)]
    known = [length for length in lengths if length is not None]
    if len(known) < len(lengths):
        return None
    return sum(known, Fraction(0)) if isinstance(item, otio.schema.Track) else max(known, default=Fraction(0))


def speed_of(item: otio.core.Item) -> Fraction | None:
    """Return the product of an item's linear time warps; None when it has another kind of time effect.

    None also for a speed beyond the limit.
    """
    speed, effects = 1.0, item.effects
    # OTIO's vectors take long to raise StopIteration, so that asking for their length first is much faster.
    for effect in islice(effects, len(effects)):
        if isinstance(effect, otio.schema.LinearTimeWarp):
            speed *= effect.time_scalar
        elif (
            isinstance(effect, otio.schema.TimeEffect)
            or table(effect.metadata, "fcp_xml").get("effectid") == "timeremap"
        ):
            return None
    # Floats in files: 0.1 means a tenth, and 0.9999999999 nothing at all.
    return Fraction(speed).limit_denominator(1_000_000) if isfinite(speed) and abs(speed) <= SPEED.most else None


def is_off(item: otio.core.Item) -> bool:
    """Return whether an item or track is switched off, also by Final Cut's own flag.

    The released FCP 7 adapter leaves `enabled` true and keeps the flag in the metadata.
    """
    return not item.enabled or str(table(item.metadata, "fcp_xml").get("enabled", "TRUE")).upper() == "FALSE"


def is_number(value: Any) -> bool:
    """Return whether a value of metadata is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def table(metadata: Any, key: str) -> Mapping[str, Any]:
    """Return the dictionary under a key of OTIO metadata; an empty one when there is none."""
    # OTIO's dictionaries take fifty times as long to say that they lack a key, or have no more, as to count and list.
    if key not in islice(metadata, len(metadata)):
        return {}
    value = metadata[key]
    return value if hasattr(value, "get") else {}


def plain(value: Any, depth: int = 50) -> Any:
    """Return OTIO metadata as plain dictionaries and lists, which live on without it; None below a depth."""
    if hasattr(value, "items"):
        # OTIO's iterators take fifty times as long to say that they have no more.
        return {key: plain(value[key], depth - 1) for key in islice(value, len(value))} if depth else None
    if isinstance(value, (otio._otio.AnyVector, list, tuple)):
        return [plain(one, depth - 1) for one in islice(value, len(value))] if depth else None
    return value
