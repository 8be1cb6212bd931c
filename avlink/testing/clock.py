"""Time that passes when a test says so."""

from __future__ import annotations

from math import isfinite


class FakeClock:
    """A clock that stands still, for wherever code takes its clock as an argument.

    clock = FakeClock()
    clock             # for time.monotonic: seconds since the clock was made
    clock.wall        # for time.time: seconds since 1970
    clock.sleep       # for time.sleep: goes on by so much, and returns at once
    clock.advance(5)  # five seconds later
    """

    def __init__(self, now_s: float = 0.0, *, wall_s: float = 1_000_000_000.0) -> None:
        """Begin at `now_s` of the monotonic clock, when it is `wall_s` after 1970."""
        self._now_s, self._offset_s = float(now_s), float(wall_s) - float(now_s)

    def __call__(self) -> float:
        """The monotonic clock, in seconds."""
        return self._now_s

    def wall(self) -> float:
        """The clock on the wall, in seconds since 1970."""
        return self._now_s + self._offset_s

    def advance(self, seconds: float) -> None:
        """Go on by so many seconds. Raises ValueError for less than none: no clock of ours goes back."""
        self.advance_to(self._now_s + seconds)

    def advance_to(self, now_s: float) -> None:
        """Go on to this moment of the monotonic clock. Raises ValueError for one that is past."""
        if not (isfinite(now_s) and now_s >= self._now_s):
            raise ValueError(f"a clock goes on: it is at {self._now_s:g} s and cannot be set to {now_s:g} s")
        self._now_s = float(now_s)

    def sleep(self, seconds: float) -> None:
        """Sleep, in no time: what `time.sleep` does, for who takes that as an argument."""
        self.advance(seconds)

    def set_wall(self, wall_s: float) -> None:
        """Put the clock on the wall forward or back, as people and time servers do; the monotonic one does not care."""
        self._offset_s = float(wall_s) - self._now_s
