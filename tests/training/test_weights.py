from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from avlink.core.bundles import find_bundle
from avlink.core.errors import BundleError
from avlink.core.recipe import load_recipe
from avlink.engine.bundle import load_into, load_system, read_bundle, write_bundle
from avlink.engine.system import System
from avlink.training.weights import (
    check_start,
    is_done,
    load_stages,
    load_start,
    read_start_bundles,
    save_stage,
    system_for_stage,
)

BUILTIN = read_bundle(find_bundle("builtin"))


def _filled(value: float) -> dict[str, torch.Tensor]:
    return {name: torch.full_like(tensor, value) for name, tensor in nn.Linear(2, 2).state_dict().items()}


def test_a_stage_begins_with_the_newest_weights_of_those_before_it(tmp_path: Path) -> None:
    save_stage(tmp_path, "appearance", {"motion": _filled(1)})
    save_stage(tmp_path, "motion", {"motion": _filled(2)})
    save_stage(tmp_path, "fusion_v2a", {"motion": _filled(3), "fusion_v2a": _filled(4)})
    assert is_done(tmp_path, "motion") and not is_done(tmp_path, "audio")

    def loaded(before: str | None) -> tuple[set[str], float]:
        modules = {"motion": nn.Linear(2, 2), "audio": nn.Linear(2, 2)}
        names = load_stages(tmp_path, before, modules)
        return names, float(modules["motion"].weight[0, 0].detach())

    assert loaded("motion") == ({"motion"}, 1.0)
    assert loaded("fusion_v2a") == ({"motion"}, 2.0)
    assert loaded(None) == ({"motion"}, 3.0)
    assert loaded("vae")[0] == set()


def test_of_a_component_taken_in_part_tensors_of_equal_shape_come_from_the_bundle() -> None:
    """The audio backbone of another codec starts with all but its first and last layer."""
    other = ["model.vae.latent_channels=8", 'start_parts=["audio", "audio_text"]']
    recipe = load_recipe("foley48/audio", "train", other)
    check_start(recipe)
    bundle = read_start_bundles(recipe)[0]
    torch.manual_seed(0)
    system = System(recipe.model)
    before = {name: value.clone() for name, value in system.audio.state_dict().items()}
    assert load_start(recipe, system) == {"audio", "audio_text"}
    stored = System(bundle.config)
    load_into({"audio": stored.audio}, bundle)
    source = stored.audio.state_dict()
    taken = 0
    for name, value in system.audio.state_dict().items():
        same = value.shape == source[name].shape
        assert torch.equal(value, source[name] if same else before[name]), name
        taken += same
    assert 0.9 * len(before) < taken < len(before)
    with pytest.raises(BundleError, match="its audio is built otherwise"):
        check_start(recipe.model_copy(update={"start_partly": ()}))


def test_a_stored_system_is_loaded_without_random_numbers() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    loaded = load_system(BUILTIN)
    assert torch.equal(torch.random.get_rng_state(), before)
    drawn = System(BUILTIN.config)
    load_into(drawn.components(), BUILTIN)
    tensors = [dict(system.state_dict()) | dict(system.named_buffers()) for system in (loaded, drawn)]
    assert tensors[0].keys() == tensors[1].keys()
    assert all(torch.equal(value, tensors[1][name]) for name, value in tensors[0].items())


@pytest.mark.parametrize("untrained", [True, False])
def test_a_stage_that_begins_untrained_takes_all_but_the_backbones_from_its_start(
    untrained: bool, tmp_path: Path
) -> None:
    settings = [f"stages.fusion_v2a.untrained={str(untrained).lower()}"]
    recipe = load_recipe("foley48/fusion_v2a", "train", settings)
    system = system_for_stage(recipe, tmp_path, "fusion_v2a", torch.device("cpu"))
    stored = System(recipe.model)
    load_into({name: part for name, part in stored.components().items() if name in ("audio", "video", "vae")}, BUILTIN)
    for name in ("audio", "video", "vae"):
        pairs = zip(stored.component(name).parameters(), system.component(name).parameters(), strict=True)
        same = all(torch.equal(one, other) for one, other in pairs)
        assert same is (name == "vae" or not untrained), name


def test_of_several_bundles_with_a_component_the_last_one_counts_and_alone_must_fit(tmp_path: Path) -> None:
    """A codec of its own replaces that of the first bundle, which has another mel spectrogram."""
    small = ["model.vae.dim=32", "model.vae.fine_dim=32", "model.vocoder.dim=32", "model.vocoder.layers=1"]
    recipe = load_recipe("foley48/audio", "train", [*small, "start_parts=[]"])
    system = System(recipe.model)
    parts = {name: part for name, part in system.components().items() if name not in ("video_text",)}
    write_bundle(tmp_path, recipe.model, parts, name="codec", licence="CC0-1.0", description="", training={})
    both = recipe.model_copy(update={"start_from": ("builtin", str(tmp_path))})
    check_start(both)
    fresh = System(recipe.model)
    assert {"vae", "video_text"} <= load_start(both, fresh)
    assert torch.equal(fresh.vae.state_dict()["latent_mean"], system.vae.state_dict()["latent_mean"])
    with pytest.raises(BundleError, match="is built otherwise"):
        check_start(recipe)
