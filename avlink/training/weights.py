"""Weights of a training: those of start bundles, and those that its finished stages left in its folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.core.errors import BundleError, InputError
from avlink.core.paths import atomic_write
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.stages import STAGES
from avlink.training.data.prepared import clips_folder

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from avlink.engine.bundle import Bundle
    from avlink.engine.codec.vae import MelVAE
    from avlink.engine.system import System
    from avlink.engine.text.encoder import TextEncoder

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "vocoder": ("vae",),
    "codec": ("vae", "vocoder"),
    "audio": ("vae",),
    "readout": ("video", "motion"),
    "aligner": ("vae",),
    "fusion_v2a": ("vae", "audio", "video"),
    "fusion_hits": ("vae", "audio", "video", "fusion_v2a"),
    "fusion_a2v": ("vae", "audio", "video"),
    "fusion_joint": ("vae", "audio", "video"),
    "reflow_v2a": ("vae", "audio", "video", "fusion_v2a"),
}
"""The components that a stage builds on."""
_BACKBONES = frozenset({"audio", "video"})
"""Those that a stage of the fusion may begin anew."""


def system_for_stage(recipe: TrainRecipe, out: Path, stage: str, device: torch.device, *, whole: bool = True) -> System:
    """Return the model on `device` with all weights that were learned before `stage`.

    Raises InputError where it lacks a component that the stage builds on, unless `whole` is off.
    """
    from avlink.engine.system import System

    system = System(recipe.model).requires_grad_(False)
    system.eval()
    # Backbones that begin with the stage keep the random weights that they have.
    begun = _BACKBONES if stage in recipe.stages and recipe.stages[stage].untrained else frozenset[str]()
    have = load_start(recipe, system, clips_folder(recipe, out), str(device), without=begun)
    have |= load_stages(out, stage, {k: part for k, part in system.components().items() if k not in begun}) | begun
    missing = [name for name in _NEEDS.get(stage, ()) if name not in have]
    if missing and whole:
        raise InputError(f"stage '{stage}' builds on {' and '.join(missing)}, which {out} has not; train that first")
    if stage == "fusion_hits" and stage not in have:
        assert system.fusion_v2a is not None and system.fusion_hits is not None
        system.fusion_hits.load_state_dict(system.fusion_v2a.state_dict())
    return system.to(device)


def read_start_bundles(recipe: TrainRecipe) -> list[Bundle]:
    """Return the bundles that training starts from, in order; an empty list where it starts from random weights.

    Raises BundleError where there is none of that name.
    """
    from avlink.core.bundles import bundle_of, find_bundle
    from avlink.engine.bundle import read_bundle

    return [read_bundle(find_bundle(bundle_of(recipe.source, "start_from", start))) for start in recipe.starts]


def check_start(recipe: TrainRecipe) -> None:
    """Check that the recipe's model fits its start bundles, before clips are made; allocates no weights.

    Raises BundleError for a bundle of another architecture or of another mel spectrogram.
    """
    import torch

    from avlink.engine.system import System

    bundles = read_start_bundles(recipe)
    if not bundles:
        return
    # Shapes alone are compared: a model of gigabytes need not be allocated for that.
    with torch.device("meta"):
        parts = System(recipe.model).components()
    for start, bundle, names in zip(recipe.starts, bundles, _parts_of(recipe, bundles), strict=True):
        whole = [name for name in names if name not in recipe.start_partly]
        other = [name for name in whole if name in parts and not _fits(parts[name], bundle, name)]
        if {"vae", "vocoder"} & set(names) and bundle.config.mel != recipe.model.mel:
            other.append("spectrogram (model.mel)")
        if other:
            raise BundleError(
                f"start_from = '{start}': its {other[0]} is built otherwise than this recipe says; "
                "use the [model] tables of its bundle.toml, or train from the beginning"
            )


def load_start(
    recipe: TrainRecipe,
    system: System,
    clips: Path | None = None,
    device: str = "cpu",
    *,
    without: Collection[str] = (),
) -> set[str]:
    """Load the weights that the recipe starts from into `system`; returns the names of the loaded components.

    `clips` is the folder of clips whose captions may be encoded already. Components of `without` are left out.
    """
    from avlink.engine.bundle import load_into

    have: set[str] = set()
    bundles = read_start_bundles(recipe)
    for bundle, names in zip(bundles, _parts_of(recipe, bundles), strict=True):
        parts = {name: part for name, part in system.components().items() if name in names and name not in without}
        load_into(parts, bundle, partly=recipe.start_partly)
        have |= set(parts)
    if bundles and recipe.model.text.kind == "t5":
        system.external_text = _text_encoder(recipe, text_bundle(bundles), clips, device)
    return have


def load_start_vae(recipe: TrainRecipe, bundles: Sequence[Bundle]) -> MelVAE | None:
    """Return the VAE that training starts from; None where the recipe trains its own, or no bundle has one."""
    from avlink.engine.bundle import load_into
    from avlink.engine.codec.vae import MelVAE

    bundle = next((b for b, names in zip(bundles, _parts_of(recipe, bundles), strict=True) if "vae" in names), None)
    if bundle is None or "vae" in recipe.stages:
        return None
    vae = MelVAE(recipe.model.vae, recipe.model.mel.n_mels).requires_grad_(False).eval()
    load_into({"vae": vae}, bundle)
    return vae


def text_bundle(bundles: Sequence[Bundle]) -> Bundle:
    """Return the bundle whose text encoder is used: the first that brings one; every bundle of a T5 model may."""
    return next((bundle for bundle in bundles if bundle.text is not None), bundles[0])


def save_stage(folder: Path, stage: str, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Write the whole weights of the components that `stage` trained, averaged over its steps."""
    from safetensors.torch import save_file

    place = folder / "weights"
    for name, state in weights.items():
        # A stage counts as done once a file of this name exists: it must be whole.
        with atomic_write(place / f"{stage}.{name}.safetensors") as hidden:
            save_file(dict(state), hidden)


def load_stages(folder: Path, before: str | None, modules: Mapping[str, nn.Module]) -> set[str]:
    """Load the newest weights of the stages before `before` (None: of all stages) into `modules`.

    Returns the names of the loaded modules.
    """
    from safetensors.torch import load_file

    loaded = set()
    order: Iterable[str] = STAGES if before is None else STAGES[: STAGES.index(before)]
    # In order, so that the newest weights are loaded last.
    for stage in order:
        for name, module in modules.items():
            path = folder / "weights" / f"{stage}.{name}.safetensors"
            if path.is_file():
                # Earlier versions had keys of motion in fusions that make pictures.
                own = module.state_dict().keys()
                module.load_state_dict({key: value for key, value in load_file(path).items() if key in own})
                loaded.add(name)
    return loaded


def is_done(folder: Path, stage: str) -> bool:
    """Return True if `stage` ran to its end in this folder."""
    return any((folder / "weights").glob(f"{stage}.*.safetensors"))


def _parts_of(recipe: TrainRecipe, bundles: Sequence[Bundle]) -> list[list[str]]:
    """Return the components that each bundle gives: of several with the same one, the last."""
    found: list[list[str]] = []
    later: set[str] = set()
    for bundle in reversed(bundles):
        names = [name for name in bundle.components if not recipe.start_parts or name in recipe.start_parts]
        found.append([name for name in names if name not in later])
        later |= set(names)
    return found[::-1]


def _fits(part: nn.Module, bundle: Bundle, name: str) -> bool:
    return all(
        list(value.shape) == bundle.tensors.get(f"{name}.{key}", {}).get("shape")
        for key, value in part.state_dict().items()
    )


def _text_encoder(recipe: TrainRecipe, bundle: Bundle, clips: Path | None, device: str) -> TextEncoder | None:
    """Return T5, or the encoded captions of prepared clips, which load T5 only for other texts."""
    from avlink.engine.bundle import load_text_encoder
    from avlink.training.data.texts import CachedTextEncoder, TextStore, texts_folder

    length = recipe.model.text.max_length

    def load() -> TextEncoder:
        encoder = load_text_encoder(bundle.folder, bundle.text, device, length)
        assert encoder is not None
        return encoder

    if not bundle.text:
        return None
    folder = None if clips is None else texts_folder(clips, bundle, length)
    return load() if folder is None or not folder.is_dir() else CachedTextEncoder(TextStore(folder), load)
