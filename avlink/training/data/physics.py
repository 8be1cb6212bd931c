"""Training clips that the physics foundry renders, on disk: shards like those of the foundry, made in processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink.core.errors import InputError, RecipeError
from avlink.core.events import Listener
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import PhysicsData
from avlink.training.data.clip_spec import ClipSpec, clip_spec_of, pictures_read_by, reads_maps, rendered_pictures
from avlink.training.data.index import ClipLabels
from avlink.training.data.making import make_shards, missing_shards
from avlink.training.data.prepared import read_record, update_record

if TYPE_CHECKING:
    from avlink.foundry.physics import ClipFormat, PhysicsClip, Split

_SHARD_CLIPS = 25
_SILENT_STAGES = ("motion", "spotter", "video", "readout")
"""Stages that read pictures alone."""
_RECORD = "physics"
_FILM_FPS = {24: 0.25, 25: 0.25, 30: 0.3, 50: 0.1, 60: 0.1}
"""Rates of the films that maps are made of, and the share of each."""
_MAPS = 1
"""Raise it when the same pictures give other maps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PhysicsJob:
    """One shard of `root`."""

    root: Path
    number: int
    seeds: tuple[int, ...]
    split: Split
    families: tuple[str, ...]
    shape: ClipFormat
    by_kind: bool
    samples: int
    """Samples of each clip's sound; 0 leaves the sound out."""
    maps: bool = False
    """Keep motion maps instead of pictures, of films at the rates of `_FILM_FPS`."""


def physics_fps(recipe: TrainRecipe, data: PhysicsData) -> int:
    """Return the rate of the pictures: that of `data`, else that which the stages read."""
    return rendered_pictures(recipe, data)[2]


def check_physics(recipe: TrainRecipe, data: PhysicsData) -> None:
    """Raise RecipeError where a stage cannot learn from these clips, or a family is unknown."""
    from avlink.foundry.physics import FAMILIES

    for name in data.families:
        if name not in FAMILIES:
            raise RecipeError(
                f"data.families: there is no family '{name}'; the physics foundry has {', '.join(FAMILIES)}"
            )
    spec, (width, height, fps) = clip_spec_of(recipe.model), pictures_read_by(recipe)
    for name in recipe.stages:
        if name == "appearance":
            raise RecipeError("stage 'appearance' learns from stills, which data.source = 'physics' has not")
        if name not in _SILENT_STAGES and not makes_sound(spec):
            raise RecipeError(
                f"stage '{name}' needs sound: clips of the physics foundry have it at 16000 Hz and up to 5.16 s, and "
                f"the model wants {spec.describe_sound()}; train it on another source"
            )
        if data.fps not in (None, fps):
            raise RecipeError(f"data.fps = {data.fps}: stage '{name}' reads {fps} pictures a second; leave it out")
        if name != "motion" and rendered_pictures(recipe, data)[:2] != (width, height):
            raise RecipeError(f"data.width and data.height: stage '{name}' reads {width}x{height}; leave them out")


def prepare_physics(recipe: TrainRecipe, data: PhysicsData, root: Path, listener: Listener) -> None:
    """Make all missing shards in `root`/train and `root`/held_out.

    Raises RecipeError for recipes that the clips do not fit, and InputError where MuJoCo or a renderer is missing, or
    where `root` holds clips of other seeds, families or sizes.
    """
    from avlink.foundry.physics import missing_reason

    check_physics(recipe, data)
    shape = _format(recipe, data)
    told = describe_physics(recipe, data)
    before = read_record(root).get(_RECORD)
    if before is not None and before != told:
        changed = ", ".join(key for key in told if before.get(key) != told[key])
        raise InputError(f"{root} holds clips of the physics foundry with another {changed}; choose another folder")
    spec = clip_spec_of(recipe.model)
    samples = spec.samples if makes_sound(spec) else 0
    jobs = [
        *_jobs(root / "train", "train", data, data.clips, shape, samples, maps=reads_maps(recipe)),
        *_jobs(root / "held_out", "held_out", data, data.held_out, shape, samples, maps=reads_maps(recipe)),
    ]
    if not jobs:
        return
    why = missing_reason()
    if why is not None:
        raise InputError(why)
    root.mkdir(parents=True, exist_ok=True)
    # At first: a run that is killed must not go on with other clips.
    update_record(root, recipe, complete=False, **{_RECORD: told})
    # Apart, however few: what crashes a renderer must not end the training.
    make_shards(jobs, _make_shard, listener, "physics clips", cost=lambda job: 10 * len(job.seeds), apart=True)


def describe_physics(recipe: TrainRecipe, data: PhysicsData) -> dict[str, Any]:
    """Return everything that the clips depend on except their number, as JSON values."""
    from avlink.foundry.physics import VERSION

    shape = _format(recipe, data)
    return {
        "version": VERSION,
        **({"maps": _MAPS} if reads_maps(recipe) else {}),
        "seed": data.seed,
        "families": list(data.families),
        "classes": data.classes,
        "size": [shape.width, shape.height],
        "fps": shape.fps,
        "frames": shape.num_frames,
    }


def physics_labels(clip: PhysicsClip, *, by_kind: bool = False) -> ClipLabels:
    """Return the labels of a clip; the class of an event is its material, or `by_kind` its kind."""
    return ClipLabels(
        caption=clip.caption,
        events=tuple(
            (event.time_s, event.kind if by_kind else event.material, event.strength) for event in clip.events
        ),
        kind=clip.family,
        group="physics",
        kinds=tuple(event.kind for event in clip.events),
        places=tuple(event.place for event in clip.events),
    )


def _make_shard(job: _PhysicsJob) -> int:
    """Make one shard in a process of its own, on one thread."""
    import numpy as np
    import torch

    from avlink.foundry.physics import make_clip
    from avlink.foundry.physics.sound import clip_sound
    from avlink.training.data.clips import ClipStore

    torch.set_num_threads(1)
    if job.maps:
        return _make_maps(job)
    frames, labels, sound = [], [], []
    for seed in job.seeds:
        clip = make_clip(seed, split=job.split, families=job.families, shape=job.shape)
        frames.append(clip.frames)
        labels.append(physics_labels(clip, by_kind=job.by_kind))
        if job.samples:
            heard = clip_sound(clip)[: job.samples]
            sound.append(np.pad(heard, (0, job.samples - len(heard))))
    ClipStore.write_shard(job.root, job.number, np.stack(frames), np.stack(sound) if sound else None, labels)
    return len(job.seeds)


def _make_maps(job: _PhysicsJob) -> int:
    """Make one shard of motion maps: of films that are held at the rate of the maps, as footage is."""
    import numpy as np
    import torch

    from avlink.engine.motion_maps import grey_of, motion_maps
    from avlink.engine.pixels import to_pixels
    from avlink.foundry.physics import make_clip
    from avlink.training.data.maps import MapStore

    maps, labels = [], []
    for seed in job.seeds:
        fps = np.random.default_rng(seed).choice(list(_FILM_FPS), p=list(_FILM_FPS.values()))
        clip = make_clip(seed, split=job.split, families=job.families, shape=replace(job.shape, fps=int(fps)))
        # The picture that has begun last is shown.
        held = (np.arange(job.shape.num_frames) * clip.fps / job.shape.fps + 1e-6).astype(int)
        pixels = to_pixels(torch.from_numpy(clip.frames[held.clip(max=len(clip.frames) - 1)])[None])[0]
        maps.append(motion_maps(grey_of(pixels), job.shape.fps).numpy())
        labels.append(physics_labels(clip, by_kind=job.by_kind))
    MapStore.write_shard(job.root, job.number, np.stack(maps), labels)
    return len(job.seeds)


def _jobs(
    root: Path, split: Split, data: PhysicsData, count: int, shape: ClipFormat, samples: int, *, maps: bool
) -> Iterator[_PhysicsJob]:
    for number, clips in missing_shards(root, count, _SHARD_CLIPS):
        yield _PhysicsJob(
            root=root,
            number=number,
            seeds=tuple(data.seed + clip for clip in clips),
            split=split,
            families=data.families,
            shape=shape,
            by_kind=data.classes == "kind",
            samples=samples,
            maps=maps,
        )


def _format(recipe: TrainRecipe, data: PhysicsData) -> ClipFormat:
    from avlink.foundry.physics import ClipFormat

    width, height, fps = rendered_pictures(recipe, data)
    return ClipFormat(width=width, height=height, fps=fps, duration_s=Fraction(clip_spec_of(recipe.model).window_s))


def makes_sound(spec: ClipSpec) -> bool:
    """Return True if the foundry can make the sound that a model reads."""
    from avlink.foundry.clip import CLIP_SAMPLES, SAMPLE_RATE

    return spec.sample_rate == SAMPLE_RATE and spec.samples <= CLIP_SAMPLES
