"""Latents and extractor features of prepared clips, computed once and kept on disk.

They lie beside the clips, in folders named by the weights and settings that they depend on: other weights make them
anew, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from avlink.core.architecture import AVLinkConfig
from avlink.core.codec_config import MelSpec
from avlink.core.events import JobDone, JobStarted, Listener, Message, StepDone
from avlink.core.hashing import digest
from avlink.core.recipe import TrainRecipe
from avlink.engine.bundle import tensor_digest
from avlink.engine.codec.mel import LogMel
from avlink.engine.codec.vae import MelVAE
from avlink.engine.extracted import picture_features, sound_features
from avlink.evaluation.extractors import fusion_extractor
from avlink.training.data.checked_arrays import is_whole, write_array
from avlink.training.data.clips import ClipStore
from avlink.training.data.prepared import Partition, read_record, update_record
from avlink.training.data.progress import step_counter
from avlink.training.data.shards import MappedArrays

_BATCH = 25


@runtime_checkable
class Precomputed(Protocol):
    """Latents or features by clip: a tensor of all, or a store of them."""

    def __getitem__(self, indices: list[int], /) -> Tensor:
        """Return those of some clips, (batch, steps, values)."""
        ...


class PrecomputedStore:
    """Latents or features of the clips of a store: one mapped file per shard in `folder`."""

    def __init__(self, folder: Path, clips: ClipStore) -> None:
        self.folder, self._clips = folder, clips
        shards = np.asarray(clips.locations[:, 0])
        if (np.diff(shards) < 0).any():
            raise ValueError("the clips of a store lie in the order of its shards")
        # A shard without usable clips has an empty range.
        self._first = np.searchsorted(shards, np.arange(len(clips.shards) + 1))
        self._arrays = MappedArrays(self.path)

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, indices: list[int], /) -> Tensor:
        """Return those of some clips, (batch, steps, values)."""
        shards = self._clips.locations[list(indices), 0].tolist()
        locations = [(shard, index - int(self._first[shard])) for shard, index in zip(shards, indices, strict=True)]
        return torch.from_numpy(self._arrays.rows(locations))

    def indices(self, shard: int) -> range:
        """Return the clips of a shard."""
        return range(int(self._first[shard]), int(self._first[shard + 1]))

    def path(self, shard: int) -> Path:
        """Return the file of a shard. Its name depends on the rows in it, as later runs may use more of them."""
        clips = self.indices(shard)
        rows = self._clips.locations[clips.start : clips.stop, 1].tolist()
        return self.folder / f"{self._clips.shards[shard]}-{digest(rows)[:8]}.npy"

    def missing_shards(self) -> list[int]:
        """Return the shards with clips whose file is not written yet, or damaged."""
        shards = ((shard, len(self.indices(shard))) for shard in range(len(self._clips.shards)))
        return [shard for shard, rows in shards if rows and not is_whole(self.path(shard), rows)]

    def write(self, shard: int, rows: NDArray[np.float32]) -> None:
        """Write the rows of all clips of a shard, whole or not at all. Raises OutputError."""
        write_array(self.path(shard), rows)


def latents_of(
    vae: MelVAE, config: AVLinkConfig, clips: ClipStore, bases: Sequence[Path], listener: Listener
) -> PrecomputedStore:
    """Return the latents of all clips: from the first of `bases` that has them all, else encoded in the last one.

    Raises OutputError where they cannot be written.
    """
    key = vae_key(vae, config)
    stores = [PrecomputedStore(base / f"latents-{key}" / clips.root.name, clips) for base in bases]
    for store in stores:
        if not store.missing_shards():
            return store
    device = str(next(vae.parameters()).device)
    _encode_missing(stores[-1:], [clips], [stores[-1].missing_shards()], vae, config, listener, device)
    return stores[-1]


def prepare_latents(
    recipe: TrainRecipe,
    vae: MelVAE,
    root: Path,
    stores: Mapping[str, ClipStore],
    part: Partition,
    listener: Listener,
    device: str,
) -> None:
    """Encode the latents of a part's clips in `root`. Raises OutputError."""
    key = vae_key(vae, recipe.model)
    before = read_record(root).get("latents", key)
    if before != key:
        listener(Message(text="the mel or the VAE's weights are others than before: latents are made anew"))
    latents = [PrecomputedStore(root / f"latents-{key}" / split, clips) for split, clips in stores.items()]
    missing = [[shard for shard in store.missing_shards() if part.owns(shard)] for store in latents]
    _encode_missing(latents, list(stores.values()), missing, vae, recipe.model, listener, device)
    update_record(root, recipe, latents=key)


def vae_key(vae: MelVAE, config: AVLinkConfig) -> str:
    """Return a digest of all that latents depend on: the mel, the VAE and its weights."""
    weights = {name: tensor_digest(value) for name, value in vae.state_dict().items()}
    return digest([config.mel.model_dump(mode="json"), config.vae.model_dump(mode="json"), weights])[:12]


@torch.no_grad()
def encode_clips(
    vae: MelVAE, mel: LogMel, clips: ClipStore, indices: Sequence[int]
) -> Float[Tensor, "clips tokens channels"]:
    """Return whitened latents of some clips, on the CPU; `vae` and `mel` are on one device."""
    device = next(vae.parameters()).device
    parts = [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
    return torch.cat([vae.encode(mel(clips.sound(part).to(device))).float().cpu() for part in parts])


def encode_shards(
    store: PrecomputedStore,
    clips: ClipStore,
    vae: MelVAE,
    spec: MelSpec,
    shards: Sequence[int],
    on_clips: Callable[[int], None],
    device: str = "cpu",
) -> None:
    """Encode the latents of some shards on `device`; `on_clips` is called with the number of clips of each.

    Raises OutputError where they cannot be written.
    """
    # The VAE returns to its device: it may belong to a model that trains elsewhere.
    home = next(vae.parameters()).device
    vae.to(device)
    mel = LogMel(spec).to(device)
    for shard in shards:
        indices = store.indices(shard)
        store.write(shard, encode_clips(vae, mel, clips, indices).numpy())
        on_clips(len(indices))
    vae.to(home)


def _encode_missing(
    latents: Sequence[PrecomputedStore],
    clips: Sequence[ClipStore],
    missing: Sequence[Sequence[int]],
    vae: MelVAE,
    config: AVLinkConfig,
    listener: Listener,
    device: str,
) -> None:
    """Encode the missing shards of each store on `device`, and report progress. Raises OutputError."""
    total = sum(len(store.indices(shard)) for store, shards in zip(latents, missing, strict=True) for shard in shards)
    if not total:
        return
    listener(JobStarted(job_id="latents", name="latents"))
    on_clips = step_counter("latents", total, listener)
    for store, source, shards in zip(latents, clips, missing, strict=True):
        encode_shards(store, source, vae, config.mel, shards, on_clips, device)
    listener(JobDone(job_id="latents", name="latents", note=f"{total} clips"))


def features_of(recipe: TrainRecipe, clips: ClipStore, base: Path, listener: Listener, device: str) -> PrecomputedStore:
    """Return the features of all clips by the extractor that the model's fusion reads, from `base` or made there.

    Those of the whole sound of each clip, or of its stored pictures.

    Raises InputError where its checkpoint is missing, or it gives other features than the model reads; OutputError
    where they cannot be written.
    """
    ready, wanted = fusion_extractor(recipe.model, recipe.extractors, recipe.source), recipe.model.fusion.extracted
    assert ready is not None and wanted is not None
    sample_rate = recipe.model.mel.sample_rate
    # The rate of the stored pictures decides which of them are seen.
    of_medium = [clips.fps] if wanted.medium == "pictures" else [wanted.medium, sample_rate]
    key = digest([ready.fingerprint(), wanted.model_dump(mode="json", exclude={"medium"}), *of_medium])[:12]
    store = PrecomputedStore(base / f"features-{key}" / clips.root.name, clips)
    missing = store.missing_shards()
    if missing:
        name = f"features of {wanted.name}"
        total, done = sum(len(store.indices(shard)) for shard in missing), 0
        listener(JobStarted(job_id="features", name=name))

        def on_clips(count: int) -> None:
            nonlocal done
            done += count
            listener(StepDone(job_id="features", done=done, total=total, note=name))

        extractor = ready.load(device)

        def extract(index: int) -> Tensor:
            if wanted.medium == "sound":
                return sound_features(extractor, clips.sound([index])[0].numpy(), sample_rate, wanted)
            return picture_features(extractor, clips.frames([index])[0].numpy(), Fraction(clips.fps), wanted)

        _extract_missing(store, extract, missing, on_clips)
        listener(JobDone(job_id="features", name=name, note=f"{total} clips"))
    return store


def _extract_missing(
    store: PrecomputedStore, extract: Callable[[int], Tensor], shards: Sequence[int], on_clips: Callable[[int], None]
) -> None:
    for shard in shards:
        indices = store.indices(shard)
        store.write(shard, np.stack([extract(index).numpy() for index in indices]))
        on_clips(len(indices))
