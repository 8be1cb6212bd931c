"""What is computed of clips once, on disk: a file for each shard, mapped, never all in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlink.core.hashing import digest
from avlink.core.paths import atomic_write
from avlink.training.data.arrays import MappedArrays
from avlink.training.data.clips import ClipStore


@runtime_checkable
class RowsByClip(Protocol):
    """Latents or features by clip: a tensor of all, or a store of them."""

    def __getitem__(self, indices: list[int], /) -> Tensor:
        """Those of some clips, (batch, moments, values)."""
        ...


class ClipRows:
    """What was computed of the clips of a store, from the files in `folder`."""

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
        """Those of some clips, (batch, moments, values)."""
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
        """The shards with clips whose rows are not made yet."""
        shards = range(len(self._clips.shards))
        return [shard for shard in shards if self.indices(shard) and not self.path(shard).is_file()]

    def put(self, shard: int, rows: NDArray[np.float32]) -> None:
        """Write the rows of all clips of a shard, whole or not at all. Raises OutputError."""
        with atomic_write(self.path(shard)) as hidden:
            np.save(hidden, rows, allow_pickle=False)
