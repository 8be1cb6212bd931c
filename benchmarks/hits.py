"""Hits on real footage: spotters and stems of the sound library against the events of clips, less chance.

The clips are those of `--footage`, or of shared/real, and the sounds those of `--sounds`, or of shared/sounds, beside
the checkout, which quick runs leave alone. Without them there are clips of the foundry and generated sounds, whose
figures say little of real footage. Chance is that of eight circular shifts. The words of a clip are its prompt; the
library is read into a folder that goes again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from avlink_library.generator import LibraryGenerator
from avlink_library.options import LibraryOptions

from avlink import Hit, HitSpotter, Prompt, SoundRequest, read_whole
from avlink.core.events import ignore
from avlink.core.values import Frames
from avlink.foundry.generate import make_clips
from avlink.hooks import ReadySpotter, load_registry
from avlink.library.libraries import add_library
from avlink.media.movie import write_video
from avlink.metrics.gain import bootstrap_mean, onset_gain
from benchmarks.figure import Figure, Wanted
from benchmarks.library import make_sounds
from benchmarks.real_clips import RealClip, groups_of, heard_onsets, length_s, read_real_clips

SPOTTERS = ("motion-stem", "motion-peaks")
_WINDOWS_S = (0.05, 0.1)


def measure(wanted: Wanted) -> list[Figure]:
    """F1 beside chance at 50 and 100 ms: of each spotter, and of library stems on true and on spotted hits."""
    with tempfile.TemporaryDirectory(prefix="avlink-bench-") as name:
        folder = Path(name)
        os.environ["AVLINK_DATA_DIR"] = str(folder / "data")
        footage = wanted.footage or wanted.shared("real")
        clips = _foundry_clips(folder, 2 if wanted.quick else 6) if footage is None else read_real_clips(footage)
        # Recordings for the words of real clips; generated ones for "metal hit".
        sounds = wanted.sounds or (None if footage is None else wanted.shared("sounds"))
        if sounds is None:
            sounds = folder / "sounds"
            make_sounds(sounds, 12)
        add_library(sounds, "bench", ignore)
        loaded = {spotter: _load(spotter) for spotter in SPOTTERS}
        figures = []
        for spotter, spots in loaded.items():
            figures += _scored(f"spotter {spotter}", clips, [_spotted(clip, spots) for clip in clips])
        stems = LibraryGenerator(LibraryOptions(), loaded["motion-stem"], None)
        told = [_heard(clip, stems, clip.events_s) for clip in clips]
        figures += _scored("library stems, true events", clips, told)
        return figures + _scored("library stems, spotted hits", clips, [_heard(clip, stems, None) for clip in clips])


def _foundry_clips(folder: Path, count: int) -> list[RealClip]:
    clips = make_clips(range(5000, 5000 + count), split="held_out")
    found = []
    for number, info in enumerate(clips.clips):
        path = folder / f"{number}.mp4"
        write_video(path, Frames(pixels=clips.frames[number].cpu().numpy(), rate=Fraction(24)), scale=4)
        found.append(
            RealClip(
                path=path,
                # Those of the sounds that stand in for a library.
                words="metal hit",
                group=info.group,
                is_greatest_hit=False,
                events_s=tuple(event.time_s for event in info.events),
                duration_s=length_s(path),
            )
        )
    return found


def _load(name: str) -> HitSpotter:
    spotter = load_registry().spotter(name)
    return ReadySpotter(spotter=spotter, options=spotter.options()).load("cpu")


def _spotted(clip: RealClip, spotter: HitSpotter) -> list[float]:
    return [float(hit.time_s) for hit in spotter.spot(clip.frames(spotter.picture))]


def _heard(clip: RealClip, generator: LibraryGenerator, events_s: Sequence[float] | None) -> list[float]:
    """Return the onsets of a stem, in seconds, as a detector for music hears them."""
    hits = (
        None
        if events_s is None
        else tuple(Hit(time_s=Fraction(time_s).limit_denominator(10**6)) for time_s in events_s)
    )
    request = SoundRequest(
        frames=clip.frames(generator.picture),
        duration_s=clip.duration_s,
        prompt=Prompt(text=clip.words),
        seed=1,
        hits=hits,
    )
    sound = read_whole(generator.generate([request])[0])
    return heard_onsets(sound.samples[0], sound.sample_rate)


def _scored(name: str, clips: Sequence[RealClip], found: Sequence[Sequence[float]]) -> list[Figure]:
    """Return F1 beside chance over all clips and by group, and the gain with its 90 % interval over all."""
    groups = groups_of(clips)
    for group in sorted({clip.group for clip in clips}):
        groups[group] = [k for k, clip in enumerate(clips) if clip.group == group]
    figures = []
    for group, members in groups.items():
        for window_s in _WINDOWS_S:
            gains = [
                onset_gain(clips[k].events_s, found[k], length_s=float(clips[k].duration_s), window_s=window_s)
                for k in members
            ]
            within = ""
            if group == "all":
                gain = bootstrap_mean([one.gain for one in gains])
                within = f", gain {gain.mean:.2f} [{gain.low:.2f}, {gain.high:.2f}]"
            figures.append(
                Figure(
                    name=f"{name}, {group} ({len(members)}), {window_s * 1000:.0f} ms{within}",
                    value=_mean(one.f1 for one in gains),
                    unit="F1",
                    baseline=_mean(one.chance for one in gains),
                    baseline_name="chance",
                )
            )
    return figures


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
