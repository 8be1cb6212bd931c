"""Latents of clips on disk, a file for each shard, named by what they came from: mapped, never all in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from avlink.core.architecture import AVLinkConfig, MelSpec
from avlink.core.hashing import digest
from avlink.core.paths import atomic_write
from avlink.engine.bundle.bundle import tensor_digest
from avlink.engine.codec.mel import LogMel
from avlink.engine.codec.vae import MelVAE
from avlink.engine.train.arrays import MappedArrays
from avlink.engine.train.clips import ClipStore

_BATCH = 25


@runtime_checkable
class Latents(Protocol):
    """Whitened latents by clip: a tensor of all, or a store of them."""

    def __getitem__(self, indices: list[int], /) -> Tensor:
        """Those of some clips, (batch, tokens, channels)."""
        ...


class LatentStore:
    """Latents of the clips of a store, from the files in `folder`."""

    def __init__(self, folder: Path, clips: ClipStore) -> None:
        self.folder, self._clips = folder, clips
        shards = np.asarray(clips.places[:, 0])
        if (np.diff(shards) < 0).any():
            raise ValueError("the clips of a store lie in the order of its shards")
        self._first = np.searchsorted(shards, np.arange(len(clips.shards) + 1))
        self._arrays = MappedArrays(self.path)

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, indices: list[int], /) -> Tensor:
        """Latents of some clips, (batch, tokens, channels)."""
        shards = self._clips.places[list(indices), 0].tolist()
        places = [(shard, index - int(self._first[shard])) for shard, index in zip(shards, indices, strict=True)]
        return torch.from_numpy(self._arrays.rows(places))

    def indices(self, shard: int) -> range:
        """The clips of a shard."""
        return range(int(self._first[shard]), int(self._first[shard + 1]))

    def path(self, shard: int) -> Path:
        """The file of a shard: named by the rows that are in it, of which there may be more another time."""
        clips = self.indices(shard)
        rows = self._clips.places[clips.start : clips.stop, 1].tolist()
        return self.folder / f"{self._clips.shards[shard]}-{digest(rows)[:8]}.npy"

    def lacking(self) -> list[int]:
        """The shards with clips whose latents are not made yet."""
        shards = range(len(self._clips.shards))
        return [shard for shard in shards if self.indices(shard) and not self.path(shard).is_file()]


def vae_key(vae: MelVAE, config: AVLinkConfig) -> str:
    """Names what latents depend on: the mel, the VAE and its weights."""
    weights = {name: tensor_digest(value) for name, value in vae.state_dict().items()}
    return digest([config.mel.model_dump(mode="json"), config.vae.model_dump(mode="json"), weights])[:12]


@torch.no_grad()
def make_latents(
    store: LatentStore,
    clips: ClipStore,
    vae: MelVAE,
    spec: MelSpec,
    shards: Sequence[int],
    on_clips: Callable[[int], None],
    device: str = "cpu",
) -> None:
    """Make the latents of some shards on `device`; `on_clips` hears how many clips are done.

    Raises OutputError where they cannot be written.
    """
    home = next(vae.parameters()).device
    vae.to(device)
    mel = LogMel(spec).to(device)
    for shard in shards:
        indices = list(store.indices(shard))
        parts = [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
        encoded = torch.cat([vae.encode(mel(clips.sound(part).to(device))).float().cpu() for part in parts])
        with atomic_write(store.path(shard)) as hidden:
            np.save(hidden, encoded.numpy(), allow_pickle=False)
        on_clips(len(indices))
    vae.to(home)
