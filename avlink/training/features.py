"""Features of prepared clips by the extractor that a model reads in place of the video backbone, made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from avlink.core.architecture import ExtractedConfig
from avlink.core.events import JobDone, JobStarted, Listener, StepDone
from avlink.core.features import FeatureExtractor
from avlink.core.hashing import digest
from avlink.core.recipe import TrainRecipe
from avlink.engine.pixels import extract_features
from avlink.evaluation.extracted import extractor_of
from avlink.training.data.clip_rows import ClipRows
from avlink.training.data.clips import ClipStore


def features_of(recipe: TrainRecipe, clips: ClipStore, base: Path, listener: Listener, device: str) -> ClipRows:
    """The features of all clips, from `base` or made there, once for this extractor.

    Raises InputError where its checkpoint is missing, or it gives other features than the model reads.
    """
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

        _make(store, clips, ready.load(device), wanted, lacking, tell)
        listener(JobDone(job_id="features", name=name, note=f"{total} clips"))
    return store


def _make(
    store: ClipRows,
    clips: ClipStore,
    extractor: FeatureExtractor,
    wanted: ExtractedConfig,
    shards: Sequence[int],
    on_clips: Callable[[int], None],
) -> None:
    """Make the lacking shards of features of prepared clips; `on_clips` hears how many clips are done.

    Raises InputError as `extract_features` does, OutputError where they cannot be written.
    """
    for shard in shards:
        indices = store.indices(shard)
        rows = [
            extract_features(extractor, clips.frames([index])[0].numpy(), Fraction(clips.fps), wanted).numpy()
            for index in indices
        ]
        store.put(shard, np.stack(rows))
        on_clips(len(indices))
