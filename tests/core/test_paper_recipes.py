"""The recipes of the paper's trainings say its numbers, and build its model."""

from __future__ import annotations

from typing import Any

import pytest

from avlink.core.architecture import PAPER
from avlink.core.recipe import builtin_recipes, load_recipe
from avlink.core.recipe.stages import BACKBONE_RATES, FUSION_RATES, STAGES

OPTIMISER = {"betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.01, "warmup_steps": 10000, "decay": 0.0}
BACKBONE = {"text_drop": 0.1, "time_location": 0.0, "time_scale": 1.0}
FUSION = {"text_drop": 0.5, "other_text_drop": 0.2, "time_location": -1.0, "time_scale": 1.0}
SAID: dict[str, tuple[str, dict[str, Any]]] = {
    "paper/audio_base": ("audio", {"steps": 100_000, "batch": 1024, "lr": 3e-4} | OPTIMISER | BACKBONE),
    "paper/video_base": ("video", {"steps": 250_000, "batch": 512, "lr": 3e-4} | OPTIMISER | BACKBONE),
    "paper/fusion_v2a": ("fusion_v2a", {"steps": 50_000, "batch": 256, "lr": 3e-4} | OPTIMISER | FUSION),
    "paper/fusion_a2v": ("fusion_a2v", {"steps": 50_000, "batch": 256, "lr": 3e-4} | OPTIMISER | FUSION),
    "paper/fusion_joint": ("fusion_joint", {"steps": 50_000, "batch": 256, "lr": 3e-4} | OPTIMISER | FUSION),
    "paper/fusion_ablation": ("fusion_v2a", {"steps": 50_000, "batch": 128, "lr": 1e-4} | OPTIMISER | FUSION),
}


@pytest.mark.parametrize("name", SAID)
def test_a_recipe_says_every_number_of_its_section(name: str) -> None:
    recipe = load_recipe(name, "train")
    stage, wanted = SAID[name]
    assert list(recipe.stages) == [stage]
    table = recipe.stages[stage].model_dump()  # type: ignore[index]
    assert {key: table[key] for key in wanted} == wanted
    # In words of its own, not by a default that may change.
    said = recipe.source.values["stages"][stage]
    assert set(wanted) <= set(said)
    assert (recipe.conditioning.t_video, recipe.conditioning.t_audio) == (0.96, 0.8)
    assert recipe.bf16 and recipe.parallel.mode == "fsdp"
    fusion = PAPER.fusion.model_copy(update={"shared": stage == "fusion_joint"})
    assert recipe.model == PAPER.model_copy(update={"fusion": fusion})
    for ranks in (8, 16):
        assert table["batch"] % (ranks * min(table["micro_batch"], table["batch"] // ranks)) == 0


def test_each_number_has_its_place_beside_it() -> None:
    for name, file in builtin_recipes().items():
        if name.startswith("paper/") and name in {*SAID, "paper/model"}:
            for line in file.read_text(encoding="utf-8").splitlines():
                key = line.partition("=")[0].strip()
                if (
                    "=" in line
                    and not line.startswith("#")
                    and key in {"lr", "steps", "batch", "eps", "text_drop", "depth"}
                ):
                    assert any(place in line for place in ("section", "C.", "D.1", "appendix")), f"{name}: {line}"


def test_the_model_has_as_many_parameters_as_the_papers() -> None:
    from avlink.engine.system import parameter_counts

    counts = parameter_counts(load_recipe("paper/model", "train").model)
    assert "audio_text" not in counts and "motion" not in counts
    for name in ("audio", "video"):
        assert abs(counts[name] / 576e6 - 1) < 0.01
    for name in ("fusion_v2a", "fusion_a2v"):
        # Eight blocks of 23.25M, and one embedding of both flow times.
        assert abs(counts[name] / 186_018_816 - 1) < 0.001
        assert abs((counts[name] - 1_312_768) / 8 / 23.25e6 - 1) < 0.01


def test_what_a_table_leaves_out_is_the_papers() -> None:
    stages = load_recipe("vggsound", "train").stages
    assert set(stages) <= set(STAGES)
    assert stages["fusion_v2a"].rates(FUSION_RATES) == FUSION_RATES
    assert stages["vae"].rates(BACKBONE_RATES) == BACKBONE_RATES
    changed = load_recipe("vggsound", "train", ["stages.audio.text_drop=0.25"]).stages["audio"]
    assert changed.rates(BACKBONE_RATES).text_drop == 0.25
