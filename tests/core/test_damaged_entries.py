"""Entries of the cache that are damaged count as absent, are told of once, and can be made again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from avlink.core.hashing import digest
from avlink.core.store import Store

KEY, OTHER = digest("a job"), digest("another job")
SOUND, OTHER_SOUND = b"sound" * 100, b"other" * 100


def object_of(store: Store, key: str = KEY) -> Path:
    return store.root / "objects" / key[:2] / f"{key[2:]}.wav"


def sidecar_of(store: Store, key: str = KEY) -> Path:
    return object_of(store, key).with_suffix(".meta.json")


def put(store: Store, key: str = KEY, content: bytes = SOUND) -> None:
    store.put_file(key, ".wav", lambda path: path.write_bytes(content) and None, meta={"rate": 24})


def truncate(store: Store) -> None:
    object_of(store).write_bytes(SOUND[:-1])


def flip(store: Store) -> None:
    object_of(store).write_bytes(SOUND[:-1] + bytes([SOUND[-1] ^ 1]))


def fill_with_zeros(store: Store) -> None:
    object_of(store).write_bytes(bytes(len(SOUND)))


def swap_objects(store: Store) -> None:
    object_of(store).write_bytes(OTHER_SOUND)
    object_of(store, OTHER).write_bytes(SOUND)


def take_the_sidecar_of_another(store: Store) -> None:
    shutil.copyfile(sidecar_of(store, OTHER), sidecar_of(store))


def take_all_of_another(store: Store) -> None:
    shutil.copyfile(object_of(store, OTHER), object_of(store))
    text = sidecar_of(store, OTHER).read_text().replace(OTHER[2:], KEY[2:])
    sidecar_of(store).write_text(text)


def break_the_sidecar(store: Store) -> None:
    sidecar_of(store).write_bytes(b"no json")


def empty_the_sidecar(store: Store) -> None:
    sidecar_of(store).write_bytes(b"")


def change_the_metadata(store: Store) -> None:
    text = sidecar_of(store).read_text()
    assert '"rate": 24' in text
    sidecar_of(store).write_text(text.replace('"rate": 24', '"rate": 25'))


def leave_the_digest_out(store: Store) -> None:
    fields = json.loads(sidecar_of(store).read_text())
    del fields["digest"]
    sidecar_of(store).write_text(json.dumps(fields))
    flip(store)


DAMAGES = [
    truncate,
    flip,
    fill_with_zeros,
    swap_objects,
    take_the_sidecar_of_another,
    take_all_of_another,
    break_the_sidecar,
    empty_the_sidecar,
    change_the_metadata,
    leave_the_digest_out,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_counts_as_absent_until_it_is_put_again(
    tmp_path: Path, damage: Callable[[Store], None]
) -> None:
    for entry in ((KEY, SOUND), (OTHER, OTHER_SOUND)):
        put(Store(tmp_path), *entry)
    damage(Store(tmp_path))
    told: list[Path] = []
    store = Store(tmp_path, on_damaged=told.append)
    for _ in range(2):
        assert store.get(KEY) is None and store.meta(KEY) is None and store.get_text(KEY) is None
    assert len(told) == 1 and told[0].name.startswith(KEY[2:])
    put(store)
    for again in (store, Store(tmp_path, on_damaged=told.append)):
        found = again.get(KEY)
        assert found is not None and found.read_bytes() == SOUND
        assert again.meta(KEY) == {"rate": 24} and again.get_text(KEY) == SOUND.decode()
    assert len(told) == 1


def test_an_object_is_compared_with_its_digest_once_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(Store(tmp_path))
    store = Store(tmp_path)
    assert store.get(KEY) is not None
    with monkeypatch.context() as patch:
        patch.setattr("avlink.core.store.content_digest", None)
        assert store.get(KEY) is not None and store.meta(KEY) == {"rate": 24}
    flip(store)
    assert store.get(KEY) is None


def test_what_is_absent_is_not_damaged(tmp_path: Path) -> None:
    told: list[Path] = []
    store = Store(tmp_path, on_damaged=told.append)
    assert store.get(KEY) is None
    put(store)
    object_of(store).unlink()
    assert store.get(KEY) is None and store.get_text(KEY) is None
    put(store)
    sidecar_of(store).unlink()
    assert store.get(KEY) is None and not told


class TestEarlierVersions:
    """Their sidecars have no digests; the content is checked by those who can read it, and then gets one."""

    @pytest.fixture
    def old(self, tmp_path: Path) -> Store:
        store = Store(tmp_path)
        put(store)
        fields = {"object": object_of(store).name, "size": len(SOUND), "meta": {"rate": 24}}
        sidecar_of(store).write_text(json.dumps(fields))
        return Store(tmp_path)

    def test_they_are_there(self, old: Store) -> None:
        assert old.get(KEY) == object_of(old)
        assert old.meta(KEY) == {"rate": 24} and old.get_text(KEY) == SOUND.decode()

    def test_content_that_is_valid_gets_a_digest(self, old: Store) -> None:
        assert old.get(KEY, valid=lambda path: path.read_bytes() == SOUND) is not None
        assert old.meta(KEY) == {"rate": 24}
        flip(old)
        assert Store(old.root).get(KEY) is None

    def test_content_that_is_not_valid_is_damaged(self, old: Store) -> None:
        told: list[Path] = []
        store = Store(old.root, on_damaged=told.append)
        assert store.get(KEY, valid=lambda path: False) is None
        assert told == [object_of(old)]
