"""What one item of a track says of itself: how long it lasts, at which speed, whether it is on, where its media is.

Every convention of an editing program that differs from OTIO's own is written here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from avlink.core import clock
from avlink.timeline.values import MediaRef


def own_range(item: otio.core.Item) -> otio.opentime.TimeRange | None:
    """The range that an item plays: its own, else all of its media or contents; None when neither is told."""
    if item.source_range is not None:
        return item.source_range
    try:
        return item.available_range()
    except (otio.exceptions.OTIOError, ValueError):
        if not isinstance(item, otio.schema.Clip):
            return None
    refs = item.media_references().values()
    return next((ref.available_range for ref in refs if ref.available_range is not None), None)


def seconds(time: otio.opentime.RationalTime) -> Fraction | None:
    """Exact seconds; None for what is no time: rate 0 (titles of some exports), infinite or no number."""
    try:
        return clock.exact_time(time.value, time.rate)
    except (ValueError, OverflowError):
        return None


def visible_duration_s(item: otio.core.Item, *, premiere: bool) -> Fraction | None:
    """How long an item lasts on its track; None when that cannot be known.

    Time warps change no duration in OTIO, EDL and Resolve. Premiere writes the length of the media instead, so that
    what is seen lasts as long as that divided by the speed.
    """
    span = own_range(item)
    duration_s = None if span is None else seconds(span.duration)
    if duration_s is None:
        return None
    speed = warp(item)
    if premiere and speed:
        duration_s /= abs(Fraction(speed).limit_denominator(1_000_000))
    return max(duration_s, Fraction(0))


def warp(item: otio.core.Item) -> float | None:
    """The product of an item's linear time warps; None when it has another kind of time effect."""
    speed = 1.0
    for effect in item.effects:
        if isinstance(effect, otio.schema.LinearTimeWarp):
            speed *= effect.time_scalar
        elif (
            isinstance(effect, otio.schema.TimeEffect)
            or table(effect.metadata, "fcp_xml").get("effectid") == "timeremap"
        ):
            return None
    return speed


def is_off(item: otio.core.Item) -> bool:
    """Whether an item or track is switched off, also by Final Cut's own flag.

    The released FCP 7 adapter leaves `enabled` true and keeps the flag in the metadata.
    """
    return not item.enabled or str(table(item.metadata, "fcp_xml").get("enabled", "TRUE")).upper() == "FALSE"


def why_not(item: otio.core.Item) -> str | None:
    """The sentence for an item that cannot get sound whatever its media is; None when it can."""
    if is_off(item):
        return "is switched off"
    if isinstance(item, (otio.schema.Stack, otio.schema.Track)):
        return "is a nested sequence, which this version does not open; flatten it in the editing program"
    if not isinstance(item, otio.schema.Clip):
        return f"is a {type(item).__name__}, which holds no media"
    speed = warp(item)
    if speed is None:
        return "is retimed over time (a time remap or a speed ramp), for which this version makes no sound"
    if speed == 0:
        return "is a freeze frame, in which nothing moves"
    if speed != 1.0:
        return f"plays at {speed * 100:g} % speed; this version makes sound for clips at their own speed only"
    return None


def media_refs(clip: otio.schema.Clip) -> tuple[MediaRef, ...]:
    """All media references of a clip, the active one first, the others by key."""
    refs = clip.media_references()
    active = clip.active_media_reference_key
    return tuple(_media_ref(key, refs[key]) for key in sorted(refs, key=lambda key: (key != active, key)))


def words(clip: otio.schema.Clip) -> tuple[str | None, str | None]:
    """What the project itself asks for in metadata["avlink"]: prompt and negative prompt, None where it is silent."""
    said = table(clip.metadata, "avlink")
    text, negative = said.get("prompt"), said.get("negative")
    return (None if text is None else str(text), None if negative is None else str(negative))


def table(metadata: Any, key: str) -> Mapping[str, Any]:
    """The dictionary under a key of OTIO metadata; an empty one when there is none."""
    value = metadata.get(key)
    return value if hasattr(value, "get") else {}


def _media_ref(key: str, ref: otio.core.MediaReference) -> MediaRef:
    span = ref.available_range
    start_s = None if span is None else seconds(span.start_time)
    duration_s = None if span is None else seconds(span.duration)
    if isinstance(ref, otio.schema.ExternalReference):
        return MediaRef(key=key, kind="file", url=ref.target_url or "", start_s=start_s, duration_s=duration_s)
    if isinstance(ref, otio.schema.ImageSequenceReference):
        return MediaRef(key=key, kind="images", url=ref.target_url_base or "", start_s=start_s, duration_s=duration_s)
    return MediaRef(key=key, kind="generator" if isinstance(ref, otio.schema.GeneratorReference) else "missing")
