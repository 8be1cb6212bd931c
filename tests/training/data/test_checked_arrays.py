"""Latents, features and encoded captions on disk: those that are damaged are made again."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from avlink.engine.text.encoder import TextEmbeddings
from avlink.training.data.checked_arrays import is_whole, note_path, write_array
from avlink.training.data.clips import ClipStore
from avlink.training.data.index import ClipLabels
from avlink.training.data.precomputed import PrecomputedStore
from avlink.training.data.texts import CachedTextEncoder, TextStore

sys.path.insert(0, str(Path(__file__).parents[2]))
from damages import clear, flip, truncate

ROWS = np.arange(24, dtype=np.float32).reshape(4, 6)


DAMAGES = [flip, truncate, clear]


@pytest.fixture
def array(tmp_path: Path) -> Path:
    write_array(tmp_path / "a.npy", ROWS)
    return tmp_path / "a.npy"


class TestArrays:
    def test_what_was_written_is_whole_also_as_a_copy(self, array: Path, tmp_path: Path) -> None:
        assert is_whole(array) and np.array_equal(np.load(array), ROWS)
        copy = tmp_path / "copy"
        copy.mkdir()
        for path in (array, note_path(array)):
            shutil.copyfile(path, copy / path.name)
        assert is_whole(copy / "a.npy")
        assert not is_whole(tmp_path / "none.npy")

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_what_is_damaged_is_not(self, array: Path, damage: Callable[[Path], None]) -> None:
        stat = array.stat()
        damage(array)
        # File systems with coarse clocks, and this test is quick.
        os.utime(array, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
        assert not is_whole(array)
        write_array(array, ROWS)
        assert is_whole(array)

    @pytest.mark.parametrize("note", ["", "no json", "[]"])
    def test_one_without_a_note_is_looked_into_once(self, array: Path, note: str) -> None:
        note_path(array).write_text(note)
        assert is_whole(array, rows=4)
        flip(array)
        os.utime(array, ns=(1, 1))
        assert not is_whole(array, rows=4)

    @pytest.mark.parametrize("bad", ["other rows", "nan", "no array"])
    def test_one_without_a_note_needs_its_rows_and_finite_values(self, array: Path, bad: str) -> None:
        if bad == "nan":
            np.save(array, np.where(ROWS > 20, np.nan, ROWS))
        elif bad == "no array":
            array.write_bytes(b"")
        note_path(array).unlink()
        assert not is_whole(array, rows=5 if bad == "other rows" else 4)


def test_a_damaged_shard_is_missing(tmp_path: Path) -> None:
    labels = [ClipLabels(caption="a")] * 2
    for number in range(2):
        ClipStore.write_shard(tmp_path / "clips", number, np.zeros((2, 1, 2, 2, 3), np.uint8), np.zeros((2, 8)), labels)
    store = PrecomputedStore(tmp_path / "latents", ClipStore(tmp_path / "clips"))
    assert store.missing_shards() == [0, 1]
    for shard in range(2):
        store.write(shard, ROWS[:2])
    assert store.missing_shards() == []
    truncate(store.path(1))
    assert store.missing_shards() == [1]


class Letters:
    """Encodes texts as their letters, and counts them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, prompts: Sequence[str]) -> TextEmbeddings:
        self.asked += prompts
        rows = [torch.tensor([[float(ord(letter))] for letter in f"{text}."]) for text in prompts]
        lengths = torch.tensor([len(row) for row in rows])
        tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return TextEmbeddings(tokens=tokens, mask=torch.arange(tokens.shape[1])[None] < lengths[:, None])


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("part", ["tokens", "table"])
def test_damaged_captions_are_encoded_again(tmp_path: Path, part: str, damage: Callable[[Path], None]) -> None:
    encoder = Letters()
    texts = ["", "dog", "rain"]
    TextStore(tmp_path).add(texts, encoder)
    assert len(TextStore(tmp_path)) == 3
    (path,) = tmp_path.glob("texts-*.npy" if part == "tokens" else "texts-*.json")
    damage(path)
    os.utime(path, ns=(1, 1))
    store = TextStore(tmp_path)
    assert len(store) == 0
    found = CachedTextEncoder(store, lambda: encoder).encode(texts)
    assert torch.equal(found.tokens, Letters().encode(texts).tokens)
    store.add(texts, encoder)
    again = Letters()
    found = CachedTextEncoder(TextStore(tmp_path), lambda: again).encode(texts)
    assert torch.equal(found.tokens, Letters().encode(texts).tokens) and not again.asked
