"""The extractor whose features a model reads in place of the video backbone's, and the features of prepared clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink.core.events import JobDone, JobStarted, Listener, StepDone
from avlink.core.hashing import digest
from avlink.core.recipe import Source, TrainRecipe
from avlink.hooks import ReadyExtractor, load_registry
from avlink.hooks.extractors import resolve_for_pictures

if TYPE_CHECKING:
    from avlink.core.architecture import AVLinkConfig
    from avlink.engine.train.clip_rows import ClipRows
    from avlink.engine.train.clips import ClipStore


def extractor_of(
    config: AVLinkConfig, options: Mapping[str, Mapping[str, Any]], source: Source | None = None
) -> ReadyExtractor | None:
    """What the model's fusion reads, with the recipe's options for it; None where that is the video backbone.

    Raises RecipeError for an extractor that no plugin offers, or options that it does not take.
    """
    wanted = config.fusion.extracted
    if wanted is None:
        return None
    given = options.get(wanted.name, {})
    return resolve_for_pictures(wanted.name, given, wanted.fps, load_registry(), source=source)


def features_of(recipe: TrainRecipe, clips: ClipStore, base: Path, listener: Listener, device: str) -> ClipRows:
    """The features of all clips, from `base` or made there, once for this extractor.

    Raises InputError where its checkpoint is missing, or it gives other features than the model reads.
    """
    from avlink.engine.extracted import make_features
    from avlink.engine.train.clip_rows import ClipRows

    ready, wanted = extractor_of(recipe.model, recipe.extractors, recipe.source), recipe.model.fusion.extracted
    assert ready is not None and wanted is not None
    key = digest([ready.fingerprint(), wanted.model_dump(mode="json"), clips.fps])[:12]
    store = ClipRows(base / f"features-{key}" / clips.root.name, clips)
    lacking = store.lacking()
    if lacking:
        name = f"features of {wanted.name}"
        total, done = sum(len(store.indices(shard)) for shard in lacking), 0
        listener(JobStarted(job_id="features", name=name))

        def tell(count: int) -> None:
            nonlocal done
            done += count
            listener(StepDone(job_id="features", done=done, total=total, note=name))

        make_features(store, clips, ready.load(device), wanted, lacking, tell)
        listener(JobDone(job_id="features", name=name, note=f"{total} clips"))
    return store
