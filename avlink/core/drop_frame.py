"""Whether a project counts its frames in drop-frame timecode, which next to no format says.

SMPTE ST 12-1: at 30000/1001 and 60000/1001 the first two or four frame numbers of a minute are left out, except every
tenth minute. The stamp of Broadcast Wave counts samples and needs no answer; what people read does.
"""

from __future__ import annotations

from fractions import Fraction

from avlink.core import clock


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
