"""Training of a model by a recipe: clips, stages in order, and a bundle at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink.core.architecture import AVLinkConfig
from avlink.core.disk import report_full_disk
from avlink.core.errors import InputError, RecipeError
from avlink.core.events import JobDone, JobStarted, Listener, Message, StepDone, ignore
from avlink.core.outputs import claim_folder
from avlink.core.paths import make_folder, write_text
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import without_places
from avlink.core.recipe.stages import STAGES
from avlink.training.data.foundry import stored_fps
from avlink.training.data.prepare import clips_for
from avlink.training.environment import record_environment, resolve_recipe
from avlink.training.ranks import open_ranks
from avlink.training.stages.build import build_stage, check_extractors, check_parallel, frozen_modules, loop_config
from avlink.training.weights import (
    check_start,
    is_done,
    load_stages,
    load_start,
    read_start_bundles,
    save_stage,
    system_for_stage,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from torch import Tensor

    from avlink.engine.bundle import Bundle
    from avlink.engine.train.ranks import Ranks
    from avlink.training.data.clips import ClipStore

LICENCE = "Apache-2.0"


def train(
    recipe: TrainRecipe,
    out: Path,
    stages: Sequence[str] = (),
    resume: bool = True,
    listener: Listener = ignore,
) -> Path:
    """Train by `recipe` in the folder `out`; returns the bundle's folder.

    `stages` runs only those, from the weights that earlier ones left in `out`. A killed run resumes from its last
    checkpoint and ends with the same losses. Under torchrun every process calls this, and the first one prepares
    clips, reports progress and writes files. Raises InputError where a stage lacks a component that it builds on, or
    where `out` holds a run of another recipe, or any run while `resume` is off; PeerFailed where another process
    failed, which reports the reason; DiskFull where `out` has no space left.
    """
    with open_ranks(recipe.parallel.mode) as ranks:
        chosen = _chosen(recipe, stages)
        with report_full_disk(out):
            return _train(recipe, out, chosen, resume, listener if ranks.first else ignore, ranks)


def _train(recipe: TrainRecipe, out: Path, chosen: list[str], resume: bool, listener: Listener, ranks: Ranks) -> Path:
    check_start(recipe)
    check_parallel(recipe, chosen, ranks.count)
    check_extractors(recipe, chosen, listener)
    import torch

    from avlink.engine.train.loop import train_stage
    from avlink.engine.train.optim import computes_in_bf16
    from avlink.training.data.clips import ClipStore
    from avlink.training.journal import Journal, draw_curves

    def begin() -> None:
        claim_folder(out, marks=("recipe.toml", "clips"), what="a training run")
        make_folder(out)
        _claim(recipe, out, resume)
        record_environment(out, ranks=ranks.count, device=str(ranks.device))

    ranks.on_first(begin)
    on_cpu = ranks.device.type == "cpu"
    if on_cpu:
        _keep_freed_memory()
    if recipe.bf16 and on_cpu and not computes_in_bf16():
        listener(Message(text="this processor only imitates bfloat16, ten times slower: training goes on in fp32"))
        recipe = recipe.model_copy(update={"bf16": False})

    def prepare() -> Path:
        listener(JobStarted(job_id="data", name="clips"))
        return clips_for(recipe, out, listener)

    root, fps = ranks.on_first(prepare), stored_fps(recipe)
    clips, held_out = ClipStore(root / "train", fps=fps), ClipStore(root / "held_out", fps=fps)
    listener(JobDone(job_id="data", name="clips", note=f"{len(clips)} to train on, {len(held_out)} held out"))
    for name in chosen:
        if ranks.on_first(partial(is_done, out, name)):
            listener(JobDone(job_id=name, name=name, note="done before"))
            continue
        listener(JobStarted(job_id=name, name=name))
        # Before each stage: its initial weights do not depend on which stages ran in this process.
        torch.manual_seed(recipe.seed)
        system = system_for_stage(recipe, out, name, ranks.device)
        # The first rank writes files that all read, such as latents.
        build = partial(
            build_stage, name, recipe, system, clips, held_out, out, write_samples=ranks.first, listener=listener
        )
        stage = ranks.first_then_others(build)

        def tell(job: str, done: int, total: int, figures: dict[str, float]) -> None:
            shown = ", ".join(f"{key} {value:.3f}" for key, value in figures.items())
            listener(StepDone(job_id=job, done=done, total=total, note=shown))
            # Drawing takes longer than many a step.
            if done % 50 == 0 or done == total:
                draw_curves(out / f"{job}.jsonl", out / "pictures" / f"{job}.png")

        with _plain_attention() if on_cpu else nullcontext():
            learner = train_stage(
                stage,
                loop_config(recipe, name),
                out,
                tell,
                journal=partial(Journal, out, name, tensorboard=recipe.log.tensorboard),
                frozen_modules=frozen_modules(system, stage),
                ranks=ranks,
                on_warning=lambda text: listener(Message(text=text, level="warning")),
            )
        weights = learner.full_state()
        # Whitened once, on the averaged weights, so that later stages see latents of unit scale.
        if name == "vae" and ranks.first:
            weights["vae"] = _whitened(recipe, weights["vae"], clips, ranks)
        ranks.on_first(partial(save_stage, out, name, weights))
        listener(JobDone(job_id=name, name=name))
    return ranks.on_first(partial(_finish, recipe, out, listener))


def _whitened(recipe: TrainRecipe, weights: dict[str, Tensor], clips: ClipStore, ranks: Ranks) -> dict[str, Tensor]:
    """Return the weights of a VAE with the mean and deviation of its latents set."""
    from avlink.engine.system import System
    from avlink.training.stages.codec import whiten

    system = System(recipe.model).requires_grad_(False).eval()
    system.vae.load_state_dict(weights)
    whiten(system.to(ranks.device), clips)
    return {key: value.cpu() for key, value in system.vae.state_dict().items()}


def _chosen(recipe: TrainRecipe, stages: Sequence[str]) -> list[str]:
    known = [name for name in STAGES if name in recipe.stages]
    for name in stages:
        if name not in known:
            raise RecipeError(f"stage '{name}' is not in the recipe; it has {', '.join(known) or 'no stages'}")
    return [name for name in known if not stages or name in stages]


def _claim(recipe: TrainRecipe, out: Path, resume: bool) -> None:
    """Mark `out` as the folder of this recipe: another one would continue from its weights."""
    mark, content = out / "recipe.toml", resolve_recipe(recipe, out)
    if mark.is_file():
        if not resume:
            raise InputError(f"{out} already holds a training run; resume it, or choose another folder")
        try:
            same = _identity(mark.read_text("utf-8")) == _identity(content)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, ValueError) as error:
            raise InputError(f"{mark} is not the recipe of a training run; choose another folder") from error
        if not same:
            raise InputError(f"{out} holds a run of another recipe (see {mark}); choose another folder")
    write_text(mark, content)


def _identity(recipe_toml: str) -> object:
    """Return the values that must not change between two starts of one run; step counts may."""
    content = tomllib.loads(recipe_toml)
    # Validated: a recipe of an earlier version lacks the fields that are new.
    return [content["name"], content["seed"], AVLinkConfig.model_validate(content["model"])]


def _keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next step: returning it to the kernel costs a third of a step on CPUs."""
    import ctypes

    if sys.platform == "linux":
        try:
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(-4, 0)  # M_MMAP_MAX
            libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        except (OSError, AttributeError):
            return


def _plain_attention() -> AbstractContextManager[None]:
    """Return a context with unfused attention, whose backward pass on CPUs is twice as fast at these lengths."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    return sdpa_kernel([SDPBackend.MATH])


def _finish(recipe: TrainRecipe, out: Path, listener: Listener) -> Path:
    """Write the bundle, once every stage of the recipe is done, and return its folder."""
    from avlink import __version__
    from avlink.engine.bundle import write_bundle
    from avlink.engine.system import System
    from avlink.engine.text.t5 import T5Encoder

    bundle = out / "bundle"
    missing = [name for name in STAGES if name in recipe.stages and not is_done(out, name)]
    if missing and not recipe.starts:
        listener(Message(text=f"no bundle yet: {', '.join(missing)} still to train"))
        return bundle
    system = System(recipe.model)
    have = load_start(recipe, system) | load_stages(out, None, system.components())
    before = read_start_bundles(recipe)
    terms = dict.fromkeys([LICENCE, *(bundle.licence for bundle in before)])
    write_bundle(
        bundle,
        recipe.model,
        {name: part for name, part in system.components().items() if name in have},
        name=recipe.name,
        # Weights that others trained keep their licence, also inside a bundle of ours.
        licence="; ".join(terms),
        description=f"AV-Link model '{recipe.name}', trained by avlink {__version__}",
        training={
            # Without paths: a bundle is given away.
            "data": without_places(recipe.data),
            "seed": recipe.seed,
            "conditioning": recipe.conditioning.model_dump(),
            "stages": {
                name: table.model_dump(exclude_none=True) for name, table in recipe.stages.items() if is_done(out, name)
            },
            # The training of the start bundles belongs to the history of this model.
            **_history(before),
        },
        text=system.external_text if isinstance(system.external_text, T5Encoder) else None,
    )
    listener(Message(text=f"bundle written: {os.fspath(bundle)}"))
    return bundle


def _history(bundles: Sequence[Bundle]) -> dict[str, Any]:
    if not bundles:
        return {}
    return {"before": bundles[0].training if len(bundles) == 1 else [bundle.training for bundle in bundles]}
