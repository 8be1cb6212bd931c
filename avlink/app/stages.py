"""The stages of a training recipe, put together: the model so far, what is learned from what, and how it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.app.distances import ears_of
from avlink.app.extracted import extractor_of, features_of
from avlink.core.errors import InputError
from avlink.core.events import Listener, ignore
from avlink.core.recipe import TrainRecipe

if TYPE_CHECKING:
    import torch
    from torch import nn

    from avlink.core.features import FeatureExtractor
    from avlink.core.training import Task
    from avlink.engine.bundle.bundle import Bundle
    from avlink.engine.models.system import System
    from avlink.engine.text.byte_encoder import TextEncoder
    from avlink.engine.train.clip_rows import ClipRows
    from avlink.engine.train.clips import ClipStore
    from avlink.engine.train.loop import LoopConfig, Stage


def system_for(recipe: TrainRecipe, out: Path, stage: str, device: torch.device) -> System:
    """The model as `stage` finds it on `device`: with the weights of the stages before it.

    Raises InputError where it lacks what the stage builds on.
    """
    from avlink.engine.models.system import System
    from avlink.engine.train.weights import load_before

    system = System(recipe.model).requires_grad_(False)
    system.eval()
    have = begin_weights(recipe, system, prepared_in(recipe, out), str(device))
    have |= load_before(out, stage, system.components())
    needs = {
        "vocoder": ("vae",),
        "audio": ("vae",),
        "fusion_v2a": ("vae", "audio", "video"),
        "fusion_a2v": ("vae", "audio", "video"),
        "fusion_joint": ("vae", "audio", "video"),
    }.get(stage, ())
    missing = [name for name in needs if name not in have]
    if missing:
        raise InputError(f"stage '{stage}' builds on {' and '.join(missing)}, which {out} has not; train that first")
    return system.to(device)


def prepared_in(recipe: TrainRecipe, out: Path) -> Path:
    """The folder of the clips of a training in `out`."""
    prepared = recipe.data.prepared
    return out / "clips" if prepared is None else recipe.source.path("data.prepared", prepared)


def start_bundles(recipe: TrainRecipe) -> list[Bundle]:
    """The bundles that training starts from, in order; none where it starts from nothing.

    Raises BundleError where there is none of that name.
    """
    from avlink.core.bundles import find_bundle, shipped_bundles
    from avlink.engine.bundle.bundle import read_bundle

    shipped = (*shipped_bundles(), "builtin")
    return [
        read_bundle(find_bundle(start if start in shipped else str(recipe.source.path("start_from", start))))
        for start in recipe.starts
    ]


def check_start(recipe: TrainRecipe) -> None:
    """Whether the recipe can start from its bundle, told before clips are made; allocates no weight.

    Raises BundleError for a bundle of another architecture, or one that speaks another spectrogram.
    """
    import torch

    from avlink.engine.models.system import System

    bundles = start_bundles(recipe)
    if not bundles:
        return
    with torch.device("meta"):
        parts = System(recipe.model).components()
    for start, bundle in zip(recipe.starts, bundles, strict=True):
        chosen = taken(recipe, bundle)
        other = [name for name in chosen if name in parts and not _fits(parts[name], bundle, name)]
        if {"vae", "vocoder"} & set(chosen) and bundle.config.mel != recipe.model.mel:
            other.append("spectrogram (model.mel)")
        if other:
            from avlink.core.errors import BundleError

            raise BundleError(
                f"start_from = '{start}': its {other[0]} is built otherwise than this recipe says; "
                "use the [model] tables of its bundle.toml, or train from the beginning"
            )


def begin_weights(recipe: TrainRecipe, system: System, prepared: Path | None = None, device: str = "cpu") -> set[str]:
    """Give `system` the weights that the recipe starts from; returns the components that have some.

    `prepared` is the folder of clips whose captions may be encoded already.
    """
    from avlink.engine.bundle.bundle import load_into

    have: set[str] = set()
    bundles = start_bundles(recipe)
    for bundle in bundles:
        parts = {name: part for name, part in system.components().items() if name in taken(recipe, bundle)}
        load_into(parts, bundle)
        have |= set(parts)
    if bundles and recipe.model.text.kind == "t5":
        system.external_text = _text_of(recipe, text_bundle(bundles), prepared, device)
    return have


def taken(recipe: TrainRecipe, bundle: Bundle) -> list[str]:
    """The components that training takes from a start bundle."""
    return [name for name in bundle.components if not recipe.start_parts or name in recipe.start_parts]


def text_bundle(bundles: Sequence[Bundle]) -> Bundle:
    """Whose T5 is asked: every bundle of a T5 model may bring it along, and the first that does is taken."""
    return next((bundle for bundle in bundles if bundle.text is not None), bundles[0])


def _fits(part: nn.Module, bundle: Bundle, name: str) -> bool:
    return all(
        list(value.shape) == bundle.tensors.get(f"{name}.{key}", {}).get("shape")
        for key, value in part.state_dict().items()
    )


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
        tensorboard=recipe.log.tensorboard,
    )


def check_parallel(recipe: TrainRecipe, stages: Sequence[str], ranks: int) -> None:
    """Whether these stages can run on so many ranks; raises InputError, before anything is made."""
    if recipe.log.tensorboard:
        from avlink.engine.train.journal import import_tensorboard

        import_tensorboard()
    for name in stages:
        try:
            loop_of(recipe, name).micro(ranks)
        except InputError as error:
            raise InputError(f"stage '{name}': {error}") from None
        if recipe.parallel.mode == "fsdp" and recipe.stages[name].muon_lr is not None:  # type: ignore[index]
            raise InputError(
                f"stage '{name}' asks for Muon (muon_lr), which needs whole matrices where parallel.mode = 'fsdp' has "
                "shards; leave muon_lr out, or use parallel.mode = 'ddp'"
            )


def seer(recipe: TrainRecipe, system: System) -> FeatureExtractor | None:
    """The loaded extractor that the model's fusion reads; None where that is the video backbone."""
    from avlink.engine.train.stages.inputs import device_of

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
    from avlink.app import judge
    from avlink.core.training import BACKBONE_RATES, FUSION_RATES
    from avlink.engine.train.stages import backbones, codec, fusion, motion
    from avlink.engine.train.stages.inputs import device_of
    from avlink.engine.train.stills import StillStore

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
        return backbones.VideoStage(system, clips, rates=rates)
    latents = _latents(system, clips, out)
    if name == "audio":
        return backbones.AudioStage(system, clips, latents, lambda: judge.audio(system, held_out, samples), rates)
    times, table = recipe.conditioning, recipe.stages[name]  # type: ignore[index]
    tasks = tasks_of(name, recipe)
    features = None
    if "v2a" in tasks and recipe.model.fusion.extracted is not None:
        features = features_of(recipe, clips, clips.root.parent, listener, str(device_of(system)))
    device = str(device_of(system))
    judged = "v2a" in tasks and recipe.log.judge
    # Loaded now: what is missing is told before hours of training.
    eyes, ears = (seer(recipe, system), ears_of(recipe, device)) if judged else (None, {})

    def validate() -> dict[str, float]:
        heard = judge.sound(system, held_out, samples, times.t_video, eyes, ears) if judged else {}
        return heard | (judge.picture(system, held_out, samples, times.t_audio) if "a2v" in tasks else {})

    return fusion.FusionStage(
        system,
        clips,
        latents,
        name=name,
        tasks=tasks,
        conditioning=times,
        rates=rates,
        finetune=table.finetune,
        features=features,
        validate=validate,
    )


def _latents(system: System, clips: ClipStore, out: Path) -> ClipRows:
    """Latents of all clips: prepared with them, or made here, once for these weights."""
    from avlink.app.dataset.derived import latents_of

    return latents_of(system.vae, system.config, clips, [clips.root.parent, out], ignore)


def _text_of(recipe: TrainRecipe, bundle: Bundle, prepared: Path | None, device: str) -> TextEncoder | None:
    """T5, or what it said of the captions of prepared clips; it is loaded then for other words alone."""
    from avlink.app.dataset.derived import texts_folder
    from avlink.engine.bundle.text import load_text
    from avlink.engine.text.cached import CachedText, TextStore

    length = recipe.model.text.max_length

    def load() -> TextEncoder:
        encoder = load_text(bundle.folder, bundle.text, device, length)
        assert encoder is not None
        return encoder

    if not bundle.text:
        return None
    folder = None if prepared is None else texts_folder(prepared, bundle, length)
    return load() if folder is None or not folder.is_dir() else CachedText(TextStore(folder), load)
