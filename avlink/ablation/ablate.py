"""Ablations: variants of one model, trained on the same backbones and clips and scored on the same held-out clips.

One folder holds `base` and a folder per run, so that a stopped ablation continues where it was.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from avlink.ablation.cost import variant_cost
from avlink.ablation.measure import VariantEvaluator
from avlink.ablation.report import AblateReport
from avlink.ablation.runs import Variant, VariantRun, learning_curve, run_variants
from avlink.core.errors import RecipeError
from avlink.core.events import JobStarted, Listener, Message, ignore
from avlink.core.outputs import claim_folder
from avlink.core.paths import make_folder
from avlink.core.recipe import AblateRecipe, TrainRecipe, load_recipe, overrides_of
from avlink.core.recipe.stages import STAGES
from avlink.engine.bundle import read_bundle
from avlink.evaluation.extractors import fusion_extractor
from avlink.session import pick_device
from avlink.training.data.prepare import prepare
from avlink.training.train import train


def ablate(
    recipe: AblateRecipe,
    out: Path,
    *,
    only: Sequence[str] = (),
    device: str = "cpu",
    jobs: int = 1,
    listener: Listener = ignore,
) -> AblateReport:
    """Train and score the recipe's variants, or `only` those of some names, in the folder `out`, `jobs` at once.

    Raises RecipeError where a variant differs from the base in more than its fusion, controller or aligner, or a name
    is not in the recipe.
    """
    base, variants = read_variants(recipe)
    unknown = [name for name in only if name not in {variant.name for variant in variants}]
    if unknown:
        known = ", ".join(variant.name for variant in variants)
        raise RecipeError(f"there is no variant '{unknown[0]}' in the recipe; it has {known}")
    # The first variant is kept, as its FLOPs are the budget of all others.
    variants = tuple(v for v in variants if not only or v.name in only or v is variants[0])
    variants = tuple(v for v in variants if _has_extractor(v, listener))
    claim_folder(out, marks=("base", "table.json"), what="an ablation")
    make_folder(out)
    device = pick_device(device)
    listener(JobStarted(job_id="base", name=f"backbones: {base.name}"))
    bundle = train(base, out / "base", listener=listener)
    parts = tuple(name for name in read_bundle(bundle).components if not name.startswith("fusion"))
    variants = tuple(replace(v, recipe=_on_base(v, bundle, parts)) for v in variants)
    variants = tuple(v.followed(recipe.curve_every) if v.name in recipe.followed else v for v in variants)
    # A bundle keeps weights in half precision, so that its VAE gives other latents than those of the base's stages.
    prepare(variants[0].recipe, out / "base" / "clips", listener, device=device)
    costs = [variant_cost(v.recipe, v.stages, out / "base") for v in variants]
    budget = costs[0].flops * variants[0].steps
    runs = []
    # Seed by seed, so that an ablation that is stopped early has a row of every variant.
    for seed, (variant, cost) in product(recipe.seeds, zip(variants, costs, strict=True)):
        if only and variant.name not in only:
            continue
        if recipe.compute == "flops":
            variant = variant.with_steps(max(1, round(budget / cost.flops)))
        runs.append(VariantRun(out=out, variant=variant.with_seed(seed), cost=cost))
    rows = run_variants(runs, VariantEvaluator(recipe, out / "base", device), jobs, listener)
    curves = tuple(point for run in runs if run.variant.name in recipe.followed for point in learning_curve(run))
    report = AblateReport(compute=recipe.compute, clips=recipe.clips, rows=rows, curves=curves)
    report.write(out)
    listener(Message(text=f"table and plots written: {os.fspath(out)}"))
    return report


def read_variants(recipe: AblateRecipe) -> tuple[TrainRecipe, tuple[Variant, ...]]:
    """Return the base and all variants, checked against it. Raises RecipeError."""

    def load(key: str, name: str) -> TrainRecipe:
        found = recipe.source.path(key, name) if name.endswith(".toml") else name
        # A value for a stage is given only to the recipes that have the stage.
        stages = load_recipe(found, "train").stages
        given = [
            override
            for override in overrides_of(recipe.set, "set")
            if not override.key.startswith("stages.") or override.key.split(".")[1] in stages
        ]
        return load_recipe(found, "train", given)

    base = load("base", recipe.base)
    variants = []
    for name in recipe.variants:
        loaded = load("variants", name)
        new = tuple(stage for stage in STAGES if stage in loaded.stages and stage not in base.stages)
        # An aligner guides what another stage has made, or the backbone of sound as it is; a reflow goes on from one.
        pairs = ({"aligner"}, {"fusion_v2a", "reflow_v2a"})
        if len(new) != 1 and not (len(new) == 2 and any(pair <= set(new) for pair in pairs)):
            raise RecipeError(
                f"variant {name} needs one stage that {recipe.base} has not, or one and the stage 'aligner' or "
                f"'reflow_v2a'; it has {len(new)}"
            )
        if "reflow_v2a" in new and "fusion_v2a" not in loaded.stages:
            raise RecipeError(f"variant {name}: a reflow goes on from the stage 'fusion_v2a'; add that")
        same = {part: getattr(base.model, part) for part in ("fusion", "controller", "aligner")}
        if loaded.model.model_copy(update=same) != base.model or loaded.data != base.data:
            allowed = "model.fusion, model.controller, model.aligner and its own stages"
            raise RecipeError(f"variant {name} differs from {recipe.base} in more than {allowed}")
        given = loaded.model_copy(update={"extractors": {**loaded.extractors, **recipe.extractors}})
        variants.append(Variant(name=Path(name).stem, recipe=given, stages=new))
    for key, names in (("sweep", recipe.swept), ("curves", recipe.followed)):
        for name in names:
            if name not in {variant.name for variant in variants}:
                raise RecipeError(f"{key} = '{name}' is none of the variants")
    return base, tuple(variants)


def _has_extractor(variant: Variant, listener: Listener) -> bool:
    """Return True if the variant needs no extractor or its checkpoint is there; reports a variant that is left out."""
    ready = fusion_extractor(variant.recipe.model, variant.recipe.extractors)
    if ready is None or ready.lack is None:
        return True
    listener(Message(text=f"{variant.name} is left out: {ready.lack}", level="warning"))
    return False


def _on_base(variant: Variant, bundle: Path, parts: tuple[str, ...]) -> TrainRecipe:
    """Return the variant's recipe with its own stages alone, on the base's clips and starting from its backbones."""
    clips = variant.recipe.data.model_copy(update={"prepared": str((bundle.parent / "clips").resolve())})
    return variant.recipe.model_copy(
        update={
            "data": clips,
            "start_from": str(bundle.resolve()),
            "start_parts": parts,
            "stages": {stage: variant.recipe.stages[stage] for stage in variant.stages},
            # It is scored once it is done, on more clips than validation would use.
            "log": variant.recipe.log.model_copy(update={"judge": False}),
        }
    )
