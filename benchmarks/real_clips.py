"""Clips of real footage with the times of their true events: a folder like shared/real.

Such a folder holds events.json ({file: [seconds]}) and manifest.tsv (columns file, category, group, greatest_hits,
what_happens).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from avlink import PictureSpec
from avlink.core.values import FrameSource
from avlink.media.audio import read_audio
from avlink.media.frames import open_frames
from avlink.media.probe import probe
from avlink.metrics.music_onsets import music_onsets

_SPARSE_HZ = Fraction(5, 2)
"""Clips with more events a second are dense."""
_ONSET_RATE = 22050
_ONSET_DELTA = 0.1
_SILENCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class RealClip:
    """A clip with its words and its true events, in seconds."""

    path: Path
    words: str
    group: str
    kind: str = ""
    is_greatest_hit: bool = False
    events_s: tuple[float, ...]
    duration_s: Fraction

    @property
    def is_sparse(self) -> bool:
        """True with at most 2.5 events a second."""
        return len(self.events_s) <= _SPARSE_HZ * self.duration_s

    def frames(self, spec: PictureSpec) -> FrameSource:
        """Return its pictures as `spec` asks for them."""
        return open_frames(self.path, start_s=Fraction(0), duration_s=self.duration_s, spec=spec)

    def sound(self, sample_rate: int) -> NDArray[np.float32]:
        """Return its own sound, mono."""
        wave = read_audio(
            self.path, sample_rate=sample_rate, mono=True, start_s=Fraction(0), duration_s=self.duration_s
        )
        return wave.samples[0]


def read_real_clips(folder: Path) -> list[RealClip]:
    """Return the clips of a folder, in the order of its manifest."""
    events = json.loads((folder / "events.json").read_text("utf-8"))
    with (folder / "manifest.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        RealClip(
            path=folder / row["file"],
            words=row["what_happens"],
            group=row["group"],
            kind=row.get("category", ""),
            is_greatest_hit=row["greatest_hits"] == "1",
            events_s=tuple(events[row["file"]]),
            duration_s=length_s(folder / row["file"]),
        )
        for row in rows
        if row["file"] in events
    ]


def groups_of(clips: Sequence[RealClip]) -> dict[str, list[int]]:
    """Return the numbers of the clips by group, without groups that have none."""
    tests = {
        "all": [True for _ in clips],
        "sparse": [clip.is_sparse for clip in clips],
        "greatest_hits": [clip.is_greatest_hit for clip in clips],
        "rest": [not clip.is_greatest_hit for clip in clips],
    }
    found = {name: [k for k, member in enumerate(members) if member] for name, members in tests.items()}
    return {name: members for name, members in found.items() if members}


def length_s(path: Path) -> Fraction:
    """Return the length of a file in seconds."""
    duration_s = probe(path).duration_s
    assert duration_s is not None, path
    return Fraction(duration_s)


def heard_onsets(sound: NDArray[np.float32], sample_rate: int) -> list[float]:
    """Return the onsets of a mono sound in seconds, as a detector for music hears them."""
    whole = Fraction(_ONSET_RATE, sample_rate)
    low: NDArray[np.float64] = resample_poly(sound, whole.numerator, whole.denominator)
    if np.abs(low).max(initial=0.0) < _SILENCE:
        return []
    return [float(time) for time in music_onsets(low, delta=_ONSET_DELTA) / _ONSET_RATE]
