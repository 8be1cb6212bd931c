"""Ablations: variants of one model, trained alike on the same backbones and clips, measured on the same held-out clips.

Everything lies in one folder, `base` and a folder for each run: one that was stopped goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from avlink.ablation.cost import cost
from avlink.ablation.figures import Bench
from avlink.ablation.report import AblateReport
from avlink.ablation.runs import Run, Variant, run_all
from avlink.core.errors import RecipeError
from avlink.core.events import JobStarted, Listener, Message, ignore
from avlink.core.paths import make_folder
from avlink.core.recipe import AblateRecipe, TrainRecipe, load_recipe, overrides_of
from avlink.engine.bundle import read_bundle
from avlink.evaluation.extracted import extractor_of
from avlink.session import pick_device
from avlink.training.data.service import prepare
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
    """Train and measure the recipe's variants in the folder `out`, or `only` some of them, by name; `jobs` at once.

    Raises RecipeError where a variant differs from the base in more than its fusion, or one is not in the recipe.
    """
    base, variants = read_variants(recipe)
    unknown = [name for name in only if name not in {variant.name for variant in variants}]
    if unknown:
        known = ", ".join(variant.name for variant in variants)
        raise RecipeError(f"there is no variant '{unknown[0]}' in the recipe; it has {known}")
    # The first one sets the measure, whatever is wanted.
    variants = tuple(v for v in variants if not only or v.name in only or v is variants[0])
    variants = tuple(v for v in variants if _can_see(v, listener))
    make_folder(out)
    device = pick_device(device)
    listener(JobStarted(job_id="base", name=f"backbones: {base.name}"))
    bundle = train(base, out / "base", listener=listener)
    parts = tuple(name for name in read_bundle(bundle).components if not name.startswith("fusion"))
    variants = tuple(replace(v, recipe=_on_base(v, bundle, parts)) for v in variants)
    # Latents of the VAE that all start from, which a bundle keeps in half precision: once, for all of them.
    prepare(variants[0].recipe, out / "base" / "clips", listener, device=device)
    costs = [cost(v.recipe, v.stage, out / "base") for v in variants]
    whole = costs[0].flops * variants[0].table.steps
    runs = []
    # Seed by seed: what is stopped early has a row of every variant first.
    for seed, (variant, spent) in product(recipe.seeds, zip(variants, costs, strict=True)):
        if only and variant.name not in only:
            continue
        if recipe.compute == "flops":
            variant = variant.with_steps(max(1, round(whole / spent.flops)))
        runs.append(Run(out=out, variant=variant.with_seed(seed), spent=spent))
    rows = run_all(runs, Bench(recipe, out / "base", device), jobs, listener)
    report = AblateReport(compute=recipe.compute, clips=recipe.clips, rows=rows)
    report.write(out)
    listener(Message(text=f"table and plots written: {os.fspath(out)}"))
    return report


def read_variants(recipe: AblateRecipe) -> tuple[TrainRecipe, tuple[Variant, ...]]:
    """The base and all variants, checked against it. Raises RecipeError."""

    def named(key: str, name: str) -> TrainRecipe:
        found = recipe.source.path(key, name) if name.endswith(".toml") else name
        # What is said of a stage is said to those that have it.
        has = load_recipe(found, "train").stages
        given = [
            override
            for override in overrides_of(recipe.set, "set")
            if not override.key.startswith("stages.") or override.key.split(".")[1] in has
        ]
        return load_recipe(found, "train", given)

    base = named("base", recipe.base)
    variants = []
    for name in recipe.variants:
        loaded = named("variants", name)
        new = [stage for stage in loaded.stages if stage not in base.stages]
        if len(new) != 1:
            raise RecipeError(f"variant {name} needs one stage that {recipe.base} has not; it has {len(new)}")
        same = {"fusion": base.model.fusion}
        if loaded.model.model_copy(update=same) != base.model or loaded.data != base.data:
            raise RecipeError(f"variant {name} differs from {recipe.base} in more than model.fusion and its own stage")
        given = loaded.model_copy(update={"extractors": {**loaded.extractors, **recipe.extractors}})
        variants.append(Variant(name=Path(name).stem, recipe=given, stage=new[0]))
    if recipe.sweep is not None and Path(recipe.sweep).stem not in {variant.name for variant in variants}:
        raise RecipeError(f"sweep = '{recipe.sweep}' is none of the variants")
    return base, tuple(variants)


def _can_see(variant: Variant, listener: Listener) -> bool:
    """Whether the variant's extractor is there, if it reads one; what is left out is named."""
    ready = extractor_of(variant.recipe.model, variant.recipe.extractors)
    if ready is None or ready.lack is None:
        return True
    listener(Message(text=f"{variant.name} is left out: {ready.lack}", level="warning"))
    return False


def _on_base(variant: Variant, bundle: Path, parts: tuple[str, ...]) -> TrainRecipe:
    """The variant's recipe on the base's clips, starting from its backbones, with the variant's own stage alone."""
    clips = variant.recipe.data.model_copy(update={"prepared": str((bundle.parent / "clips").resolve())})
    return variant.recipe.model_copy(
        update={
            "data": clips,
            "start_from": str(bundle.resolve()),
            "start_parts": parts,
            "stages": {variant.stage: variant.table},
            # Measured once it is done, on more than training would look at.
            "log": variant.recipe.log.model_copy(update={"judge": False}),
        }
    )
