"""Timebase of edit decision lists: their frame rate and drop-frame, in which sources may differ from the record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from avlink.timeline.formats.edl_grammar import EdlError, EdlLine, EdlList
from avlink.timeline.timecode import can_drop, frames_of_timecode


@dataclass(frozen=True, slots=True, kw_only=True)
class EdlTimebase:
    """The timebase of an EDL. `guessed` when its rate is stated nowhere."""

    rate: Fraction
    drop_frame: bool
    guessed: bool


def edl_timebase(lists: Sequence[EdlList], rate: Fraction | None = None) -> EdlTimebase:
    """Return the timebase of a file, at `rate` where that is known.

    Otherwise it is the lowest common rate that has all of its frame numbers, and 30000/1001 for drop-frame.
    """
    times = [time for one in lists for line in one.lines for time in line.times]
    drops = any(line.drop_frame for one in lists for line in one.lines) or any(map(_is_marked, times))
    if rate is not None:
        return EdlTimebase(rate=rate, drop_frame=drops, guessed=False)
    # An EDL states no rate. The highest frame number only rules out those at or below it.
    highest = max((int(re.split(r"[:;.,]", time)[3]) for time in times if not time.isdecimal()), default=0)
    whole = next((one for one in (24, 25, 30, 50) if highest < one), 60)
    if drops:
        return EdlTimebase(rate=Fraction(30000 if highest < 30 else 60000, 1001), drop_frame=True, guessed=True)
    return EdlTimebase(rate=Fraction(whole), drop_frame=False, guessed=True)


def counts_in_drop_frame(one: EdlList) -> bool:
    """Return whether the record side of a list counts in drop-frame.

    A master has one way to count throughout: signs in its record times tell, else the first FCM line. Later ones are
    those of sources.
    """
    records = [time for line in one.lines for time in line.times[2:]]
    return any(map(_is_marked, records)) or bool(one.drop_frame)


class EdlClock:
    """Frames of the timecodes of one list at a rate. `day` is the number of frames of 24 hours."""

    def __init__(self, one: EdlList, rate: Fraction) -> None:
        self._rate = rate
        self._drops = counts_in_drop_frame(one)
        # Lists that mark drop-frame by a sign mean non-drop by its absence.
        self._is_signed = any(_is_marked(time) for line in one.lines for time in line.times)
        self.day = self.record_frame("24:00:00:00")

    def record_frame(self, time: str) -> int:
        """Return the frames from midnight to a record time. Raises ValueError for one that the rate does not have."""
        return self._frame(time, drops=self._drops)

    def source_frame(self, line: EdlLine, time: str) -> int:
        """Return the frames from midnight to a time of the source of a line. Raises ValueError in the same way."""
        if self._is_signed:
            return self._frame(time, drops=_is_marked(time))
        return self._frame(time, drops=self._drops if line.drop_frame is None else line.drop_frame)

    def times(self, line: EdlLine) -> tuple[int, int, int, int]:
        """Return source in and out, record in and out of a line in frames. Raises EdlError."""
        source_in, source_out, record_in, record_out = line.times
        try:
            source = self.source_frame(line, source_in), self.source_frame(line, source_out)
            return *source, self.record_frame(record_in), self.record_frame(record_out)
        except ValueError as error:
            raise EdlError(line.line, f"{error}; --rate names the rate of a list") from error

    def _frame(self, time: str, *, drops: bool) -> int:
        if time.isdecimal():
            return int(time)
        *first, last = re.split(r"[:;.,]", time)
        sign = ";" if drops and can_drop(self._rate) else ":"
        try:
            return frames_of_timecode(":".join(part.zfill(2) for part in first) + sign + last.zfill(2), self._rate)
        except ValueError:
            raise ValueError(f"'{time}' is no timecode at {float(self._rate):g} frames per second") from None


def _is_marked(time: str) -> bool:
    """Return whether a timecode has the sign of drop-frame before its frames."""
    signs = re.findall(r"[:;.,]", time)
    return bool(signs) and (signs[-1] == ";" or (signs[-1] in ".," and signs[0] == ":"))
