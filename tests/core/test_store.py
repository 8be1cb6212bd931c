from __future__ import annotations

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
