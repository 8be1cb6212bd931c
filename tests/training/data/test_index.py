"""The index of a store holds what it was given, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from avlink.training.data.index import ClipLabels, read_index, write_index

CAPTIONS = ("wood", "", "two\nlines", 'a "quoted" é', "\u2028 separators", "{}", "wood", "last")


@pytest.mark.parametrize("count", range(len(CAPTIONS) + 1))
def test_labels_come_back_as_they_were_in_order_and_by_slice(count: int, tmp_path: Path) -> None:
    labels = [
        ClipLabels(caption=caption, events=((0.1 + 0.2, caption, 1 / 3),) * (number % 3), recoloured=number % 2 == 0)
        for number, caption in enumerate(CAPTIONS[:count])
    ]
    assert write_index(tmp_path, ["z"], [(0, 0, ClipLabels(caption="of an index before"))]) == 1
    clips = [(number // 3, number % 3, label) for number, label in enumerate(labels)]
    assert write_index(tmp_path, ["a", "b", "c"], clips, sound="sound-1.npy") == len(labels)
    index = read_index(tmp_path)
    assert index is not None and index.shards == ("a", "b", "c")
    assert (index.frames, index.sound) == ("frames.npy", "sound-1.npy")
    assert list(index.labels) == labels and index.labels[1:-1] == labels[1:-1]
    assert index.locations.tolist() == [[shard, row] for shard, row, _ in clips]
    with pytest.raises(IndexError):
        index.labels[len(labels)]
    # Files of the index before are gone.
    assert len(list(tmp_path.glob("notes-*"))) == len(list(tmp_path.glob("places-*"))) == 1


def test_a_folder_without_an_index_has_none(tmp_path: Path) -> None:
    assert read_index(tmp_path) is None
