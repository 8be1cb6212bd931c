from __future__ import annotations

from pathlib import Path

from avlink.ablation.cost import StepCost
from avlink.ablation.runs import Variant, VariantRun
from avlink.core.recipe import load_recipe


def test_a_variant_is_changed_by_copies_and_each_seed_has_a_folder() -> None:
    recipe = load_recipe("foley_tiny", "train")
    variant = Variant(name="plain", recipe=recipe, stages=("fusion_v2a",))
    changed = variant.with_steps(7).with_seed(4)
    assert (changed.table.steps, changed.recipe.seed) == (7, 4)
    # One stage is left, and the variant itself is as it was.
    assert set(changed.recipe.stages) == {"fusion_v2a"} and variant.recipe == recipe
    cost = StepCost(parameters=1, flops=1.0)
    names = [VariantRun(out=Path(), variant=variant.with_seed(seed), cost=cost).name for seed in (0, 4)]
    assert names == ["plain", "plain-seed4"]


def test_steps_are_divided_among_the_stages_of_a_variant_as_its_recipe_says() -> None:
    recipe = load_recipe("ablation/diff_foley", "train")
    given = recipe.stages["aligner"].steps, recipe.stages["fusion_v2a"].steps
    variant = Variant(name="two", recipe=recipe, stages=("aligner", "fusion_v2a"))
    assert variant.stage == "fusion_v2a" and variant.steps == sum(given)
    assert variant.with_steps(variant.steps).recipe.stages["aligner"].steps == given[0]
    half = variant.with_steps(variant.steps // 2)
    assert set(half.recipe.stages) == {"aligner", "fusion_v2a"}
    assert [half.recipe.stages[stage].steps for stage in variant.stages] == [count // 2 for count in given]
    assert [table.steps for table in variant.with_steps(1).recipe.stages.values()] == [1, 1]
    followed = half.followed(5).recipe.stages
    assert (followed["aligner"].validate_every, followed["fusion_v2a"].validate_every) == (0, 5)
