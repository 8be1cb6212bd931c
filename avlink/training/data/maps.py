"""Motion maps of training clips on disk: shards of plain arrays, mapped and never unpickled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from avlink.training.data.clips import ClipStore, write_labels
from avlink.training.data.index import ClipLabels
from avlink.training.data.shards import MappedArrays, put_shard

FILE = "maps.npy"


class MapStore:
    """Maps of clips of one length, addressed by index, with the labels of their clips."""

    def __init__(self, clips: ClipStore) -> None:
        self.labels, self._clips = clips.labels, clips
        self._maps = MappedArrays(lambda number: clips.root / clips.shards[number] / FILE)

    def __len__(self) -> int:
        return len(self._clips)

    def maps(self, indices: Sequence[int]) -> Float[Tensor, "batch frames rows cols features"]:
        """Return motion maps."""
        rows = self._maps.rows(self._clips.locate(indices))
        return torch.from_numpy(rows.astype(np.float32))

    @staticmethod
    def write_shard(root: Path, number: int, maps: NDArray[np.float32], labels: Sequence[ClipLabels]) -> None:
        """Put one shard of maps (clips, frames, rows, cols, features) in place, in half precision."""

        def fill(hidden: Path) -> None:
            np.save(hidden / FILE, maps.astype(np.float16), allow_pickle=False)
            write_labels(hidden, labels)

        put_shard(root, number, fill)
