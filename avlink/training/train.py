"""Training a model from a recipe: clips, stages in order, and a bundle at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink.core.errors import InputError, RecipeError
from avlink.core.events import JobDone, JobStarted, Listener, Message, StepDone, ignore
from avlink.core.paths import make_folder, write_text
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import without_places
from avlink.core.recipe.stages import STAGES
from avlink.training.data.service import clips_for
from avlink.training.environment import note_environment, resolved
from avlink.training.foundry_clips import stored_fps
from avlink.training.ranks import open_ranks
from avlink.training.stages.build import around, check_judges, check_parallel, loop_of, stage_of
from avlink.training.start import begin_weights, check_start, start_bundles, system_for

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
    """Train what `recipe` says in the folder `out`; returns the bundle's folder.

    `stages` runs only those, from what earlier ones left in `out`. A run that was killed goes on from its last
    checkpoint and ends with the same losses. Under torchrun every process calls this, and the first one prepares,
    tells and writes. Raises InputError where a stage lacks what it builds on, or where `out` holds a run of another
    recipe or `resume` is off and it holds any; PeerFailed where another process failed, which says why.
    """
    with open_ranks(recipe.parallel.mode) as ranks:
        chosen = _chosen(recipe, stages)
        return _train(recipe, out, chosen, resume, listener if ranks.first else ignore, ranks)


def _train(recipe: TrainRecipe, out: Path, chosen: list[str], resume: bool, listener: Listener, ranks: Ranks) -> Path:
    check_start(recipe)
    check_parallel(recipe, chosen, ranks.count)
    check_judges(recipe, chosen, listener)
    import torch

    from avlink.engine.train.loop import train_stage
    from avlink.engine.train.optim import computes_in_bf16
    from avlink.training.curves import draw_curves
    from avlink.training.data.clips import ClipStore
    from avlink.training.journal import Journal
    from avlink.training.weights import is_done, save_stage

    def begin() -> None:
        make_folder(out)
        _claim(recipe, out, resume)
        note_environment(out, ranks=ranks.count, device=str(ranks.device))

    ranks.on_first(begin)
    on_cpu = ranks.device.type == "cpu"
    if on_cpu:
        _quicken()
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
        torch.manual_seed(recipe.seed)
        system = system_for(recipe, out, name, ranks.device)
        # The first rank writes what all read, such as latents.
        build = partial(stage_of, name, recipe, system, clips, held_out, out, keep=ranks.first, listener=listener)
        stage = ranks.first_then_others(build)

        def tell(job: str, done: int, total: int, figures: dict[str, float]) -> None:
            shown = ", ".join(f"{key} {value:.3f}" for key, value in figures.items())
            listener(StepDone(job_id=job, done=done, total=total, note=shown))
            if done % 50 == 0 or done == total:
                draw_curves(out / f"{job}.jsonl", out / "pictures" / f"{job}.png")

        with _quick_attention() if on_cpu else nullcontext():
            learner = train_stage(
                stage,
                loop_of(recipe, name),
                out,
                tell,
                journal=partial(Journal, out, name, tensorboard=recipe.log.tensorboard),
                frozen_modules=around(system, stage),
                ranks=ranks,
                on_warning=lambda text: listener(Message(text=text, level="warning")),
            )
        weights = learner.full_state()
        if name == "vae" and ranks.first:
            weights["vae"] = _whitened(recipe, weights["vae"], clips, ranks)
        ranks.on_first(partial(save_stage, out, name, weights))
        listener(JobDone(job_id=name, name=name))
    return ranks.on_first(partial(_finish, recipe, out, listener))


def _whitened(recipe: TrainRecipe, weights: dict[str, Tensor], clips: ClipStore, ranks: Ranks) -> dict[str, Tensor]:
    """The weights of a VAE with the mean and deviation of its latents."""
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
    """Two recipes must not share a folder: the second would go on from the first one's weights."""
    mark, content = out / "recipe.toml", resolved(recipe, out)
    if mark.is_file():
        if not resume:
            raise InputError(f"{out} already holds a training run; resume it, or choose another folder")
        if _model_of(mark.read_text("utf-8")) != _model_of(content):
            raise InputError(f"{out} holds a run of another recipe (see {mark}); choose another folder")
    write_text(mark, content)


def _model_of(recipe_toml: str) -> object:
    """What may not change between two starts of one run; step counts may."""
    content = tomllib.loads(recipe_toml)
    return [content[key] for key in ("name", "seed", "model")]


def _quicken() -> None:
    """Freed memory is kept for the next step: handing it back and forth costs a third of a step on CPUs."""
    import ctypes

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


def _finish(recipe: TrainRecipe, out: Path, listener: Listener) -> Path:
    """Write the bundle once every stage of the recipe is done."""
    from avlink import __version__
    from avlink.engine.bundle import write_bundle
    from avlink.engine.system import System
    from avlink.engine.text.t5 import T5Encoder
    from avlink.training.weights import is_done, load_before

    bundle = out / "bundle"
    missing = [name for name in STAGES if name in recipe.stages and not is_done(out, name)]
    if missing and not recipe.starts:
        listener(Message(text=f"no bundle yet: {', '.join(missing)} still to train"))
        return bundle
    system = System(recipe.model)
    have = begin_weights(recipe, system) | load_before(out, None, system.components())
    before = start_bundles(recipe)
    terms = dict.fromkeys([LICENCE, *(bundle.licence for bundle in before)])
    write_bundle(
        bundle,
        recipe.model,
        {name: part for name, part in system.components().items() if name in have},
        name=recipe.name,
        # What others trained keeps their terms, also inside a model of ours.
        licence="; ".join(terms),
        description=f"AV-Link model '{recipe.name}', trained by avlink {__version__}",
        training={
            # Not where it lay: a bundle is given away.
            "data": without_places(recipe.data),
            "seed": recipe.seed,
            "conditioning": recipe.conditioning.model_dump(),
            "stages": {
                name: table.model_dump(exclude_none=True) for name, table in recipe.stages.items() if is_done(out, name)
            },
            # What was learned before is part of how this model came to be.
            **_before(before),
        },
        text=system.external_text if isinstance(system.external_text, T5Encoder) else None,
    )
    listener(Message(text=f"bundle written: {os.fspath(bundle)}"))
    return bundle


def _before(bundles: Sequence[Bundle]) -> dict[str, Any]:
    """How what a model began with came to be."""
    if not bundles:
        return {}
    return {"before": bundles[0].training if len(bundles) == 1 else [bundle.training for bundle in bundles]}
