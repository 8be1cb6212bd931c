"""A clock for tests."""

from __future__ import annotations

from math import isfinite


class FakeClock:
    """A clock that advances only when a test says so, for code that takes its clock as an argument.

    clock = FakeClock()
    clock             # for time.monotonic: seconds since the clock was made
    clock.wall        # for time.time: seconds since 1970
    clock.sleep       # for time.sleep: advances by the given time and returns at once
    clock.advance(5)  # five seconds later
    """

    def __init__(self, now_s: float = 0.0, *, wall_s: float = 1_000_000_000.0) -> None:
        """Start at `now_s` of the monotonic clock and `wall_s` seconds after 1970."""
        self._now_s, self._offset_s = float(now_s), float(wall_s) - float(now_s)

    def __call__(self) -> float:
        """Return the monotonic time in seconds."""
        return self._now_s

    def wall(self) -> float:
        """Return the wall time in seconds since 1970."""
        return self._now_s + self._offset_s

    def advance(self, seconds: float) -> None:
        """Advance by the given seconds. Raises ValueError for negative ones."""
        self.advance_to(self._now_s + seconds)

    def advance_to(self, now_s: float) -> None:
        """Advance to the given monotonic time. Raises ValueError for a time in the past."""
        if not (isfinite(now_s) and now_s >= self._now_s):
            raise ValueError(f"a clock goes on: it is at {self._now_s:g} s and cannot be set to {now_s:g} s")
        self._now_s = float(now_s)

    def sleep(self, seconds: float) -> None:
        """Advance by the given seconds, in place of `time.sleep`."""
        self.advance(seconds)

    def set_wall(self, wall_s: float) -> None:
        """Set the wall time, as users and time servers do; the monotonic time does not change."""
        self._offset_s = float(wall_s) - self._now_s
