"""Clips of sound alone out of a sound library: hits of one object at times of their own, or a stretch of what goes on.

A share of them is the sound of clips of the foundry, as its contacts sound with hits of the library.

Clip k of a split is a function of the seed `data.seed` + k and of the library. Objects are drawn evenly, whatever the
number of their recordings, and groups of objects nearly so: a hundred cymbals count as much as ten doors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlink.core.errors import InputError, MediaError
from avlink.core.events import Listener
from avlink.core.recipe.data import LibraryData
from avlink.foundry import make_sound
from avlink.foundry.recordings import draw_group
from avlink.library.values import Sound
from avlink.media.audio import read_audio
from avlink.training.data.foundry import foundry_labels
from avlink.training.data.index import ClipLabels
from avlink.training.data.making import make_shards, missing_shards
from avlink.training.data.recordings import (
    Split,
    captions_of,
    cut_hits,
    family_of,
    group_of,
    recorded_hits,
    sounds_of,
)

_SHARD_CLIPS = 50
_STREAMS: dict[Split, int] = {"train": 11, "held_out": 12}
_MEAN_HITS, _GAP_S, _RHYTHM = 3.0, 0.15, 0.4
"""Hits beyond the first, their least distance, and the share of clips in which they are regular."""
_QUIETEST_DB = -24.0
_LEVEL_DB = (-26.0, -8.0)
"""Root mean square of a stretch."""
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _LibraryJob:
    """One shard of `root`."""

    root: Path
    number: int
    seeds: tuple[int, ...]
    split: Split
    data: LibraryData
    rate: int
    samples: int


def prepare_library(data: LibraryData, rate: int, samples: int, root: Path, listener: Listener) -> None:
    """Make all missing shards in `root`/train and `root`/held_out, of clips of `samples` at `rate` a second.

    Raises InputError for a library that is not there or has no sounds.
    """
    jobs: list[_LibraryJob] = []
    counts: dict[Split, int] = {"train": data.clips, "held_out": data.held_out}
    for split, count in counts.items():
        # At once, rather than by the first process.
        sounds_of(data.library, split)
        jobs += [
            _LibraryJob(
                root=root / split,
                number=number,
                seeds=tuple(data.seed + clip for clip in clips),
                split=split,
                data=data,
                rate=rate,
                samples=samples,
            )
            for number, clips in missing_shards(root / split, count, _SHARD_CLIPS)
        ]
    make_shards(jobs, _make_shard, listener, "clips of the sound library", cost=lambda job: len(job.seeds))


def _make_shard(job: _LibraryJob) -> int:
    from avlink.training.data.clips import ClipStore

    made = [_clip(job, seed) for seed in job.seeds]
    # Stages that read such clips want no pictures; a column of one dark pixel takes their place.
    frames = np.zeros((len(made), 1, 1, 1, 3), np.uint8)
    ClipStore.write_shard(
        job.root, job.number, frames, np.stack([sound for sound, _ in made]), [one for _, one in made]
    )
    return len(made)


def _clip(job: _LibraryJob, seed: int) -> tuple[NDArray[np.float32], ClipLabels]:
    # A stream of its own: other clips stay as they are, whatever the share.
    drawn = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_STREAMS[job.split], seed, 1]))).random()
    if drawn >= job.data.foundry:
        return library_clip(job.data.library, seed, split=job.split, rate=job.rate, samples=job.samples)
    hits = recorded_hits(job.data.library, job.rate, job.split)
    sound, info = make_sound(seed, split=job.split, rate=job.rate, recordings=hits, named=job.data.named)
    heard = np.zeros(job.samples, np.float32)
    heard[: len(sound)] = sound[: job.samples].numpy()
    return heard, foundry_labels(info)


def library_clip(
    library: str, seed: int, *, split: Split, rate: int, samples: int
) -> tuple[NDArray[np.float32], ClipLabels]:
    """Return one clip in [-1, 1] and its labels: its words, and its hits as (seconds, kind, strength)."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_STREAMS[split], seed])))
    groups = _groups(library, split)
    for _ in range(_ATTEMPTS):
        group = groups[draw_group(rng, groups)]
        family = group[int(rng.integers(len(group)))]
        sound = family[int(rng.integers(len(family)))]
        try:
            if sound.analysis.kind in ("loop", "bed"):
                return _stretch(sound, rng, rate, samples), _labels(sound, rng, ())
            made = _hits(family, rng, rate, samples)
        except MediaError:
            continue
        if made is not None:
            return made[0], _labels(sound, rng, made[1])
    raise InputError(f"the sound library '{library}' has too few sounds that can be read; see `avlink library check`")


@lru_cache(maxsize=4)
def _groups(library: str, split: Split) -> Sequence[Sequence[Sequence[Sound]]]:
    """Return the sounds of a library by group and by family."""
    found: dict[str, dict[tuple[str, str], list[Sound]]] = {}
    for sound in sounds_of(library, split):
        kind = "long" if sound.analysis.kind in ("loop", "bed") else "hits"
        found.setdefault(group_of(sound), {}).setdefault((family_of(sound), kind), []).append(sound)
    return [list(families.values()) for families in found.values()]


def _hits(
    family: Sequence[Sound], rng: np.random.Generator, rate: int, samples: int
) -> tuple[NDArray[np.float32], tuple[tuple[float, str, float], ...]] | None:
    """Return hits of a family and their events; None if it has no clear hit."""
    chosen = [family[int(k)] for k in rng.permutation(len(family))[:4]]
    hits = [hit for sound in chosen for hit in cut_hits(sound, rate)]
    if not hits:
        return None
    out = np.zeros(samples, np.float32)
    events = []
    for time_s in _times(rng, samples / rate):
        hit = hits[int(rng.integers(len(hits)))]
        strength = float(rng.uniform(0.1, 1.0))
        begin = round(time_s * rate) - hit.attack
        part = hit.samples[max(0, -begin) : max(0, samples - begin)]
        out[max(0, begin) : max(0, begin) + len(part)] += part * 10 ** (_QUIETEST_DB * (1 - strength) / 20)
        events.append((time_s, "hit", strength))
    return out / max(1.0, float(np.abs(out).max())) * 10 ** (rng.uniform(-9, -1) / 20), tuple(events)


def _times(rng: np.random.Generator, length_s: float) -> list[float]:
    count = 1 + int(rng.poisson(_MEAN_HITS))
    if rng.random() < _RHYTHM:
        step_s = float(rng.uniform(0.25, 1.2))
        times = rng.uniform(0.1, step_s) + step_s * np.arange(count) + rng.normal(0, 0.01, count)
    else:
        times = np.sort(rng.uniform(0.1, length_s - 0.1, count))
    kept: list[float] = []
    for time_s in times.tolist():
        if 0.05 < time_s < length_s - 0.1 and (not kept or time_s - kept[-1] >= _GAP_S):
            kept.append(time_s)
    return kept or [length_s / 3]


def _stretch(sound: Sound, rng: np.random.Generator, rate: int, samples: int) -> NDArray[np.float32]:
    """Return a stretch of a continuous sound at a level of its own; a shorter one is followed by silence."""
    room_s = max(Fraction(0), sound.analysis.length_s - Fraction(samples, rate))
    start_s = Fraction(float(rng.random())).limit_denominator(10**6) * room_s
    wave = read_audio(sound.path, sample_rate=rate, start_s=start_s, duration_s=Fraction(samples, rate)).samples[0]
    loud = float(np.sqrt(np.mean(np.square(wave))))
    gain = 10 ** (rng.uniform(*_LEVEL_DB) / 20) / max(loud, 1e-5)
    return wave * np.float32(min(gain, 1 / max(1e-5, float(np.abs(wave).max()))))


def _labels(sound: Sound, rng: np.random.Generator, events: tuple[tuple[float, str, float], ...]) -> ClipLabels:
    captions = captions_of(sound) or ("",)
    return ClipLabels(caption=captions[int(rng.integers(len(captions)))], events=events)
