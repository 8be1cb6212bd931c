"""The most memory that `avlink sonify` and `avlink visualize` hold, by length. It should not depend on it."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from avlink.core.values import Waveform
from avlink.media.wave import write_float_wave
from benchmarks.figure import Figure, Wanted
from benchmarks.footage import film
from benchmarks.process import run_alone

_MIB = 2**20
_MADE_MIB_A_MINUTE = {"sonify": 48000 * 4 * 60 / _MIB, "visualize": 36 * 64 * 3 * 6 * 60 / _MIB}
_MADE = {"sonify": "the stem itself, once", "visualize": "the pictures themselves, once"}


def measure(wanted: Wanted) -> list[Figure]:
    """Peaks for three lengths, and how much each further minute adds."""
    bare = run_alone("-c", "import torch, av, opentimelineio").peak_bytes / _MIB
    return [figure for command in _MADE for figure in _of(command, wanted, bare)]


def _of(command: str, wanted: Wanted, bare: float) -> list[Figure]:
    lengths = (1, 6, 12) if wanted.quick else (5, 60, 600)
    peaks = {length: _peak_mib(command, length, wanted.model) for length in lengths}
    figures = [
        Figure(
            name=f"peak memory, avlink {command}, {length} s clip",
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
                name=f"peak memory, avlink {command}, growth from {short} to {long} s",
                value=(peaks[long] - peaks[short]) / (long - short) * 60,
                unit="MiB/min",
                baseline=_MADE_MIB_A_MINUTE[command],
                baseline_name=_MADE[command],
            )
        )
    return figures


def _peak_mib(command: str, length_s: int, model: str) -> float:
    with tempfile.TemporaryDirectory(prefix="avlink-bench-") as name:
        folder = Path(name)
        # Small pictures and one step: neither changes how memory grows with length, both change how long this takes.
        if command == "sonify":
            path = folder / "clip.mp4"
            film(path, Fraction(length_s))
        else:
            path = folder / "clip.wav"
            noise = np.random.default_rng(0).normal(0, 0.1, (1, 48000 * length_s))
            write_float_wave(path, Waveform(samples=noise.astype(np.float32), sample_rate=48000))
        done = run_alone(
            *("-m", "avlink", command, path, "--device", "cpu"),
            *("-s", "backend.options.steps=1", "-s", f'backend.options.model="{model}"'),
            environment={"AVLINK_CACHE_DIR": str(folder / "cache"), "TMPDIR": name},
        )
        return done.peak_bytes / _MIB
