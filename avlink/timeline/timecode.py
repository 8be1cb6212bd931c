"""Timecode: frame counts as "hh:mm:ss:ff", and the time of day that Broadcast Wave stamps carry.

A timecode names frames, not seconds: an hour of it at 24000/1001 lasts 3603.6 s. OTIO's own conversion refuses
literal rates such as 29.97 and drop-frame text at whole rates; real files have both.
"""

from __future__ import annotations

import re
from fractions import Fraction

from avlink.core import clock

_TIMECODE = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})([:;.,])(\d{2,3})")


def frames_of_timecode(text: str, rate: Fraction) -> int:
    """The number of frames from midnight to a timecode; a `;` or `.` before the frames means drop-frame.

    Raises ValueError for text that is no timecode, and for frames that the rate does not have.
    """
    found = _TIMECODE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no timecode; write hh:mm:ss:ff")
    hours, minutes, seconds, frames = int(found[1]), int(found[2]), int(found[3]), int(found[5])
    base = nominal_rate(rate)
    if frames >= base or seconds > 59 or minutes > 59:
        raise ValueError(f"{text!r} is no timecode at {float(rate):g} frames per second")
    count = ((hours * 60 + minutes) * 60 + seconds) * base + frames
    if found[4] in ";." and can_drop(rate):
        total_minutes = hours * 60 + minutes
        count -= _dropped_per_minute(base) * (total_minutes - total_minutes // 10)
    return count


def timecode_of_frames(frames: int, rate: Fraction, *, drop: bool = False) -> str:
    """The timecode of a frame counted from midnight, wrapped at 24 hours."""
    base = nominal_rate(rate)
    drop = drop and can_drop(rate)
    if drop:
        dropped = _dropped_per_minute(base)
        per_ten, per_minute = base * 600 - 9 * dropped, base * 60 - dropped
        tens, rest = divmod(frames % (per_ten * 144), per_ten)
        # The first minute of ten drops nothing, so it is longer than the other nine by `dropped`.
        frames = tens * base * 600 + rest + dropped * max(0, (rest - dropped) // per_minute)
    seconds, frame = divmod(frames % (base * 86400), base)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{';' if drop else ':'}{frame:02}"


def nominal_rate(rate: Fraction) -> int:
    """Frames that a timecode counts per second: 24 for 24000/1001."""
    return max(1, clock.to_index(rate, 1))


def time_reference(origin_s: Fraction, timeline_start_s: Fraction, sample_rate: int) -> int:
    """Samples from midnight to a place of the timeline, for the `bext` chunk.

    `origin_s` is the real time from midnight to the timeline's start, frames divided by their exact rate:
    01:00:00:00 at 24000/1001 is 172972800 samples at 48 kHz, 01:00:00;00 at 30000/1001 is 172799827.
    """
    return max(0, clock.to_index(origin_s + timeline_start_s, sample_rate))


def can_drop(rate: Fraction) -> bool:
    """Whether drop-frame timecode exists at this rate: 30000/1001 and its multiples."""
    return rate.denominator == 1001 and clock.to_index(rate, 1) % 30 == 0


def starts_in_drop_frame(start_s: Fraction, rate: Fraction) -> bool:
    """Whether a timeline that starts so long after midnight is more likely counted in drop-frame.

    People start at whole seconds of their own count: at 30000/1001 frame 107892 is 01:00:00;00, and 00:59:56:12
    otherwise. Where that says nothing, OTIO's own rule for these rates holds, which is drop-frame; a start at midnight,
    or none, is not counted so.
    """
    frames = clock.to_index(start_s, rate)
    if not can_drop(rate) or frames <= 0:
        return False
    base = clock.to_index(rate, 1)
    dropped = base // 15
    rest = frames % (base * 600 - 9 * dropped)
    number = rest + dropped * max(0, (rest - dropped) // (base * 60 - dropped))
    return number % base == 0 or frames % base != 0


def _dropped_per_minute(base: int) -> int:
    return base // 15
