from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from avlink.ablation.cost import step_cost, variant_cost
from avlink.core.recipe import load_recipe
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore
from avlink.training.data.index import ClipLabels
from avlink.training.weights import save_stage

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
from tiny_recipe import ALIGNER, FOUNDRY, MODEL, stages


def test_flops_are_proportional_to_the_batch_and_parameters_are_those_of_the_fusion(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(FOUNDRY + MODEL + ALIGNER + stages("vae audio video aligner fusion_v2a", 1))
    recipe = load_recipe(tmp_path / "tiny.toml", "train")
    torch.manual_seed(0)
    parts = System(recipe.model).components()
    for stage in ("vae", "audio", "video"):
        save_stage(tmp_path, stage, {stage: parts[stage].state_dict()})
    frames, sound = np.zeros((2, 124, 36, 64, 3), np.uint8), np.zeros((2, 82560))
    ClipStore.write_shard(tmp_path / "clips" / "train", 0, frames, sound, [ClipLabels(caption="wood")] * 2)
    settings = [[f"stages.fusion_v2a.batch={batch}"] for batch in (4, 8, 16)]
    recipes = [load_recipe(tmp_path / "tiny.toml", "train", setting) for setting in settings]
    costs = [step_cost(recipe, "fusion_v2a", tmp_path) for recipe in recipes]
    # From nine clips on, FLOPs are extrapolated.
    assert costs[1].flops == pytest.approx(2 * costs[0].flops, rel=0.15)
    assert costs[2].flops == pytest.approx(2 * costs[1].flops)
    wanted = sum(parameter.numel() for parameter in parts["fusion_v2a"].parameters())
    assert {cost.parameters for cost in costs} == {wanted}
    # Of one step of the one and three of the other, a mean step; both are paid for.
    three = recipe.stages["fusion_v2a"].model_copy(update={"steps": 3})
    recipe = recipe.model_copy(update={"stages": recipe.stages | {"fusion_v2a": three}})
    fusion, aligner = (step_cost(recipe, stage, tmp_path) for stage in ("fusion_v2a", "aligner"))
    both = variant_cost(recipe, ("aligner", "fusion_v2a"), tmp_path)
    assert aligner.flops > 0 and both.flops == pytest.approx((3 * fusion.flops + aligner.flops) / 4)
    assert both.parameters == fusion.parameters + aligner.parameters
