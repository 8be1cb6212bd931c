"""The most memory that `avlink sonify` holds, by the length of the clip. It should not depend on it."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from benchmarks.figure import Figure, Wanted
from benchmarks.footage import film
from benchmarks.process import run_alone

_MIB = 2**20
_SOUND_MIB_A_MINUTE = 48000 * 4 * 60 / _MIB


def measure(wanted: Wanted) -> list[Figure]:
    """Peaks for three lengths, and how much each further minute adds."""
    lengths = (1, 6, 12) if wanted.quick else (5, 60, 600)
    bare = run_alone("-c", "import torch, av, opentimelineio").peak_bytes / _MIB
    peaks = {length: _peak_mib(length, wanted.model) for length in lengths}
    figures = [
        Figure(
            name=f"peak memory, avlink sonify, {length} s clip",
            value=peak,
            unit="MiB",
            baseline=bare,
            baseline_name="importing the libraries",
        )
        for length, peak in peaks.items()
    ]
    for short, long in pairwise(lengths):
        figures.append(
            Figure(
                name=f"peak memory, growth from {short} to {long} s",
                value=(peaks[long] - peaks[short]) / (long - short) * 60,
                unit="MiB/min",
                baseline=_SOUND_MIB_A_MINUTE,
                baseline_name="the stem itself, once",
            )
        )
    return figures


def _peak_mib(length_s: int, model: str) -> float:
    with tempfile.TemporaryDirectory(prefix="avlink-bench-") as name:
        folder = Path(name)
        # Small pictures and one step: neither changes how memory grows with length, both change how long this takes.
        film(folder / "clip.mp4", Fraction(length_s))
        done = run_alone(
            *("-m", "avlink", "sonify", folder / "clip.mp4", "--device", "cpu"),
            *("-s", "backend.options.steps=1", "-s", f'backend.options.model="{model}"'),
            environment={"AVLINK_CACHE_DIR": str(folder / "cache"), "TMPDIR": name},
        )
        return done.peak_bytes / _MIB
