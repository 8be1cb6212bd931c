"""Digests of files: equal for equal content, and remembered as long as the file is the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from avlink.core.errors import MediaError
from avlink.core.file_digest import file_digest
from avlink.core.store import Store


def test_a_file_is_named_by_its_content_alone(tmp_path: Path) -> None:
    (tmp_path / "a.mov").write_bytes(b"picture")
    (tmp_path / "b.mp4").write_bytes(b"picture")
    (tmp_path / "c.mov").write_bytes(b"pictures")
    names = [file_digest(tmp_path / name) for name in ("a.mov", "b.mp4", "c.mov")]
    assert names[0] == names[1] != names[2]


def test_a_changed_file_gets_a_new_name(tmp_path: Path) -> None:
    path = tmp_path / "clip.mov"
    path.write_bytes(b"one")
    before = file_digest(path)
    path.write_bytes(b"two, longer")
    assert file_digest(path) != before


def test_another_file_of_the_same_size_and_time_gets_its_own_name(tmp_path: Path) -> None:
    path, other = tmp_path / "clip.mov", tmp_path / "other.mov"
    for file, content in ((path, b"one"), (other, b"two")):
        file.write_bytes(content)
        os.utime(file, ns=(10**18, 10**18))
    before = file_digest(path)
    os.replace(other, path)
    assert file_digest(path) != before


def test_a_store_remembers_names_between_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, store = tmp_path / "clip.mov", Store(tmp_path / "cache")
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    before = file_digest(path, store)
    # The next process begins with an empty memory; same path, size and time stand for the same content.
    monkeypatch.setattr("avlink.core.file_digest._memo", {})
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert file_digest(path, store) == before


@pytest.mark.parametrize("note", [bytes(40), b"\xff" * 40, b"", b"not a digest", b"A" * 40])
def test_a_note_that_is_no_digest_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: bytes) -> None:
    path, store = tmp_path / "clip.mov", Store(tmp_path / "cache")
    path.write_bytes(b"picture")
    name = file_digest(path, store)
    (entry,) = store.entries()
    key = entry.files[0].parent.name + entry.files[0].name.partition(".")[0]
    store.put_file(key, ".txt", lambda target: target.write_bytes(note) and None)
    monkeypatch.setattr("avlink.core.file_digest._memo", {})
    assert file_digest(path, store) == name


def test_a_missing_file_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gone\.mov cannot be read: No such file"):
        file_digest(tmp_path / "gone.mov")
