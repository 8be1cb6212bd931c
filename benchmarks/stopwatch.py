"""Timing two things side by side, so that what else the machine does hits both."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes once."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of `work`, once: other load on the machine hardly changes it."""
    began = time.process_time()
    work()
    return time.process_time() - began


def fastest(*works: Callable[[], object], rounds: int) -> list[float]:
    """The shortest time of each of `works`, which take turns."""
    times = [[seconds(work) for work in works] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]
