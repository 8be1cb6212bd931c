"""Training clips and stills on disk: shards of plain arrays that are mapped and never unpickled.

A shard of clips is a folder with pictures (uint8, at the motion stem's rate) and sound (int16), one row per clip.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from avlink.training.data.index import ClipIndex, ClipLabels, read_index, write_index
from avlink.training.data.shards import MappedArrays, find_shards, put_shard


class ClipStore:
    """Clips of one length, addressed by index; `fps` is the rate of their pictures.

    A store with an index opens at once; without one, the labels of all its shards are read. A custom `index` shows a
    subset of the clips.
    """

    def __init__(self, root: Path, index: ClipIndex | None = None, *, fps: int = 24) -> None:
        self.root, self.fps = root, fps
        index = index or read_index(root) or _scan(root)
        self.shards = index.shards
        """Names of the folders in `root`, by number."""
        self.locations = index.locations
        """(clips, 2): number of the shard, row of it."""
        self.labels = index.labels
        self._frames = MappedArrays(lambda number: root / index.shards[number] / index.frames)
        self._sound = MappedArrays(lambda number: root / index.shards[number] / index.sound)

    def __len__(self) -> int:
        return len(self.locations)

    def frames(self, indices: Sequence[int]) -> UInt8[Tensor, "batch frames height width 3"]:
        """Return pictures at `fps`."""
        return torch.from_numpy(self._frames.rows(self.locate(indices)))

    def sound(self, indices: Sequence[int]) -> Float[Tensor, "batch samples"]:
        """Return sound in [-1, 1]."""
        rows = self._sound.rows(self.locate(indices))
        # The inverse of write_shard, so that full scale is exactly 1.
        return torch.from_numpy(rows.astype(np.float32) / 32767.0)

    def locate(self, indices: Sequence[int]) -> list[tuple[int, int]]:
        """Return the number of the shard of each clip, and its row in it."""
        return [(shard, row) for shard, row in self.locations[list(indices)].tolist()]

    @staticmethod
    def write_shard(
        root: Path, number: int, frames: np.ndarray, sound: np.ndarray | None, labels: Sequence[ClipLabels]
    ) -> None:
        """Put one shard of uint8 `frames` and float `sound` in place; without, no sound can be read."""

        def fill(hidden: Path) -> None:
            np.save(hidden / "frames.npy", frames, allow_pickle=False)
            if sound is not None:
                np.save(hidden / "sound.npy", np.round(sound.clip(-1, 1) * 32767).astype(np.int16), allow_pickle=False)
            write_labels(hidden, labels)

        put_shard(root, number, fill)


def index_shards(root: Path) -> None:
    """Write the index of a store whose shards carry their own labels, unless it is there. Raises OutputError."""
    shards = find_shards(root)
    index = read_index(root)
    if not shards or (index is not None and index.shards == tuple(shard.name for shard in shards)):
        return
    clips = ((number, row, labels) for number, shard in enumerate(shards) for row, labels in enumerate(_labels(shard)))
    write_index(root, [shard.name for shard in shards], clips)


def write_labels(shard: Path, labels: Sequence[ClipLabels]) -> None:
    """Write the labels of a shard's clips into its folder."""
    (shard / "clips.json").write_text(json.dumps([label.to_json() for label in labels]), "utf-8")


def _scan(root: Path) -> ClipIndex:
    shards = find_shards(root)
    labels = [_labels(shard) for shard in shards]
    places = [(number, row) for number, rows in enumerate(labels) for row in range(len(rows))]
    return ClipIndex(
        shards=tuple(shard.name for shard in shards),
        frames="frames.npy",
        sound="sound.npy",
        locations=np.array(places, np.int64).reshape(-1, 2),
        labels=[label for rows in labels for label in rows],
    )


def _labels(shard: Path) -> list[ClipLabels]:
    return [ClipLabels.from_json(row) for row in json.loads((shard / "clips.json").read_text("utf-8"))]


class StillStore:
    """Single pictures with the class of what is struck in them, addressed by index.

    A shard holds `frames.npy` (uint8) and `names.json`.
    """

    def __init__(self, root: Path) -> None:
        self.names: list[str] = []
        """Class of each still."""
        self._locations: list[tuple[int, int]] = []
        shards = find_shards(root)
        for number, shard in enumerate(shards):
            names = json.loads((shard / "names.json").read_text("utf-8"))
            self.names += names
            self._locations += [(number, index) for index in range(len(names))]
        self._frames = MappedArrays(lambda number: shards[number] / "frames.npy")

    def __len__(self) -> int:
        return len(self._locations)

    def frames(self, indices: Sequence[int]) -> UInt8[Tensor, "batch height width 3"]:
        """Return pictures."""
        return torch.from_numpy(self._frames.rows(self._locations[index] for index in indices))

    @staticmethod
    def write_shard(root: Path, number: int, frames: np.ndarray, names: Sequence[str]) -> None:
        """Put one shard of uint8 `frames` in place."""

        def fill(hidden: Path) -> None:
            np.save(hidden / "frames.npy", frames, allow_pickle=False)
            (hidden / "names.json").write_text(json.dumps(list(names)), "utf-8")

        put_shard(root, number, fill)
