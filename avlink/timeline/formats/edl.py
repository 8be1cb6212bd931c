"""Edit decision lists: the frame rate, drop-frame and start time that OTIO's adapter does not find in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

from avlink.timeline.item import seconds

_TIMECODE = re.compile(r"\b\d{2}:\d{2}:\d{2}([:;])(\d{2})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlTimebase:
    """The timebase of an EDL. `guessed` when its rate is stated nowhere."""

    rate: Fraction
    drop_frame: bool
    guessed: bool


def edl_timebase(text: str, rate: Fraction | None = None) -> EdlTimebase:
    """Return the timebase of an EDL, at `rate` where that is known.

    Otherwise it is the lowest common rate that has all of its frame numbers, and 30000/1001 for drop-frame.
    """
    found = [(match[1], int(match[2])) for match in _TIMECODE.finditer(text)]
    drops = re.search(r"^FCM:\s*DROP", text, re.MULTILINE) is not None or any(sign == ";" for sign, _ in found)
    if rate is not None:
        return EdlTimebase(rate=rate, drop_frame=drops, guessed=False)
    # An EDL states no rate. The highest frame number only rules out those at or below it.
    highest = max((frame for _, frame in found), default=0)
    whole = next((one for one in (24, 25, 30, 50) if highest < one), 60)
    if drops:
        return EdlTimebase(rate=Fraction(30000 if highest < 30 else 60000, 1001), drop_frame=True, guessed=True)
    return EdlTimebase(rate=Fraction(whole), drop_frame=False, guessed=True)


def with_drop_frame_signs(text: str) -> str:
    """Return an EDL whose drop-frame timecodes have a `;`, as OTIO's adapter wants them.

    Many programs say it once, in a line "FCM: DROP FRAME", which holds until the next of its kind, and write colons.
    """
    drops, lines = False, []
    for line in text.splitlines():
        said = re.match(r"FCM:\s*(NON)?", line)
        drops = drops if said is None else said[1] is None
        lines.append(re.sub(r"\b(\d{2}:\d{2}:\d{2}):(\d{2})\b", r"\1;\2", line) if drops else line)
    return "\n".join(lines) + "\n"


def fix_record_times(timeline: otio.schema.Timeline) -> None:
    """Turn record times in track ranges into a start time of the timeline, in place.

    The EDL reader gives every track a source range that starts at minus the record time, by which all of its clips
    count as trimmed away, and leaves the timeline's own start unset.
    """
    starts = {}
    # Tracks of one EDL may start at different times; the earliest is that of the timeline.
    for index, track in enumerate(timeline.tracks):
        span = track.source_range
        if isinstance(track, otio.schema.Track) and span is not None and (seconds(span.start_time) or 0) < 0:
            starts[index] = -span.start_time
    if not starts:
        return
    base = min(starts.values())
    for index, start in starts.items():
        track = timeline.tracks[index]
        track.source_range = None
        if start > base:
            track.insert(0, otio.schema.Gap(duration=start - base))
    if timeline.global_start_time is None or not timeline.global_start_time.value:
        timeline.global_start_time = base
