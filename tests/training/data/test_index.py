"""The index of a store holds what it was given, whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avlink.training.data.index import ClipLabels, read_index, write_index

EVENTS = st.lists(st.tuples(st.floats(0, 10), st.text(max_size=5), st.floats(0, 1)), max_size=3).map(tuple)
LABELS = st.builds(ClipLabels, caption=st.text(), events=EVENTS, kind=st.text(max_size=3), recoloured=st.booleans())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.lists(LABELS, max_size=8))
def test_labels_come_back_as_they_were_in_order_and_by_slice(labels: list[ClipLabels], tmp_path: Path) -> None:
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
