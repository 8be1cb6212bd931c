"""What a training begins with: the weights of the stages before, of start bundles, and where its clips lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.core.errors import InputError
from avlink.core.recipe import TrainRecipe

if TYPE_CHECKING:
    import torch
    from torch import nn

    from avlink.engine.bundle import Bundle
    from avlink.engine.system import System
    from avlink.engine.text.encoder import TextEncoder


def system_for(recipe: TrainRecipe, out: Path, stage: str, device: torch.device) -> System:
    """The model as `stage` finds it on `device`: with the weights of the stages before it.

    Raises InputError where it lacks what the stage builds on.
    """
    from avlink.engine.system import System
    from avlink.training.weights import load_before

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
    from avlink.engine.bundle import read_bundle

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

    from avlink.engine.system import System

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
    from avlink.engine.bundle import load_into

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


def _text_of(recipe: TrainRecipe, bundle: Bundle, prepared: Path | None, device: str) -> TextEncoder | None:
    """T5, or what it said of the captions of prepared clips; it is loaded then for other words alone."""
    from avlink.engine.bundle import load_text_encoder
    from avlink.training.data.cached_texts import CachedText, TextStore
    from avlink.training.data.derived import texts_folder

    length = recipe.model.text.max_length

    def load() -> TextEncoder:
        encoder = load_text_encoder(bundle.folder, bundle.text, device, length)
        assert encoder is not None
        return encoder

    if not bundle.text:
        return None
    folder = None if prepared is None else texts_folder(prepared, bundle, length)
    return load() if folder is None or not folder.is_dir() else CachedText(TextStore(folder), load)
