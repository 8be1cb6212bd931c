from __future__ import annotations

import os
from pathlib import Path

import pytest

from avlink.core.hashing import digest
from avlink.core.store import Store

KEY = digest("a job")


def put(store: Store, content: bytes, key: str = KEY, suffix: str = ".wav", **meta: str) -> Path:
    return store.put_file(key, suffix, lambda path: path.write_bytes(content) and None, meta=meta)


def test_what_was_put_is_got(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get(KEY) is None
    path = put(store, b"sound", note="x")
    assert path == tmp_path / "objects" / KEY[:2] / f"{KEY[2:]}.wav"
    assert Store(tmp_path).get(KEY) == path
    assert path.read_bytes() == b"sound"
    assert store.meta(KEY) == {"note": "x"}


def test_putting_again_replaces(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, b"one")
    put(store, b"three", suffix=".flac")
    found = store.get(KEY)
    assert found is not None
    assert (found.suffix, found.read_bytes()) == (".flac", b"three")


def test_an_object_that_was_cut_short_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, b"sound").write_bytes(b"sou")
    assert store.get(KEY) is None
    assert store.meta(KEY) is None


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b'{"object": "x"}', b"\xff\xfe"])
def test_a_broken_sidecar_is_no_entry(tmp_path: Path, junk: bytes) -> None:
    store = Store(tmp_path)
    put(store, b"sound")
    next(tmp_path.rglob("*.meta.json")).write_bytes(junk)
    assert store.get(KEY) is None


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, b"one")

    def fail(path: Path) -> None:
        path.write_bytes(b"tw")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        store.put_file(KEY, ".wav", fail)
    found = store.get(KEY)
    assert found is not None
    assert found.read_bytes() == b"one"
    assert len(list(found.parent.iterdir())) == 2


@pytest.mark.parametrize(("key", "suffix"), [("../../etc", ".wav"), ("", ".wav"), (KEY, "wav"), (KEY, "./../x")])
def test_keys_and_suffixes_never_leave_the_store(tmp_path: Path, key: str, suffix: str) -> None:
    with pytest.raises(ValueError):
        put(Store(tmp_path), b"", key=key, suffix=suffix)


def test_a_note_is_an_entry_like_others(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = digest("note")
    assert store.put_text(key, ".txt", "wörds\n") == store.get(key)
    assert store.get_text(key) == "wörds\n" and [entry.suffix for entry in store.entries()] == [".txt"]
    store.put_text(key, ".txt", "others")
    assert store.get_text(key) == "others" and not [*tmp_path.rglob(".avlink-tmp-*")]


def test_text_is_read_or_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get_text(KEY) is None
    put(store, "ä".encode(), suffix=".txt")
    assert store.get_text(KEY) == "ä"


class TestEntries:
    def test_all_are_listed_with_size_and_kind(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        assert list(store.entries()) == []
        sound = put(store, b"sound")
        put(store, b"text", key=digest("another"), suffix=".txt")
        found = {entry.suffix: entry for entry in store.entries()}
        assert set(found) == {".wav", ".txt"}
        assert found[".wav"].files == (sound, sound.with_name(f"{KEY[2:]}.meta.json"))
        assert found[".wav"].size_bytes == sum(file.stat().st_size for file in found[".wav"].files)

    def test_asking_is_using(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        for name in ("a", "b"):
            put(store, b"x", key=digest(name), suffix=f".{name}")
        for file in tmp_path.rglob("*.*"):
            os.utime(file, (1e9, 1e9))
        assert store.meta(digest("a")) == {} and {entry.used_s for entry in store.entries()} == {1e9}
        store.get(digest("b"))
        used = {entry.suffix: entry.used_s for entry in store.entries()}
        assert used[".a"] == 1e9 < used[".b"]

    def test_what_is_removed_is_gone_and_can_come_back(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        put(store, b"sound")
        (entry,) = store.entries()
        assert entry.remove()
        assert store.get(KEY) is None and list(store.entries()) == []
        assert put(store, b"sound").read_bytes() == b"sound"
        assert store.get(KEY) is not None

    def test_what_was_used_since_it_was_listed_stays(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        put(store, b"sound")
        os.utime(next(tmp_path.rglob("*.meta.json")), (1e9, 1e9))
        (entry,) = store.entries()
        store.get(KEY)
        assert not entry.remove()
        assert store.get(KEY) is not None

    def test_what_is_left_of_a_killed_run_is_an_entry_too(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        put(store, b"sound").with_name(f"{KEY[2:]}.meta.json").unlink()
        (entry,) = store.entries()
        assert (entry.suffix, entry.size_bytes) == (".wav", 5)
        assert entry.remove() and list(store.entries()) == []

    def test_a_sound_that_is_open_can_be_read_to_its_end(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        put(store, b"sound")
        (entry,) = store.entries()
        found = store.get(KEY)
        assert found is not None
        with found.open("rb") as file:
            os.utime(entry.files[-1], (entry.used_s, entry.used_s))
            if entry.remove():
                assert file.read() == b"sound"


def test_an_entry_whose_object_is_open_as_on_windows_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Windows removes no file that another program holds open.
    store = Store(tmp_path)
    path = put(store, b"sound")
    (entry,) = store.entries()

    def refuse(self: Path, missing_ok: bool = False) -> None:
        if self == path:
            raise PermissionError(13, "in use", str(self))
        os.unlink(self)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        assert not entry.remove()
    assert store.get(KEY) == path
    (entry,) = store.entries()
    assert entry.remove() and store.get(KEY) is None and not [*store.entries()]


def test_an_entry_that_was_used_since_it_was_listed_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = put(store, b"sound")
    for sidecar in tmp_path.rglob("*.meta.json"):
        os.utime(sidecar, (1e9, 1e9))
    (entry,) = store.entries()
    assert store.get(KEY) == path
    assert not entry.remove() and path.exists()
