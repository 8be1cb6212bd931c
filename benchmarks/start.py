"""The time of `avlink --help`, against an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmarks.figure import Figure, Wanted
from benchmarks.process import ROOT
from benchmarks.stopwatch import fastest, seconds


def measure(wanted: Wanted) -> list[Figure]:
    """Wall time of the whole process."""
    ask, nothing = _command("-m", "avlink", "--help"), _command("-c", "pass")
    seconds(ask)  # Files come from the disk, and modules are compiled.
    wall_s, bare_s = fastest(ask, nothing, rounds=2 if wanted.quick else 10)
    return [
        Figure(
            name="avlink --help",
            value=wall_s,
            unit="s",
            baseline=bare_s,
            baseline_name="python -c pass",
            at_most=0.5,
        )
    ]


def _command(*arguments: str) -> Callable[[], object]:
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
