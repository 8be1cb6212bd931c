"""Edit decision lists as text, and their clips in frames."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio as otio

from avlink.core.clock import exact_rate
from avlink.timeline.formats.edl import EdlFile, read_edl
from avlink.timeline.values import ClipRef
from avlink.timeline.walk import list_clips


def edl(body: str, *, rate: float = 24, title: str = "") -> EdlFile:
    """Read the lines of a list."""
    return read_edl(f"TITLE: cut\n{body}".encode(), rate=exact_rate(rate), title=title)


def timeline_of(body: str, *, rate: float = 24) -> otio.schema.Timeline:
    (timeline,) = edl(body, rate=rate).timelines
    return timeline


def pictures(body: str, *, rate: float = 24) -> list[tuple[str, Fraction, Fraction, Fraction, Fraction]]:
    """Name, start, end, earliest frame of the media and speed of all clips on picture tracks, in frames."""
    frames = exact_rate(rate)
    return [
        (
            one.name,
            one.timeline_start_s * frames,
            one.timeline_end_s * frames,
            one.source_low_s * frames,
            one.speed,
        )
        for one in list_clips(timeline_of(body, rate=rate))
        if isinstance(one, ClipRef)
    ]


def line(number: int, source: tuple[str, str], record: tuple[str, str], name: str = "", **given: str) -> str:
    """One event with a clip name. Times lack their hour, which is 0 in the source and 1 in the record."""
    reel, channel, type = given.get("reel", "AX"), given.get("channel", "V"), given.get("type", "C")
    times = [f"00:{time}" for time in source] + [f"01:{time}" for time in record]
    comment = f"* FROM CLIP NAME: {name}\n" if name else ""
    return f"{number:03d}  {reel:<8} {channel:<5} {type:<8} {' '.join(times)}\n{comment}"


SHOT = line(1, ("00:01:00", "00:03:00"), ("00:00:00", "00:02:00"), "a")
NEXT = line(2, ("00:10:00", "00:12:00"), ("00:02:00", "00:04:00"), "b")
