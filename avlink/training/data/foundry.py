"""Training clips and stills that the foundry makes, on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from avlink.core.errors import RecipeError
from avlink.core.events import Listener
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import FoundryData, PhysicsData
from avlink.training.data.index import ClipLabels
from avlink.training.data.making import make_shards, missing_shards
from avlink.training.data.physics import physics_fps

HELD_OUT_STILLS = 2000
"""The most stills on which the appearance stage is validated."""

_SHARD_CLIPS, _SHARD_STILLS = 50, 1000
_STILLS_A_CLIP = 50
"""So many stills are made as fast as a clip."""

_BATCH = 5
_FOUNDRY_FPS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class _FoundryJob:
    """One shard of `root`: clips, or a single picture of each."""

    root: Path
    number: int
    seeds: tuple[int, ...]
    split: Literal["train", "held_out"]
    edited: float = 0.0
    stills: bool = False
    rate: int = 0
    recordings: str | None = None
    named: float = 0.0


def prepare_foundry(data: FoundryData, rate: int, root: Path, listener: Listener) -> None:
    """Make all missing shards: clips in `root`/train and `root`/held_out, stills in `root`/stills.

    `rate` is that of their sound. Raises InputError for a library of recordings that cannot be used.
    """
    held_out_stills = min(data.stills, HELD_OUT_STILLS)
    jobs = [
        *_jobs(root / "train", "train", data, data.clips),
        *_jobs(root / "held_out", "held_out", data, data.held_out),
        *_jobs(root / "stills" / "train", "train", data, data.stills, stills=True),
        *_jobs(root / "stills" / "held_out", "held_out", data, held_out_stills, stills=True),
    ]
    jobs = [replace(job, rate=rate, recordings=data.recordings, named=data.named) for job in jobs]
    if data.recordings is not None and jobs:
        # At once, rather than by the first process.
        from avlink.training.data.recordings import sounds_of

        sounds_of(data.recordings, "train")
    make_shards(
        jobs,
        _make_shard,
        listener,
        "foundry clips",
        cost=lambda job: len(job.seeds) / (_STILLS_A_CLIP if job.stills else 1),
    )


def stored_fps(recipe: TrainRecipe) -> int:
    """Return the rate of the pictures of prepared clips."""
    if isinstance(recipe.data, PhysicsData):
        return physics_fps(recipe, recipe.data)
    if isinstance(recipe.data, FoundryData):
        return _FOUNDRY_FPS
    return recipe.model.picture.fps if recipe.model.motion is None else recipe.model.motion.fps


def foundry_labels(info: object) -> ClipLabels:
    """Return the labels of a foundry clip."""
    from avlink.foundry import ClipInfo

    assert isinstance(info, ClipInfo)
    return ClipLabels(
        caption=info.caption,
        events=tuple((float(e.time_s), str(e.material), float(e.strength)) for e in info.events),
        kind=info.kind,
        group=info.group,
        recoloured=info.recoloured,
        edited=info.edited,
        named=info.named,
    )


def _make_shard(job: _FoundryJob) -> int:
    """Make one shard on one thread: clips are made faster side by side."""
    import numpy as np
    import torch

    from avlink.foundry import make_clips, make_stills
    from avlink.training.data.clips import ClipStore, StillStore
    from avlink.training.data.recordings import recorded_hits

    # A thread pool per process would be slower than one thread each.
    torch.set_num_threads(1)
    if job.stills:
        pictures, names = make_stills(job.seeds, split=job.split)
        StillStore.write_shard(job.root, job.number, pictures.numpy(), names)
        return len(job.seeds)
    hits = None if job.recordings is None else recorded_hits(job.recordings, job.rate, job.split)
    frames, sound, labels = [], [], []
    # In small batches, to bound memory.
    for at in range(0, len(job.seeds), _BATCH):
        batch = make_clips(
            job.seeds[at : at + _BATCH],
            split=job.split,
            edited=job.edited,
            rate=job.rate,
            recordings=hits,
            named=job.named,
        )
        frames.append(batch.frames.numpy())
        sound.append(batch.sound.numpy())
        labels += [foundry_labels(info) for info in batch.clips]
    ClipStore.write_shard(job.root, job.number, np.concatenate(frames), np.concatenate(sound), labels)
    return len(job.seeds)


def _jobs(
    root: Path, split: Literal["train", "held_out"], data: FoundryData, count: int, *, stills: bool = False
) -> Iterator[_FoundryJob]:
    size = _SHARD_STILLS if stills else _SHARD_CLIPS
    seeds = _seeds(data, split, 0 if stills else count)
    for number, clips in missing_shards(root, count, size):
        chosen = tuple(data.seed + clip for clip in clips) if seeds is None else tuple(seeds[clips.start : clips.stop])
        edited = data.edited if split == "train" and not stills else 0.0
        yield _FoundryJob(root=root, number=number, seeds=chosen, split=split, edited=edited, stills=stills)


def _seeds(data: FoundryData, split: Literal["train", "held_out"], count: int) -> list[int] | None:
    """Return the seeds of the first `count` clips that fit `data`; None where all fit.

    Planning a clip takes a hundredth of the time of making it, so that unfit ones may be skipped.
    """
    from avlink.foundry.generate import plan
    from avlink.foundry.kinds import TRAINED_KINDS

    unknown = [kind for kind in data.kinds if kind not in TRAINED_KINDS]
    if unknown:
        raise RecipeError(f"data.kinds: there is no kind '{unknown[0]}'; the foundry has {', '.join(TRAINED_KINDS)}")
    if not (data.plain or data.kinds):
        return None
    found: list[int] = []
    seed = data.seed
    while len(found) < count:
        info = plan(seed, split)[2]
        if (info.narrow or not data.plain) and (not data.kinds or info.kind in data.kinds):
            found.append(seed)
        seed += 1
    return found
