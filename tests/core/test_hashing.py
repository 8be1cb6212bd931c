from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.errors import MediaError
from avlink.core.file_digest import file_digest
from avlink.core.hashing import canonical_json, derive_seed, digest, fraction_text
from avlink.core.store import Store

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(value=st.dictionaries(st.text(), JSON, max_size=6))
def test_a_digest_does_not_depend_on_the_order_of_keys(value: dict) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


@given(one=JSON, other=JSON)
def test_equal_digests_mean_equal_json(one: object, other: object) -> None:
    assert (digest(one) == digest(other)) == (canonical_json(one) == canonical_json(other))


def test_a_digest_is_the_same_in_every_version() -> None:
    # Caches outlive releases: when this changes on purpose, the formats inside the keys must change too.
    assert digest({"b": [1, "é", None], "a": 0.5}) == "46b4feb0e71ef5788f20d0d7b16533e0c989fb1c"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_have_no_name(value: float) -> None:
    with pytest.raises(ValueError):
        digest(value)


def test_what_is_no_json_has_no_name() -> None:
    with pytest.raises(TypeError):
        digest(Fraction(1, 2))  # type: ignore[arg-type]


@given(parts=st.lists(st.integers() | st.text(), max_size=4))
def test_seeds_fit_into_63_bits_and_depend_on_every_part(parts: list) -> None:
    seed = derive_seed(*parts)
    assert 0 <= seed < 2**63
    assert seed == derive_seed(*parts)
    assert seed != derive_seed(*parts, "more")


def test_fractions_are_written_in_lowest_terms() -> None:
    assert fraction_text(Fraction(2002, 48000)) == "1001/24000"


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
