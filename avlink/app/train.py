"""Training a model from a recipe: clips, stages in order, and a bundle at the end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.app.prepare import prepare_folder, prepare_foundry
from avlink.core.errors import InputError, RecipeError
from avlink.core.events import JobDone, JobStarted, Listener, Message, StepDone, ignore
from avlink.core.paths import make_folder, write_text
from avlink.core.recipe import TrainRecipe
from avlink.core.training import STAGES, FoundryData

if TYPE_CHECKING:
    from torch import Tensor

    from avlink.engine.models.system import System
    from avlink.engine.train.clips import ClipStore
    from avlink.engine.train.loop import LoopConfig, Stage

LICENCE = "Apache-2.0"


def train(
    recipe: TrainRecipe,
    out: Path,
    stages: Sequence[str] = (),
    resume: bool = True,
    listener: Listener = ignore,
) -> Path:
    """Train what `recipe` says in the folder `out`; returns the bundle's folder.

    `stages` runs only those, from what earlier ones left in `out`. A run that was killed goes on from its last
    checkpoint and ends with the same losses. Raises InputError where a stage lacks what it builds on, or where `out`
    holds a run of another recipe or `resume` is off and it holds any.
    """
    chosen = _chosen(recipe, stages)
    make_folder(out)
    _claim(recipe, out, resume)
    _quicken()
    import torch

    from avlink.engine.train.clips import ClipStore
    from avlink.engine.train.loop import train_stage
    from avlink.engine.train.optim import computes_in_bf16
    from avlink.engine.train.pictures import draw_curves
    from avlink.engine.train.weights import is_done, save_stage

    if recipe.bf16 and not computes_in_bf16():
        listener(Message(text="this processor only imitates bfloat16, ten times slower: training goes on in fp32"))
        recipe = recipe.model_copy(update={"bf16": False})
    listener(JobStarted(job_id="data", name="clips"))
    if isinstance(recipe.data, FoundryData):
        prepare_foundry(recipe.data, out / "clips", listener)
    else:
        prepare_folder(recipe.data, recipe.model, out / "clips", listener)
    clips, held_out = ClipStore(out / "clips" / "train"), ClipStore(out / "clips" / "held_out")
    listener(JobDone(job_id="data", name="clips", note=f"{len(clips)} to train on, {len(held_out)} held out"))
    for name in chosen:
        if is_done(out, name):
            listener(JobDone(job_id=name, name=name, note="done before"))
            continue
        listener(JobStarted(job_id=name, name=name))
        torch.manual_seed(recipe.seed)
        system = _system(recipe, out, name)
        stage = _stage(name, recipe, system, clips, held_out, out)

        def tell(job: str, done: int, total: int, figures: dict[str, float]) -> None:
            shown = ", ".join(f"{key} {value:.3f}" for key, value in figures.items())
            listener(StepDone(job_id=job, done=done, total=total, note=shown))
            if done % 50 == 0 or done == total:
                draw_curves(out / f"{job}.jsonl", out / "pictures" / f"{job}.png")

        with _quick_attention():
            train_stage(stage, _loop(recipe, name), out, tell)
        if name == "vae":
            from avlink.engine.train.stages.codec import whiten

            whiten(system, clips)
        save_stage(out, name, stage.trained)
        listener(JobDone(job_id=name, name=name))
    return _finish(recipe, out, listener)


def _chosen(recipe: TrainRecipe, stages: Sequence[str]) -> list[str]:
    known = [name for name in STAGES if name in recipe.stages]
    for name in stages:
        if name not in known:
            raise RecipeError(f"stage '{name}' is not in the recipe; it has {', '.join(known) or 'no stages'}")
    return [name for name in known if not stages or name in stages]


def _claim(recipe: TrainRecipe, out: Path, resume: bool) -> None:
    """Two recipes must not share a folder: the second would go on from the first one's weights."""
    mark, content = out / "recipe.json", recipe.model_dump_json(indent=1)
    if mark.is_file():
        if not resume:
            raise InputError(f"{out} already holds a training run; resume it, or choose another folder")
        if _model_of(mark.read_text("utf-8")) != _model_of(content):
            raise InputError(f"{out} holds a run of another recipe (see {mark}); choose another folder")
    write_text(mark, content)


def _model_of(recipe_json: str) -> object:
    """What may not change between two starts of one run; step counts may."""
    import json

    content = json.loads(recipe_json)
    return [content[key] for key in ("name", "seed", "model")]


def _quicken() -> None:
    """Freed memory is kept for the next step: handing it back and forth costs a third of a step on CPUs."""
    import ctypes
    import sys

    if sys.platform == "linux":
        try:
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(-4, 0)  # M_MMAP_MAX
            libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        except (OSError, AttributeError):
            return


def _quick_attention() -> AbstractContextManager[None]:
    """Plain attention where it trains faster: on CPUs its backward pass is, at these lengths, twice the fused one's."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    return sdpa_kernel([SDPBackend.MATH])


def _system(recipe: TrainRecipe, out: Path, stage: str) -> System:
    from avlink.engine.models.system import System
    from avlink.engine.train.weights import load_before

    if recipe.model.text.kind != "bytes":
        raise RecipeError("this recipe names an external text encoder; training one needs text.kind = 'bytes'")
    system = System(recipe.model).requires_grad_(False)
    system.eval()
    have = _begin(recipe, system) | load_before(out, stage, system.components())
    needs = {
        "vocoder": ("vae",),
        "audio": ("vae",),
        "fusion_v2a": ("vae", "audio", "video"),
        "fusion_a2v": ("vae", "audio", "video"),
    }.get(stage, ())
    missing = [name for name in needs if name not in have]
    if missing:
        raise InputError(f"stage '{stage}' builds on {' and '.join(missing)}, which {out} has not; train that first")
    return system


def _begin(recipe: TrainRecipe, system: System) -> set[str]:
    """Give `system` the weights that the recipe starts from; returns the components that have some.

    Raises BundleError for a bundle of another architecture.
    """
    from avlink.core.bundles import find_bundle, shipped_bundles
    from avlink.core.errors import BundleError
    from avlink.engine.bundle.bundle import load_system, read_bundle

    start = recipe.start_from
    if start is None:
        return set()
    shipped = start in (*shipped_bundles(), "builtin")
    bundle = read_bundle(find_bundle(start if shipped else str(recipe.source.path("start_from", start))))
    parts = bundle.components
    for name, part in load_system(bundle, parts).components().items():
        mine = system.component(name)
        if name in parts and mine is not None:
            try:
                mine.load_state_dict(part.state_dict())
            except RuntimeError:
                raise BundleError(
                    f"start_from = '{start}': its {name} is built otherwise than this recipe says; "
                    "use the [model] tables of its bundle.toml, or train from the beginning"
                ) from None
    return set(parts)


def _loop(recipe: TrainRecipe, name: str) -> LoopConfig:
    from avlink.engine.train.loop import LoopConfig
    from avlink.engine.train.optim import OptimConfig

    table = recipe.stages[name]  # type: ignore[index]
    optim = OptimConfig(
        lr=table.lr,
        muon_lr=table.muon_lr,
        weight_decay=table.weight_decay,
        warmup_steps=table.warmup_steps,
        decay=table.decay,
    )
    return LoopConfig(
        steps=table.steps,
        batch=table.batch,
        optim=optim,
        ema=table.ema,
        bf16=recipe.bf16,
        checkpoint_every=table.checkpoint_every,
        validate_every=table.validate_every or table.steps,
        seed=recipe.seed,
    )


def _stage(name: str, recipe: TrainRecipe, system: System, clips: ClipStore, held_out: ClipStore, out: Path) -> Stage:
    from avlink.app import judge
    from avlink.engine.train.stages import backbones, codec, fusion, motion
    from avlink.engine.train.stills import StillStore

    if name == "vae":
        return codec.VAEStage(system, clips)
    if name == "vocoder":
        return codec.VocoderStage(system, clips, lambda: judge.codec(system, held_out, out))
    if name == "appearance":
        stills, unseen = (StillStore(out / "clips" / "stills" / split) for split in ("train", "held_out"))
        if not stills:
            raise InputError("the appearance stage needs stills with the names of what is struck: set data.stills")
        return motion.AppearanceStage(system, stills, lambda: judge.appearance(system, unseen))
    if name == "motion":
        return motion.MotionStage(system, clips, lambda: judge.motion(system, held_out))
    if name == "video":
        return backbones.VideoStage(system, clips)
    latents = _latents(system, clips, out)
    if name == "audio":
        return backbones.AudioStage(system, clips, latents, lambda: judge.audio(system, held_out, out))
    times = recipe.conditioning
    if name == "fusion_v2a":
        return fusion.FusionStage(
            system,
            clips,
            latents,
            direction="audio",
            t_condition=times.t_video,
            validate=lambda: judge.sound(system, held_out, out, times.t_video),
        )
    return fusion.FusionStage(
        system,
        clips,
        latents,
        direction="video",
        t_condition=times.t_audio,
        validate=lambda: judge.picture(system, held_out, out, times.t_audio),
    )


def _latents(system: System, clips: ClipStore, out: Path) -> Tensor:
    """Latents of all clips, computed once a run."""
    from safetensors.torch import load_file, save_file

    from avlink.core.paths import atomic_write
    from avlink.engine.train.stages.codec import encode_all

    path = out / "latents.safetensors"
    if path.is_file():
        return load_file(path)["latents"]
    latents = encode_all(system, clips)
    with atomic_write(path) as hidden:
        save_file({"latents": latents}, hidden)
    return latents


def _finish(recipe: TrainRecipe, out: Path, listener: Listener) -> Path:
    """Write the bundle once every stage of the recipe is done."""
    from avlink import __version__
    from avlink.engine.bundle.bundle import write_bundle
    from avlink.engine.models.system import System
    from avlink.engine.train.weights import is_done, load_before

    bundle = out / "bundle"
    missing = [name for name in STAGES if name in recipe.stages and not is_done(out, name)]
    if missing and recipe.start_from is None:
        listener(Message(text=f"no bundle yet: {', '.join(missing)} still to train"))
        return bundle
    system = System(recipe.model)
    have = _begin(recipe, system) | load_before(out, None, system.components())
    write_bundle(
        bundle,
        system,
        name=recipe.name,
        licence=LICENCE,
        description=f"AV-Link model '{recipe.name}', trained by avlink {__version__}",
        training={
            "data": recipe.data.source,
            "seed": recipe.seed,
            "conditioning": recipe.conditioning.model_dump(),
            "stages": {name: table.model_dump(exclude_none=True) for name, table in recipe.stages.items()},
            **({} if recipe.start_from is None else {"start_from": recipe.start_from}),
        },
        components=have,
    )
    listener(Message(text=f"bundle written: {os.fspath(bundle)}"))
    return bundle
