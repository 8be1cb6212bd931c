"""`avlink data prepare`, and the clips of a training: from a prepared folder, or prepared in its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.core.errors import InputError
from avlink.core.events import JobDone, JobStarted, Listener
from avlink.core.outputs import claim_folder
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import FoundryData, LibraryData, PhysicsData, media_of
from avlink.training.data.clip_spec import clip_spec_of
from avlink.training.data.files import PreparedFiles, prepare_files
from avlink.training.data.foundry import prepare_foundry
from avlink.training.data.physics import check_physics, makes_sound, prepare_physics
from avlink.training.data.prepared import (
    ALL,
    Partition,
    clips_folder,
    is_up_to_date,
    read_record,
    unfit_rate,
    unfit_reason,
    update_record,
)
from avlink.training.weights import check_start, load_start_vae, read_start_bundles, text_bundle

if TYPE_CHECKING:
    from avlink.training.data.clips import ClipStore

_MARKS = ("data.json", "plan.json", "train", "held_out", "shard-*", "latents*", "texts*")
"""Names in a folder of prepared clips, complete or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedClips:
    """The content of a prepared folder: clips by split, bad and missing ones, shards that other parts still decode.

    `latents` and `texts` are True if those of this part are there.
    """

    root: Path
    clips: Mapping[str, int]
    bad: int = 0
    missing: int = 0
    missing_shards: int = 0
    latents: bool = False
    texts: bool = False


def prepare(
    recipe: TrainRecipe,
    root: Path,
    listener: Listener,
    *,
    processes: int | None = None,
    part: Partition = ALL,
    retry_bad: bool = False,
    device: str = "cpu",
) -> PreparedClips:
    """Make everything in `root` that training by `recipe` can use and that is not there yet.

    It can be killed at any moment, and the next call continues. Raises InputError for sources or weights that cannot
    be used, OutputError where `root` cannot be written.
    """
    from avlink.training.data.clips import ClipStore
    from avlink.training.data.precomputed import prepare_latents
    from avlink.training.data.texts import prepare_texts

    check_start(recipe)
    claim_folder(root, marks=_MARKS, what="a folder of prepared clips")
    listener(JobStarted(job_id="data", name="clips"))
    if isinstance(recipe.data, FoundryData | PhysicsData | LibraryData):
        _prepare_made(recipe, recipe.data, root, listener)
        stores = {split: ClipStore(root / split) for split in ("train", "held_out")}
        # The foundry has few captions, many times over.
        captions = {label.caption for store in stores.values() for label in store.labels}
        done = PreparedClips(root=root, clips={split: len(store) for split, store in stores.items()})
    else:
        files = prepare_files(recipe, recipe.data, root, listener, processes=processes, part=part, retry_bad=retry_bad)
        stores = _stores_of_part(files, root, part)
        captions = set(files.captions)
        done = PreparedClips(
            root=root,
            clips=files.clips,
            bad=files.bad,
            missing=files.missing,
            missing_shards=files.missing_shards,
        )
    listener(JobDone(job_id="data", name="clips", note=_summary(done)))
    bundles = read_start_bundles(recipe)
    silent = isinstance(recipe.data, PhysicsData) and not makes_sound(clip_spec_of(recipe.model))
    vae = None if silent else load_start_vae(recipe, bundles)
    if vae is not None:
        prepare_latents(recipe, vae, root, stores, part, listener, device)
    texts = prepare_texts(recipe, text_bundle(bundles), root, captions, part, listener, device) if bundles else None
    return PreparedClips(
        root=root,
        clips=done.clips,
        bad=done.bad,
        missing=done.missing,
        missing_shards=done.missing_shards,
        latents=vae is not None,
        texts=texts is not None,
    )


def clips_for(recipe: TrainRecipe, out: Path, listener: Listener) -> Path:
    """Return the folder of the clips to train on: the recipe's prepared one, else that of the training, filled first.

    Raises InputError where the prepared one does not fit the recipe, and the errors of `prepare`.
    """
    root = clips_folder(recipe, out)
    if isinstance(recipe.data, PhysicsData):
        check_physics(recipe, recipe.data)
    if recipe.data.prepared is not None:
        why = unfit_reason(recipe, root)
        if why is not None:
            raise InputError(
                f"data.prepared = '{root}' cannot be trained on: {why}; run `avlink data prepare` with this recipe, "
                "or name another folder"
            )
        return root
    if isinstance(recipe.data, FoundryData | PhysicsData | LibraryData):
        _prepare_made(recipe, recipe.data, root, listener)
    elif not is_up_to_date(recipe, root):
        prepare_files(recipe, recipe.data, root, listener)
    return root


def _prepare_made(
    recipe: TrainRecipe, data: FoundryData | PhysicsData | LibraryData, root: Path, listener: Listener
) -> None:
    from avlink.training.data.clips import index_shards

    spec = clip_spec_of(recipe.model)
    why = unfit_rate(read_record(root), spec)
    if why is not None:
        # Its shards would stay, under a record that tells of others.
        raise InputError(f"{root} holds other clips: {why}; choose another folder")
    if isinstance(data, FoundryData):
        prepare_foundry(data, spec.sample_rate, root, listener)
    elif isinstance(data, PhysicsData):
        prepare_physics(recipe, data, root, listener)
    else:
        # It decodes files, which trainings on clips that are there already do without.
        from avlink.training.data.library_clips import prepare_library

        prepare_library(data, spec.sample_rate, spec.samples, root, listener)
    for split in ("train", "held_out"):
        index_shards(root / split)
    update_record(root, recipe, complete=True, sample_rate=spec.sample_rate, media=media_of(data))


def _stores_of_part(files: PreparedFiles, root: Path, part: Partition) -> dict[str, ClipStore]:
    """Return the clips of one part: those of other machines may not be decoded yet."""
    import numpy as np

    from avlink.training.data.clips import ClipStore
    from avlink.training.data.index import ClipIndex

    stores = {}
    for split, rows in files.rows.items():
        mine = [row for row in rows if part.owns(row[0])]
        index = ClipIndex(
            shards=tuple(shard.name for shard in files.plan[split]),
            frames=files.spec.pictures_file,
            sound=files.spec.sound_file,
            locations=np.array([(shard, row) for shard, row, _ in mine], np.int64).reshape(-1, 2),
            labels=[labels for _, _, labels in mine],
        )
        stores[str(split)] = ClipStore(root / split, index)
    return stores


def _summary(done: PreparedClips) -> str:
    said = f"{done.clips['train']} to train on, {done.clips['held_out']} held out"
    if done.bad:
        said += f", {done.bad} set aside"
    if done.missing:
        said += f", {done.missing} missing"
    return said
