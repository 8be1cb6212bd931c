from __future__ import annotations

from pathlib import Path

import pytest

from avlink import Store, file_digest, read_receipt, write_receipt

KEY = "ab" * 32
FACTS = {"channels": 1, "lufs": -23.5}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stem.wav"
    path.write_bytes(b"sound")
    return path


def test_the_facts_come_back_as_long_as_the_file_has_the_same_bytes(store: Store, file: Path) -> None:
    assert read_receipt(store, KEY, file) is None
    written = write_receipt(store, KEY, file, FACTS)
    assert written == {**FACTS, "file": file_digest(file)}
    assert read_receipt(store, KEY, file) == written
    file.write_bytes(b"SOUND")
    assert read_receipt(store, KEY, file) is None
    file.write_bytes(b"sound")
    assert read_receipt(store, KEY, file) == written


def test_a_file_that_is_gone_has_none_and_a_copy_has_the_same(store: Store, file: Path) -> None:
    written = write_receipt(store, KEY, file, FACTS)
    moved = file.rename(file.with_name("moved.wav"))
    assert read_receipt(store, KEY, file) is None
    assert read_receipt(store, KEY, moved) == written


def test_keys_are_apart(store: Store, file: Path) -> None:
    write_receipt(store, KEY, file, FACTS)
    assert read_receipt(store, "cd" * 32, file) is None
