"""The time of whole commands: `avlink --help`, and `avlink sonify` on one movie, from the first import to the file."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from benchmarks.figure import Figure, Wanted
from benchmarks.footage import film
from benchmarks.process import ROOT, run_alone
from benchmarks.stopwatch import fastest, seconds


def measure(wanted: Wanted) -> list[Figure]:
    """Wall time of the whole process."""
    ask, nothing = _command("-m", "avlink", "--help"), _command("-c", "pass")
    seconds(ask)  # Files come from the disk, and modules are compiled.
    wall_s, bare_s = fastest(ask, nothing, rounds=2 if wanted.quick else 10)
    help_s = Figure(
        name="avlink --help",
        value=wall_s,
        unit="s",
        baseline=bare_s,
        baseline_name="python -c pass",
        at_most=0.5,
    )
    return [help_s, *_sonify(wanted, Fraction(2 if wanted.quick else 20), rounds=1 if wanted.quick else 3)]


def _sonify(wanted: Wanted, duration_s: Fraction, rounds: int) -> list[Figure]:
    """Medians for a 1080p movie: with an empty cache, and with the sound of the run before in it."""
    made, again, bare = [], [], []
    with tempfile.TemporaryDirectory(prefix="avlink-bench-") as name:
        folder = Path(name)
        film(folder / "clip.mp4", duration_s, scale=10, enlarge=3)
        settings = [part for override in wanted.overrides for part in ("-s", override)]
        for number in range(rounds):
            command = ("-m", "avlink", "sonify", folder / "clip.mp4", "-o", folder / f"{number}.mp4", *settings)
            cache = {"AVLINK_CACHE_DIR": str(folder / f"cache{number}")}
            made.append(run_alone(*command, environment=cache).wall_s)
            again.append(run_alone(*command, environment=cache).wall_s)
            bare.append(run_alone("-c", "import torch, av, opentimelineio").wall_s)
    title = f"avlink sonify, {float(duration_s):g} s of 1080p"
    return [
        Figure(
            name=name,
            value=statistics.median(times),
            unit="s",
            baseline=statistics.median(bare),
            baseline_name="importing the libraries",
        )
        for name, times in ((title, made), (f"{title}, made before", again))
    ]


def _command(*arguments: str) -> Callable[[], object]:
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
