"""Progress of a preparation, with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable

from avlink.core.events import Listener, StepDone


def step_counter(job: str, total: int, listener: Listener) -> Callable[[int], None]:
    """Return a function that adds a number of steps to those done, and tells `listener` the time left for `total`."""
    begun_s, done = time.monotonic(), 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        left_s = (total - done) / done * (time.monotonic() - begun_s)
        listener(StepDone(job_id=job, done=done, total=total, note=f"{format_duration(left_s)} left"))

    return add


def format_duration(seconds: float) -> str:
    """Return a duration in one unit, rounded."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
