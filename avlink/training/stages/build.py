"""The stages of a training recipe, put together: what is learned from what, for how long, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.core.errors import InputError
from avlink.core.events import Listener, Message, ignore
from avlink.core.recipe import TrainRecipe
from avlink.evaluation.builtin_extractors import WEIGHTLESS
from avlink.evaluation.extracted import extractor_of
from avlink.hooks import Medium
from avlink.training.distances import Distances, judges_of

if TYPE_CHECKING:
    from torch import nn

    from avlink.core.features import FeatureExtractor
    from avlink.core.recipe.stages import Task
    from avlink.engine.system import System
    from avlink.engine.train.loop import LoopConfig, Stage
    from avlink.training.data.clip_rows import ClipRows
    from avlink.training.data.clips import ClipStore
    from avlink.training.stages.inputs import Validate


_MADE: Mapping[str, Medium] = {"v2a": "sound", "a2v": "pictures"}
"""What is generated, and judged, by tasks of the fusion."""


def loop_of(recipe: TrainRecipe, name: str) -> LoopConfig:
    """How long and in what steps a stage learns."""
    from avlink.engine.train.loop import LoopConfig
    from avlink.engine.train.optim import OptimConfig

    table = recipe.stages[name]  # type: ignore[index]
    optim = OptimConfig(
        lr=table.lr,
        muon_lr=table.muon_lr,
        betas=table.betas,
        eps=table.eps,
        weight_decay=table.weight_decay,
        clip_norm=table.clip_norm,
        warmup_steps=table.warmup_steps,
        decay=table.decay,
    )
    return LoopConfig(
        steps=table.steps,
        batch=table.batch,
        micro_batch=table.micro_batch,
        optim=optim,
        ema=table.ema,
        bf16=recipe.bf16,
        checkpoint_every=table.checkpoint_every,
        validate_every=(table.validate_every or table.steps) if recipe.log.judge else 0,
        seed=recipe.seed,
        parallel=recipe.parallel,
    )


def check_parallel(recipe: TrainRecipe, stages: Sequence[str], ranks: int) -> None:
    """Whether these stages can run on so many ranks; raises InputError, before anything is made."""
    if recipe.log.tensorboard:
        from avlink.training.journal import import_tensorboard

        import_tensorboard()
    for name in stages:
        try:
            loop_of(recipe, name).micro_batch_size(ranks)
        except InputError as error:
            raise InputError(f"stage '{name}': {error}") from None
        if recipe.parallel.mode == "fsdp" and recipe.stages[name].muon_lr is not None:  # type: ignore[index]
            raise InputError(
                f"stage '{name}' asks for Muon (muon_lr), which needs whole matrices where parallel.mode = 'fsdp' has "
                "shards; leave muon_lr out, or use parallel.mode = 'ddp'"
            )


def check_judges(recipe: TrainRecipe, stages: Sequence[str], listener: Listener) -> None:
    """Whether what judges these stages is there, told before anything is made; and what has nothing to judge.

    Raises RecipeError for extractors that cannot judge, InputError where a checkpoint is missing.
    """
    ever, now = (
        {_MADE.get(task) for name in names if name.startswith("fusion") for task in tasks_of(name, recipe)}
        for names in (recipe.stages, stages)
    )
    for medium, judges in judges_of(recipe).items() if recipe.log.judge else ():
        for ready in judges:
            if medium in now and ready.lack is not None:
                raise InputError(ready.lack)
            if medium not in ever and ready.name not in WEIGHTLESS:
                said = f"log.frechet: '{ready.name}' judges {medium}, which no stage of this recipe learns to make"
                listener(Message(text=f"left out: {said}", level="warning"))


def seer(recipe: TrainRecipe, system: System) -> FeatureExtractor | None:
    """The loaded extractor that the model's fusion reads; None where that is the video backbone."""
    from avlink.training.stages.inputs import device_of

    ready = extractor_of(recipe.model, recipe.extractors, recipe.source)
    return None if ready is None else ready.load(str(device_of(system)))


def tasks_of(name: str, recipe: TrainRecipe) -> tuple[Task, ...]:
    """What a stage of the fusion learns to make."""
    one: dict[str, tuple[Task, ...]] = {"fusion_v2a": ("v2a",), "fusion_a2v": ("a2v",)}
    return one.get(name, recipe.stages[name].tasks)  # type: ignore[index]


def around(system: System, stage: Stage) -> list[nn.Module]:
    """The backbones and text encoders that stay as they are while `stage` learns."""
    names = ("audio", "video", "audio_text", "video_text")
    return [part for name in names if name not in stage.trained and (part := system.component(name)) is not None]


def stage_of(
    name: str,
    recipe: TrainRecipe,
    system: System,
    clips: ClipStore,
    held_out: ClipStore,
    out: Path,
    keep: bool = True,
    listener: Listener = ignore,
) -> Stage:
    """What a stage learns, from what, and how it is judged; `keep` is whether samples of it are written."""
    from avlink.core.recipe.stages import BACKBONE_RATES, FUSION_RATES
    from avlink.training import validation as judge
    from avlink.training.data.stills import StillStore
    from avlink.training.stages import backbones, codec, fusion, motion
    from avlink.training.stages.inputs import device_of

    samples = out if keep else None
    rates = recipe.stages[name].rates(FUSION_RATES if name.startswith("fusion") else BACKBONE_RATES)  # type: ignore[index]
    if name == "vae":
        return codec.VAEStage(system, clips)
    if name == "vocoder":
        return codec.VocoderStage(system, clips, lambda: judge.codec(system, held_out, samples))
    if name == "appearance":
        stills, unseen = (StillStore(clips.root.parent / "stills" / split) for split in ("train", "held_out"))
        if not stills:
            raise InputError("the appearance stage needs stills with the names of what is struck: set data.stills")
        return motion.AppearanceStage(system, stills, lambda: judge.appearance(system, unseen))
    if name == "motion":
        return motion.MotionStage(system, clips, lambda: judge.motion(system, held_out))
    if name == "video":
        unseen_video = backbones.VideoStage(system, held_out, rates=rates)
        return backbones.VideoStage(system, clips, lambda: judge.held_out_loss(unseen_video), rates)
    latents = _latents(system, clips, out)
    if name == "audio":
        unseen_audio = backbones.AudioStage(system, held_out, _latents(system, held_out, out), rates=rates)

        def heard() -> dict[str, float]:
            return judge.held_out_loss(unseen_audio) | judge.audio(system, held_out, samples)

        return backbones.AudioStage(system, clips, latents, heard, rates)
    table, tasks, features = recipe.stages[name], tasks_of(name, recipe), None  # type: ignore[index]
    if "v2a" in tasks and recipe.model.fusion.extracted is not None:
        from avlink.training.features import features_of

        features = features_of(recipe, clips, clips.root.parent, listener, str(device_of(system)))
    return fusion.FusionStage(
        system,
        clips,
        latents,
        name=name,
        tasks=tasks,
        conditioning=recipe.conditioning,
        rates=rates,
        finetune=table.finetune,
        features=features,
        validate=_judgement(recipe, tasks, system, held_out, samples),
    )


def _judgement(
    recipe: TrainRecipe, tasks: Sequence[Task], system: System, held_out: ClipStore, samples: Path | None
) -> Validate:
    """How a fusion is judged. Extractors are loaded and tried now: what is missing is told before hours of training."""
    from avlink.training import validation as judge
    from avlink.training.stages.inputs import device_of, nothing

    if not recipe.log.judge:
        return nothing
    times, made = recipe.conditioning, {_MADE[task] for task in tasks if task in _MADE}
    judges, device = judges_of(recipe), str(device_of(system))
    ears, eyes = (Distances(judges[medium] if medium in made else (), device) for medium in ("sound", "pictures"))
    if len(held_out):
        ears.check(judge.true_sound(system, held_out, 0))
        eyes.check(judge.true_pictures(system, held_out, 0))
    extractor = seer(recipe, system) if "sound" in made else None

    def validate() -> dict[str, float]:
        figures: dict[str, float] = {}
        if "sound" in made:
            figures |= judge.sound(system, held_out, samples, times.t_video, extractor, ears)
        if "pictures" in made:
            figures |= judge.picture(system, held_out, samples, times.t_audio, eyes)
        return figures | (judge.both(system, held_out, samples) if "both" in tasks else {})

    return validate


def _latents(system: System, clips: ClipStore, out: Path) -> ClipRows:
    """Latents of all clips, once for these weights.

    A training that makes its own clips makes them beside those, so that who takes the clips finds both.
    """
    from avlink.training.data.derived import latents_of

    beside = clips.root.parent
    bases = [out, beside] if beside.is_relative_to(out) else [beside, out]
    return latents_of(system.vae, system.config, clips, bases, ignore)
