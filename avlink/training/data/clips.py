"""Training clips on disk: shards of plain arrays that are mapped, never unpickled.

One shard is a folder with pictures (uint8, at the motion rate) and sound (int16), a row for each clip.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from avlink.training.data.arrays import MappedArrays
from avlink.training.data.notes import ClipNote, Index, read_index, write_index
from avlink.training.data.shards import find_shards, put_shard

__all__ = ["ClipNote", "ClipStore", "index_shards"]


class ClipStore:
    """Clips of one length, addressed by index; `fps` is the rate of their pictures.

    A store with an index (see `avlink.training.data.notes`) opens at once; without one, the notes of all its shards are
    read. An `index` of one's own shows a part of it.
    """

    def __init__(self, root: Path, index: Index | None = None, *, fps: int = 24) -> None:
        self.root, self.fps = root, fps
        index = index or read_index(root) or _listed(root)
        self.shards = index.shards
        """Names of the folders in `root`, by number."""
        self.places = index.places
        """(clips, 2): number of the shard, row of it."""
        self.notes = index.notes
        self._frames = MappedArrays(lambda number: root / index.shards[number] / index.frames)
        self._sound = MappedArrays(lambda number: root / index.shards[number] / index.sound)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def num_shards(self) -> int:
        return len(self.shards)

    def frames(self, indices: Sequence[int]) -> UInt8[Tensor, "batch frames height width 3"]:
        """Pictures at the motion rate."""
        return torch.from_numpy(self._frames.rows(self.places_of(indices)))

    def sound(self, indices: Sequence[int]) -> Float[Tensor, "batch samples"]:
        """Sound in [-1, 1]."""
        rows = self._sound.rows(self.places_of(indices))
        return torch.from_numpy(rows.astype(np.float32) / 32767.0)

    def places_of(self, indices: Sequence[int]) -> list[tuple[int, int]]:
        """(Shard, row) of each clip."""
        return [(shard, row) for shard, row in self.places[list(indices)].tolist()]

    @staticmethod
    def write_shard(root: Path, number: int, frames: np.ndarray, sound: np.ndarray, notes: Sequence[ClipNote]) -> None:
        """Put one shard of uint8 `frames` and float `sound` in place."""

        def fill(hidden: Path) -> None:
            np.save(hidden / "frames.npy", frames, allow_pickle=False)
            np.save(hidden / "sound.npy", np.round(sound.clip(-1, 1) * 32767).astype(np.int16), allow_pickle=False)
            (hidden / "clips.json").write_text(json.dumps([note.to_json() for note in notes]), "utf-8")

        put_shard(root, number, fill)


def index_shards(root: Path) -> None:
    """Write the index of a store whose shards have all they know with them, if it is not that of these shards.

    Raises OutputError.
    """
    shards = find_shards(root)
    index = read_index(root)
    if not shards or (index is not None and index.shards == tuple(shard.name for shard in shards)):
        return
    notes = ((number, row, note) for number, shard in enumerate(shards) for row, note in enumerate(_notes_of(shard)))
    write_index(root, [shard.name for shard in shards], notes)


def _listed(root: Path) -> Index:
    shards = find_shards(root)
    notes = [_notes_of(shard) for shard in shards]
    places = [(number, row) for number, rows in enumerate(notes) for row in range(len(rows))]
    return Index(
        shards=tuple(shard.name for shard in shards),
        frames="frames.npy",
        sound="sound.npy",
        places=np.array(places, np.int64).reshape(-1, 2),
        notes=[note for rows in notes for note in rows],
    )


def _notes_of(shard: Path) -> list[ClipNote]:
    return [ClipNote.from_json(row) for row in json.loads((shard / "clips.json").read_text("utf-8"))]
