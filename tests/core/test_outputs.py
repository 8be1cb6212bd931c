from __future__ import annotations

from pathlib import Path

import pytest

from avlink import OutputError, Outputs


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs(tmp_path / "receipts")


def _write(outputs: Outputs, path: Path, text: str, **options: bool) -> None:
    with outputs.write(path, **options) as temporary:
        temporary.write_text(text, encoding="utf-8")


def test_a_file_of_ours_is_replaced_and_one_that_was_changed_is_not(outputs: Outputs, tmp_path: Path) -> None:
    path = tmp_path / "cut.rpp"
    _write(outputs, path, "one")
    _write(outputs, path, "two")
    assert outputs.unchanged(path) is not None and path.read_text() == "two"
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"cut\.rpp was changed after AVLink wrote it.*--overwrite"):
        outputs.check(path)
    with pytest.raises(OutputError, match="was changed"):
        _write(outputs, path, "three")
    assert path.read_text() == "mine" and sorted(one.name for one in tmp_path.iterdir()) == ["cut.rpp", "receipts"]


def test_a_file_of_somebody_else_is_refused_and_kept_where_it_may_be_overwritten(
    outputs: Outputs, tmp_path: Path
) -> None:
    path = tmp_path / "cut.rpp"
    for number, text in enumerate(("first", "second", "second")):
        path.write_text(text)
        with pytest.raises(OutputError, match="was not written by AVLink" if not number else "was changed"):
            outputs.check(path)
        _write(Outputs(outputs.folder, overwrite=True), path, f"ours {number}")
    assert path.read_text() == "ours 2"
    kept = {one.name: one.read_text() for one in tmp_path.glob("*.bak*")}
    assert kept == {"cut.rpp.bak": "first", "cut.rpp.bak2": "second"}


def test_equal_bytes_are_left_alone_whoever_wrote_them(outputs: Outputs, tmp_path: Path) -> None:
    path = tmp_path / "cut.rpp"
    path.write_text("same")
    before = path.stat()
    _write(outputs, path, "same")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert outputs.unchanged(path) is not None


def test_a_new_file_takes_the_first_free_name_and_never_the_place_of_another(outputs: Outputs, tmp_path: Path) -> None:
    names = [tmp_path / f"stem{number}.wav" for number in range(4)]

    def put(text: str) -> Path:
        return outputs.write_new(names, lambda path: path.write_text(text) and None, facts={"text": text})

    names[0].write_text("mine")
    assert (put("a"), put("b"), put("a")) == (names[1], names[2], names[1])
    assert names[0].read_text() == "mine" and outputs.unchanged(names[0]) is None
    known = outputs.unchanged(names[2])
    assert known is not None and known.facts == {"text": "b"}
    assert len(list(tmp_path.iterdir())) == 4


def test_a_change_that_keeps_size_and_time_is_a_change(outputs: Outputs, tmp_path: Path) -> None:
    import os

    path = tmp_path / "cut.rpp"
    _write(outputs, path, "one")
    stat = path.stat()
    path.write_text("two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert outputs.unchanged(path) is None


def test_a_damaged_receipt_is_none(outputs: Outputs, tmp_path: Path) -> None:
    path = tmp_path / "cut.rpp"
    _write(outputs, path, "one")
    (note,) = outputs.folder.rglob("*.json")
    note.write_bytes(b"\0")
    assert outputs.receipt(path) is None
    with pytest.raises(OutputError, match="was not written by AVLink"):
        outputs.check(path)
