"""Digests of files: equal for equal content, and remembered as long as the file is the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from avlink.core.errors import MediaChanged, MediaError
from avlink.core.file_digest import file_digest, file_identity, file_state
from avlink.core.hashing import content_digest
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
    before = file_digest(path, store)
    # The next process begins with an empty memory, and does not read the file again.
    monkeypatch.setattr("avlink.core.file_digest._memo", {})
    monkeypatch.setattr("avlink.core.file_digest.content_digest", None)
    assert file_digest(path, store) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no time of the last change that programs cannot set")
def test_a_file_that_was_rewritten_with_its_size_and_time_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = tmp_path / "clip.mov", Store(tmp_path / "cache")
    path.write_bytes(b"one")
    stat = path.stat()
    before = file_digest(path, store)
    rewrite(path, b"two")
    assert path.stat().st_mtime_ns == stat.st_mtime_ns
    for memo in (None, {}):
        if memo is not None:
            monkeypatch.setattr("avlink.core.file_digest._memo", memo)
        assert file_digest(path, store) != before


class TestStates:
    """The state of a file is taken before it is read, and checked afterwards."""

    def test_a_file_that_stays_is_unchanged_also_with_other_permissions(self, tmp_path: Path) -> None:
        path = tmp_path / "clip.mov"
        path.write_bytes(b"one")
        state = file_state(path)
        assert state.digest == file_digest(path)
        state.check()
        path.chmod(0o600)
        state.check()

    @pytest.mark.parametrize("change", ["replace", "rewrite", "touch", "grow", "remove"])
    def test_every_change_is_told_in_one_sentence(self, tmp_path: Path, change: str) -> None:
        path, other = tmp_path / "clip.mov", tmp_path / "other.mov"
        path.write_bytes(b"one")
        state, identity = file_state(path), file_identity(path)
        if change == "replace":
            other.write_bytes(b"two")
            os.utime(other, ns=(identity.mtime_ns, identity.mtime_ns))
            os.replace(other, path)
        elif change == "rewrite":
            rewrite(path, b"two")
        elif change == "touch":
            os.utime(path, ns=(1, 1))
        elif change == "grow":
            path.write_bytes(b"ones")
        else:
            path.unlink()
        for told in (state.check, identity.check):
            with pytest.raises(MediaChanged, match=r"clip\.mov changed while it was read; run again"):
                told()

    def test_a_file_that_changes_while_its_digest_is_made_has_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, store = tmp_path / "clip.mov", Store(tmp_path / "cache")
        path.write_bytes(b"one")

        def slow(read: Path) -> str:
            content = content_digest(read)
            rewrite(path, b"two")
            return content

        with monkeypatch.context() as patch:
            patch.setattr("avlink.core.file_digest.content_digest", slow)
            with pytest.raises(MediaChanged, match="run again"):
                file_digest(path, store)
        assert not [*store.entries()]
        assert file_digest(path, store) == content_digest(path)


def rewrite(path: Path, content: bytes) -> None:
    """Write other bytes into a file, and set its time back."""
    stat = path.stat()
    # The clock of a file system may tick a hundred times a second only.
    while path.stat().st_ctime_ns == stat.st_ctime_ns:
        path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


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
