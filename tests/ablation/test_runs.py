from __future__ import annotations

from pathlib import Path

from avlink.ablation.cost import StepCost
from avlink.ablation.runs import Variant, VariantRun
from avlink.core.recipe import load_recipe


def test_a_variant_is_changed_by_copies_and_each_seed_has_a_folder() -> None:
    recipe = load_recipe("foley_tiny", "train")
    variant = Variant(name="plain", recipe=recipe, stage="fusion_v2a")
    changed = variant.with_steps(7).with_seed(4)
    assert (changed.table.steps, changed.recipe.seed) == (7, 4)
    # One stage is left, and the variant itself is as it was.
    assert set(changed.recipe.stages) == {"fusion_v2a"} and variant.recipe == recipe
    cost = StepCost(parameters=1, flops=1.0)
    names = [VariantRun(out=Path(), variant=variant.with_seed(seed), cost=cost).name for seed in (0, 4)]
    assert names == ["plain", "plain-seed4"]
