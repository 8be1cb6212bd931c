"""The stages of a training recipe, put together: the model so far, what is learned from what, and how it is judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avlink.core.errors import InputError
from avlink.core.events import ignore
from avlink.core.recipe import TrainRecipe

if TYPE_CHECKING:
    from torch import nn

    from avlink.engine.bundle.bundle import Bundle
    from avlink.engine.models.system import System
    from avlink.engine.text.byte_encoder import TextEncoder
    from avlink.engine.train.clips import ClipStore
    from avlink.engine.train.latents import LatentStore
    from avlink.engine.train.loop import LoopConfig, Stage


def system_for(recipe: TrainRecipe, out: Path, stage: str) -> System:
    """The model as `stage` finds it: with the weights of the stages before it.

    Raises InputError where it lacks what the stage builds on.
    """
    from avlink.engine.models.system import System
    from avlink.engine.train.weights import load_before

    system = System(recipe.model).requires_grad_(False)
    system.eval()
    have = begin_weights(recipe, system, prepared_in(recipe, out)) | load_before(out, stage, system.components())
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


def prepared_in(recipe: TrainRecipe, out: Path) -> Path:
    """The folder of the clips of a training in `out`."""
    prepared = recipe.data.prepared
    return out / "clips" if prepared is None else recipe.source.path("data.prepared", prepared)


def start_bundle(recipe: TrainRecipe) -> Bundle | None:
    """The bundle that training starts from; None where it starts from nothing.

    Raises BundleError where there is none of that name.
    """
    from avlink.core.bundles import find_bundle, shipped_bundles
    from avlink.engine.bundle.bundle import read_bundle

    start = recipe.start_from
    if start is None:
        return None
    shipped = start in (*shipped_bundles(), "builtin")
    return read_bundle(find_bundle(start if shipped else str(recipe.source.path("start_from", start))))


def check_start(recipe: TrainRecipe) -> None:
    """Whether the recipe can start from its bundle, told before clips are made; allocates no weight.

    Raises BundleError for a bundle of another architecture, or one that speaks another spectrogram.
    """
    import torch

    from avlink.engine.models.system import System

    bundle = start_bundle(recipe)
    if bundle is None:
        return
    with torch.device("meta"):
        parts = System(recipe.model).components()
    other = [name for name in bundle.components if name in parts and not _fits(parts[name], bundle, name)]
    if {"vae", "vocoder"} & set(bundle.components) and bundle.config.mel != recipe.model.mel:
        other.append("spectrogram (model.mel)")
    if other:
        from avlink.core.errors import BundleError

        raise BundleError(
            f"start_from = '{recipe.start_from}': its {other[0]} is built otherwise than this recipe says; "
            "use the [model] tables of its bundle.toml, or train from the beginning"
        )


def begin_weights(recipe: TrainRecipe, system: System, prepared: Path | None = None) -> set[str]:
    """Give `system` the weights that the recipe starts from; returns the components that have some.

    `prepared` is the folder of clips whose captions may be encoded already.
    """
    from avlink.engine.bundle.bundle import load_into

    bundle = start_bundle(recipe)
    if bundle is None:
        return set()
    parts = {name: part for name, part in system.components().items() if name in bundle.components}
    load_into(parts, bundle)
    if recipe.model.text.kind == "t5":
        system.external_text = _text_of(recipe, bundle, prepared)
    return set(parts)


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


def stage_of(name: str, recipe: TrainRecipe, system: System, clips: ClipStore, held_out: ClipStore, out: Path) -> Stage:
    """What a stage learns, from what, and how it is judged."""
    from avlink.app import judge
    from avlink.engine.train.stages import backbones, codec, fusion, motion
    from avlink.engine.train.stills import StillStore

    if name == "vae":
        return codec.VAEStage(system, clips)
    if name == "vocoder":
        return codec.VocoderStage(system, clips, lambda: judge.codec(system, held_out, out))
    if name == "appearance":
        stills, unseen = (StillStore(clips.root.parent / "stills" / split) for split in ("train", "held_out"))
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


def _latents(system: System, clips: ClipStore, out: Path) -> LatentStore:
    """Latents of all clips: prepared with them, or made here, once for these weights."""
    from avlink.app.dataset.derived import latents_of

    return latents_of(system.vae, system.config, clips, [clips.root.parent, out], ignore)


def _text_of(recipe: TrainRecipe, bundle: Bundle, prepared: Path | None) -> TextEncoder | None:
    """T5, or what it said of the captions of prepared clips; it is loaded then for other words alone."""
    from avlink.app.dataset.derived import texts_folder
    from avlink.engine.bundle.text import load_text
    from avlink.engine.text.cached import CachedText, TextStore

    length = recipe.model.text.max_length

    def load() -> TextEncoder:
        encoder = load_text(bundle.folder, bundle.text, "cpu", length)
        assert encoder is not None
        return encoder

    if not bundle.text:
        return None
    folder = None if prepared is None else texts_folder(prepared, bundle, length)
    return load() if folder is None or not folder.is_dir() else CachedText(TextStore(folder), load)
