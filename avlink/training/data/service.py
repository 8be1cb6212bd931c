"""`avlink data prepare`, and the clips of a training: from a prepared folder, or prepared in its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.core.errors import InputError
from avlink.core.events import JobDone, JobStarted, Listener
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import FoundryData
from avlink.training.data.derived import prepare_latents, prepare_texts, start_vae
from avlink.training.data.made import is_ready, note_made, why_unfit
from avlink.training.data.prepare import Outcome, prepare_files
from avlink.training.data.work import ALL, Part
from avlink.training.foundry_clips import prepare_foundry
from avlink.training.start import check_start, prepared_in, start_bundles, text_bundle

if TYPE_CHECKING:
    from avlink.training.data.clips import ClipStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a prepared folder holds: clips by split, those set aside and missing, shards that other parts still make.

    `latents` and `texts` say whether those of this part are there.
    """

    root: Path
    clips: Mapping[str, int]
    bad: int = 0
    missing: int = 0
    lacking: int = 0
    latents: bool = False
    texts: bool = False


def prepare(
    recipe: TrainRecipe,
    root: Path,
    listener: Listener,
    *,
    processes: int | None = None,
    part: Part = ALL,
    retry_bad: bool = False,
    device: str = "cpu",
) -> Prepared:
    """Make in `root` whatever training by `recipe` can find there and is not there yet.

    Can be killed at any moment, and goes on at the next call. Raises InputError for sources or weights that cannot be
    used, OutputError where `root` cannot be written.
    """
    from avlink.training.data.clips import ClipStore

    check_start(recipe)
    listener(JobStarted(job_id="data", name="clips"))
    outcome: Outcome | None = None
    if isinstance(recipe.data, FoundryData):
        _from_foundry(recipe, recipe.data, root, listener)
        stores = {split: ClipStore(root / split) for split in ("train", "held_out")}
        words = {note.caption for store in stores.values() for note in store.notes}
        done = Prepared(root=root, clips={split: len(store) for split, store in stores.items()})
    else:
        outcome = prepare_files(
            recipe, recipe.data, root, listener, processes=processes, part=part, retry_bad=retry_bad
        )
        stores = _of_part(outcome, root, part)
        words = set(outcome.words)
        done = Prepared(
            root=root,
            clips=outcome.clips,
            bad=outcome.bad,
            missing=outcome.missing,
            lacking=outcome.lacking,
        )
    listener(JobDone(job_id="data", name="clips", note=_counted(done)))
    bundles = start_bundles(recipe)
    vae = start_vae(recipe, bundles)
    if vae is not None:
        prepare_latents(recipe, vae, root, stores, part, listener, device)
    texts = prepare_texts(recipe, text_bundle(bundles), root, words, part, listener, device) if bundles else None
    return Prepared(
        root=root,
        clips=done.clips,
        bad=done.bad,
        missing=done.missing,
        lacking=done.lacking,
        latents=vae is not None,
        texts=texts is not None,
    )


def clips_for(recipe: TrainRecipe, out: Path, listener: Listener) -> Path:
    """The folder with the clips to train on: the recipe's prepared one, else that of the training, filled if need be.

    Raises InputError where the prepared one does not fit the recipe, and what `prepare` raises.
    """
    root = prepared_in(recipe, out)
    if recipe.data.prepared is not None:
        why = why_unfit(recipe, root)
        if why is not None:
            raise InputError(
                f"data.prepared = '{root}' cannot be trained on: {why}; run `avlink data prepare` with this recipe, "
                "or name another folder"
            )
        return root
    if isinstance(recipe.data, FoundryData):
        _from_foundry(recipe, recipe.data, root, listener)
    elif not is_ready(recipe, root):
        prepare_files(recipe, recipe.data, root, listener)
    return root


def _from_foundry(recipe: TrainRecipe, data: FoundryData, root: Path, listener: Listener) -> None:
    from avlink.training.data.clips import index_shards

    prepare_foundry(data, root, listener)
    for split in ("train", "held_out"):
        index_shards(root / split)
    note_made(root, recipe, complete=True)


def _of_part(outcome: Outcome, root: Path, part: Part) -> dict[str, ClipStore]:
    """The clips of a part alone: what other machines make may not be there yet."""
    import numpy as np

    from avlink.training.data.clips import ClipStore
    from avlink.training.data.notes import Index

    stores = {}
    for split, rows in outcome.rows.items():
        mine = [row for row in rows if part.mine(row[0])]
        index = Index(
            shards=tuple(shard.name for shard in outcome.plan[split]),
            frames=outcome.look.pictures_file,
            sound=outcome.look.sound_file,
            places=np.array([(shard, row) for shard, row, _ in mine], np.int64).reshape(-1, 2),
            notes=[note for _, _, note in mine],
        )
        stores[str(split)] = ClipStore(root / split, index)
    return stores


def _counted(done: Prepared) -> str:
    said = f"{done.clips['train']} to train on, {done.clips['held_out']} held out"
    if done.bad:
        said += f", {done.bad} set aside"
    if done.missing:
        said += f", {done.missing} missing"
    return said
