"""Builds the stages of a training recipe: the loss, its data, the loop's settings, and the validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.core.errors import InputError
from avlink.core.events import Listener, Message, ignore
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.stages import ONE_WAY
from avlink.core.sampling import SOUND
from avlink.evaluation.extractors import BUILTIN_EXTRACTORS, fusion_extractor
from avlink.hooks import Medium
from avlink.training.distances import FrechetDistances, frechet_extractors

if TYPE_CHECKING:
    from torch import nn

    from avlink.core.features import FeatureExtractor
    from avlink.core.recipe.stages import Task
    from avlink.engine.system import System
    from avlink.engine.train.loop import LoopConfig, Stage
    from avlink.training.data.clips import ClipStore
    from avlink.training.data.precomputed import PrecomputedStore
    from avlink.training.stages.inputs import Validate


_GENERATED: Mapping[str, Medium] = {"v2a": "sound", "a2v": "pictures"}
"""The medium that a task of the fusion generates, and that Fréchet distances are taken of."""


def loop_config(recipe: TrainRecipe, name: str) -> LoopConfig:
    """Return the settings of the training loop for a stage."""
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
    """Raise InputError where a stage cannot run on so many ranks, before anything is prepared."""
    if recipe.log.tensorboard:
        from avlink.training.journal import import_tensorboard

        import_tensorboard()
    for name in stages:
        try:
            loop_config(recipe, name).micro_batch_size(ranks)
        except InputError as error:
            raise InputError(f"stage '{name}': {error}") from None
        tasks, batch = tasks_of(name, recipe), recipe.stages[name].batch  # type: ignore[index]
        if is_fusion(name) and batch < len(tasks):
            raise InputError(
                f"stage '{name}': batch = {batch} leaves one of the tasks {', '.join(tasks)} without clips in each "
                f"step; make it at least {len(tasks)}"
            )
        if recipe.parallel.mode == "fsdp" and recipe.stages[name].muon_lr is not None:  # type: ignore[index]
            raise InputError(
                f"stage '{name}' asks for Muon (muon_lr), which needs whole matrices where parallel.mode = 'fsdp' has "
                "shards; leave muon_lr out, or use parallel.mode = 'ddp'"
            )


def check_extractors(recipe: TrainRecipe, stages: Sequence[str], listener: Listener) -> None:
    """Check the extractors of the fusion and of `log.frechet` before anything is prepared.

    Reports those of `log.frechet` that no stage needs. Raises RecipeError for extractors of another medium, or that
    give no distance; InputError where a checkpoint is missing.
    """
    reads = fusion_extractor(recipe.model, recipe.extractors, recipe.source)
    if any(is_fusion(name) and _reads_features(recipe, name) for name in stages):
        assert reads is not None
        if reads.lack is not None:
            raise InputError(reads.lack)
    ever, now = (
        {_GENERATED.get(task) for name in names if is_fusion(name) for task in tasks_of(name, recipe)}
        for names in (recipe.stages, stages)
    )
    for medium, extractors in frechet_extractors(recipe).items() if recipe.log.judge else ():
        for ready in extractors:
            if medium in now and ready.lack is not None:
                raise InputError(ready.lack)
            # The built-in ones are the recipe's default: nobody asked for them.
            if medium not in ever and ready.name not in BUILTIN_EXTRACTORS:
                said = f"log.frechet: '{ready.name}' judges {medium}, which no stage of this recipe learns to make"
                listener(Message(text=f"left out: {said}", level="warning"))


def tasks_of(name: str, recipe: TrainRecipe) -> tuple[Task, ...]:
    """Return the tasks of a stage of the fusion, or that of an aligner, which guides sound."""
    if name == "aligner":
        return ("v2a",)
    return (ONE_WAY[name],) if name in ONE_WAY else recipe.stages[name].tasks  # type: ignore[index]


def is_fusion(name: str) -> bool:
    """Return True for a stage that trains Fusion Blocks."""
    return name in ONE_WAY or name == "fusion_joint"


def _reads_features(recipe: TrainRecipe, name: str) -> bool:
    """Return True if a stage of the fusion learns from an extractor's features."""
    task = {"pictures": "v2a", "sound": "a2v"}
    wanted = recipe.model.fusion.extracted
    return wanted is not None and task[wanted.medium] in tasks_of(name, recipe)


def frozen_modules(system: System, stage: Stage) -> list[nn.Module]:
    """Return the backbones and text encoders that stay frozen while `stage` learns."""
    # Losses run through them: they are sharded like the trained ones.
    names = ("audio", "video", "audio_text", "video_text")
    return [part for name in names if name not in stage.trained and (part := system.component(name)) is not None]


def build_stage(
    name: str,
    recipe: TrainRecipe,
    system: System,
    clips: ClipStore,
    held_out: ClipStore,
    out: Path,
    write_samples: bool = True,
    listener: Listener = ignore,
) -> Stage:
    """Return a stage of the recipe with its data and its validation, which writes samples if `write_samples`."""
    from avlink.core.recipe.stages import BACKBONE_RATES, FUSION_RATES
    from avlink.training import validation
    from avlink.training.data.clips import StillStore
    from avlink.training.data.maps import MapStore
    from avlink.training.stages import aligner, backbones, codec, fusion, motion, readout, reflow, spotter
    from avlink.training.stages.inputs import device_of

    samples = out if write_samples else None
    table = recipe.stages[name]  # type: ignore[index]
    rates = table.rates(FUSION_RATES if is_fusion(name) else BACKBONE_RATES)
    if name == "vae":
        return codec.VAEStage(system, clips)
    if name == "vocoder":
        return codec.VocoderStage(system, clips, table, lambda: validation.codec(system, held_out, samples))
    if name == "codec":
        return codec.CodecStage(system, clips, table, lambda: validation.codec(system, held_out, samples))
    if name == "appearance":
        # Stills lie beside the clips, in a prepared folder too.
        stills, unseen = (StillStore(clips.root.parent / "stills" / split) for split in ("train", "held_out"))
        if not stills:
            raise InputError("the appearance stage needs stills with the names of what is struck: set data.stills")
        return motion.AppearanceStage(system, stills, lambda: validation.appearance(system, unseen))
    if name == "motion":
        return motion.MotionStage(system, clips, lambda: validation.motion(system, held_out))
    if name == "spotter":
        unseen_maps = MapStore(held_out)
        return spotter.SpotterStage(system, MapStore(clips), lambda: validation.spotter(system, unseen_maps))
    if name == "video":
        unseen_video = backbones.VideoStage(system, held_out, rates=rates, motion_weight=table.motion_weight)

        def validate_video() -> dict[str, float]:
            return validation.held_out_loss(unseen_video)

        return backbones.VideoStage(system, clips, validate_video, rates, table.motion_weight)
    if name == "readout":
        t_video = recipe.conditioning.t_video
        return readout.ReadoutStage(system, clips, t_video, lambda: validation.readout(system, held_out, t_video))
    latents = _latents(system, clips, out)
    if name == "audio":
        # Of whole clips: a validation is the same every time.
        whole = rates.model_copy(update={"shortest_s": None})
        unseen_audio = backbones.AudioStage(system, held_out, _latents(system, held_out, out), rates=whole)

        def validate() -> dict[str, float]:
            return validation.held_out_loss(unseen_audio) | validation.audio(system, held_out, samples)

        return backbones.AudioStage(system, clips, latents, validate, rates)
    if name == "aligner":
        unseen_pairs = aligner.AlignerStage(system, held_out, _latents(system, held_out, out))
        return aligner.AlignerStage(system, clips, latents, lambda: aligner.told_apart(unseen_pairs))
    tasks, features = tasks_of(name, recipe), None
    if _reads_features(recipe, name):
        from avlink.training.data.precomputed import features_of

        features = features_of(recipe, clips, clips.root.parent, listener, str(device_of(system)))
    validate_fusion = _fusion_validation(name, recipe, system, held_out, samples)
    if name == "reflow_v2a":
        return reflow.ReflowStage(
            system,
            clips,
            latents,
            teacher=table.teacher,
            conditioning=recipe.conditioning,
            rates=rates,
            finetune=table.finetune,
            validate=validate_fusion,
        )
    return fusion.FusionStage(
        system,
        clips,
        latents,
        name=name,
        tasks=tasks,
        conditioning=recipe.conditioning,
        rates=rates,
        finetune=table.finetune,
        untrained=table.untrained,
        train_motion=table.motion,
        motion_weight=table.motion_weight,
        onset_weight=table.onset_weight,
        distill=table.distill,
        features=features,
        validate=validate_fusion,
    )


def _fusion_validation(
    name: str, recipe: TrainRecipe, system: System, held_out: ClipStore, samples: Path | None
) -> Validate:
    """Return the validation of a stage of the fusion; one of hits is told the true hits.

    Extractors are loaded and tried at once: an error is better told now than after hours of training.
    """
    from avlink.training import validation
    from avlink.training.stages.inputs import device_of, no_validation

    if not recipe.log.judge:
        return no_validation
    times, tasks = recipe.conditioning, tasks_of(name, recipe)
    generated = {_GENERATED[task] for task in tasks if task in _GENERATED}
    # Fewer steps than a user would take: validation must not take longer than the training.
    config = replace(SOUND, steps=8, t_condition=times.t_video)
    if name == "reflow_v2a":
        config = recipe.stages["reflow_v2a"].teacher.of_student(config)
    extractors, device = frechet_extractors(recipe), str(device_of(system))
    sound_distances, picture_distances = (
        FrechetDistances(extractors[medium] if medium in generated else (), device) for medium in ("sound", "pictures")
    )
    if len(held_out):
        sound_distances.check(validation.true_sound(system, held_out, 0))
        picture_distances.check(validation.true_pictures(system, held_out, 0))
    extractor = _load_fusion_extractor(recipe, system) if _reads_features(recipe, name) else None

    def validate() -> dict[str, float]:
        figures: dict[str, float] = {}
        if "sound" in generated:
            told = name == "fusion_hits"
            heard = partial(validation.sound, system, held_out, samples, config, extractor, sound_distances)
            figures |= heard(with_hits=told)
            if name == "reflow_v2a" and system.controller is not None:
                figures |= {f"hits_{key}": value for key, value in heard(with_hits=True).items()}
        if "pictures" in generated:
            figures |= validation.picture(system, held_out, samples, times.t_audio, extractor, picture_distances)
        return figures | (validation.both(system, held_out, samples) if "both" in tasks else {})

    return validate


def _load_fusion_extractor(recipe: TrainRecipe, system: System) -> FeatureExtractor | None:
    from avlink.training.stages.inputs import device_of

    ready = fusion_extractor(recipe.model, recipe.extractors, recipe.source)
    return None if ready is None else ready.load(str(device_of(system)))


def _latents(system: System, clips: ClipStore, out: Path) -> PrecomputedStore:
    """Return the latents of all clips, encoded once for these weights.

    A training that prepares its own clips keeps latents beside them, so that other trainings on the clips find both.
    """
    from avlink.training.data.precomputed import latents_of

    beside = clips.root.parent
    bases = [out, beside] if beside.is_relative_to(out) else [beside, out]
    return latents_of(system.vae, system.config, clips, bases, ignore)
