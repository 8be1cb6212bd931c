"""Clips a second out of video files, and out of prepared shards, against the samples that a training step takes.

The files are the foundry's clips, enlarged to 640x360 and encoded in H.264 with AAC: what web video is like.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from avlink.admin.foundry_sample import write_clip
from avlink.core.recipe import TrainRecipe, load_recipe
from avlink.engine.codec.mel import LogMel
from avlink.engine.system import System
from avlink.engine.train.loop import step_generator
from avlink.foundry.generate import make_clips
from avlink.training.data.clip_spec import clip_spec_of
from avlink.training.data.clips import ClipStore
from avlink.training.data.decoding import decode_shard
from avlink.training.data.index import ClipIndex, ClipLabels
from avlink.training.data.precomputed import PrecomputedStore, encode_shards, vae_key
from avlink.training.data.prepared import ShardJob
from avlink.training.data.source_clips import SourceClip
from avlink.training.stages.fusion import FusionStage
from benchmarks.figure import Figure, Wanted
from benchmarks.stopwatch import cpu_seconds

_RECIPE = "foley_tiny"
_SCALE = 10
_UNIT = "clips/CPU s"


def measure(wanted: Wanted) -> list[Figure]:
    """By the time that processors are busy: what else the machine does counts little, and N of them do N times it."""
    torch.set_num_threads(1)
    count = 2 if wanted.quick else 24
    settings = ["model.video.depth=3", "model.audio.depth=3", "model.fusion.blocks=1"] if wanted.quick else []
    recipe = load_recipe(_RECIPE, "train", settings)
    with tempfile.TemporaryDirectory(prefix="avlink-bench-") as name:
        folder = Path(name)
        clips = _files(folder, count, 1 if wanted.quick else _SCALE)
        job = ShardJob(folder=folder / "train" / "shard", spec=clip_spec_of(recipe.model), clips=clips, crashed={})
        job.folder.mkdir(parents=True)
        decoded_s = cpu_seconds(lambda: decode_shard(job, lambda row: None))
        store = ClipStore(folder / "train", _index(job))
        system = System(recipe.model).requires_grad_(False)
        latents = PrecomputedStore(folder / f"latents-{vae_key(system.vae, recipe.model)}", store)
        encoded_s = cpu_seconds(
            lambda: encode_shards(latents, store, system.vae, recipe.model.mel, [0], lambda _: None)
        )
        mel = LogMel(recipe.model.mel)
        sound = store.sound(range(count))
        mel_s = cpu_seconds(lambda: mel(sound))
        batch = recipe.stages["fusion_v2a"].batch if not wanted.quick else 2
        indices = [index % count for index in range(batch)]
        read_s = _mean(
            lambda: (store.frames(indices), store.sound(indices), latents[indices]), 2 if wanted.quick else 20
        )
        step_s = _step(recipe, system, store, latents, indices, 1 if wanted.quick else 3)
    rate, against = batch / step_s, f"fusion step of {_RECIPE}, batch {batch}"
    size = "64x36" if wanted.quick else f"{64 * _SCALE}x{36 * _SCALE}"
    return [
        Figure(name=f"decoding {size} H.264 and AAC into shards", value=count / decoded_s, unit=_UNIT,
               baseline=rate, baseline_name=against),
        Figure(name="mel of a clip", value=count / mel_s, unit=_UNIT, baseline=rate, baseline_name=against),
        Figure(name="latents of a clip", value=count / encoded_s, unit=_UNIT, baseline=rate, baseline_name=against),
        Figure(name=f"reading prepared clips, batch {batch}", value=batch / read_s, unit=_UNIT,
               baseline=rate, baseline_name=against),
    ]  # fmt: skip


def _files(folder: Path, count: int, scale: int) -> list[SourceClip]:
    clips = []
    for number in range(count):
        path = folder / f"{number}.mp4"
        write_clip(make_clips([number], split="train"), 0, path, scale=scale)
        clips.append(SourceClip(path=path, label=path.name, size=path.stat().st_size))
    return clips


def _index(job: ShardJob) -> ClipIndex:
    import numpy as np

    rows = len(job.clips)
    return ClipIndex(
        shards=(job.folder.name,),
        frames=job.spec.pictures_file,
        sound=job.spec.sound_file,
        locations=np.array([(0, row) for row in range(rows)], np.int64),
        labels=[ClipLabels(caption="a stick strikes wood", events=((1.0, "wood", 1.0),))] * rows,
    )


def _mean(run: Callable[[], object], times: int) -> float:
    run()
    return sum(cpu_seconds(run) for _ in range(times)) / times


def _step(
    recipe: TrainRecipe, system: System, clips: ClipStore, latents: PrecomputedStore, indices: list[int], times: int
) -> float:
    """Seconds of the forward and backward pass of a fusion step, without its optimiser."""
    stage = FusionStage(system, clips, latents, name="fusion_v2a", tasks=("v2a",), conditioning=recipe.conditioning)
    for module in stage.trained.values():
        module.requires_grad_(True)

    def step() -> None:
        stage.loss(indices, step_generator(stage.name, recipe.seed, 0))["total"].backward()  # type: ignore[no-untyped-call]

    return _mean(step, times)
