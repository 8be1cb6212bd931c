"""Single pictures with the name of what is struck in them, on disk as plain arrays: shards like those of clips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from avlink.training.data.arrays import MappedArrays
from avlink.training.data.shards import find_shards, put_shard


class StillStore:
    """Stills of one size, addressed by index. A shard holds `frames.npy` (uint8) and `names.json`."""

    def __init__(self, root: Path) -> None:
        self.names: list[str] = []
        self._places: list[tuple[int, int]] = []
        shards = find_shards(root)
        for number, shard in enumerate(shards):
            names = json.loads((shard / "names.json").read_text("utf-8"))
            self.names += names
            self._places += [(number, index) for index in range(len(names))]
        self._frames = MappedArrays(lambda number: shards[number] / "frames.npy")

    def __len__(self) -> int:
        return len(self._places)

    def frames(self, indices: Sequence[int]) -> UInt8[Tensor, "batch height width 3"]:
        """Pictures."""
        return torch.from_numpy(self._frames.rows(self._places[index] for index in indices))

    @staticmethod
    def write_shard(root: Path, number: int, frames: np.ndarray, names: Sequence[str]) -> None:
        """Put one shard of uint8 `frames` in place."""

        def fill(hidden: Path) -> None:
            np.save(hidden / "frames.npy", frames, allow_pickle=False)
            (hidden / "names.json").write_text(json.dumps(list(names)), "utf-8")

        put_shard(root, number, fill)
