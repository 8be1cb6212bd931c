from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from avlink.training.data import shards
from avlink.training.data.clips import ClipStore, index_shards
from avlink.training.data.index import ClipLabels


def test_a_store_with_an_index_is_the_same_and_holds_few_files_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for shard in range(200):
        notes = [ClipLabels(caption=f"é {shard} {row}", events=((0.5, "wood", 0.25),), kind="k") for row in range(2)]
        frames = rng.integers(0, 255, (2, 2, 2, 2, 3), np.uint8)
        ClipStore.write_shard(tmp_path, shard, frames, rng.uniform(-1, 1, (2, 8)), notes)
    listed = ClipStore(tmp_path)
    index_shards(tmp_path)
    indexed = ClipStore(tmp_path)
    assert list(indexed.labels) == list(listed.labels) and len(indexed) == len(listed) == 400
    assert indexed.labels[-1] == listed.labels[399] and indexed.labels[3:5] == list(listed.labels)[3:5]
    with pytest.raises(IndexError):
        indexed.labels[400]
    indices = rng.permutation(400).tolist()
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    assert indexed.frames(indices).equal(listed.frames(indices)) and indexed.sound(indices).equal(listed.sound(indices))
    if before:
        assert len(os.listdir("/proc/self/fd")) - before <= 4 * shards.OPEN_FILES
    # Another shard, as when a recipe asks for more: the index follows.
    ClipStore.write_shard(
        tmp_path, 200, np.zeros((1, 2, 2, 2, 3), np.uint8), np.zeros((1, 8)), [ClipLabels(caption="new")]
    )
    index_shards(tmp_path)
    assert len(ClipStore(tmp_path)) == 401 and len(list(tmp_path.glob("notes-*"))) == 1
