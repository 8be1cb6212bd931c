"""Folders of learned spotters: found by their path, and refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w

from avlink.core.errors import BundleError
from avlink.core.learned import FILE, learned_folder, read_learned

BUILT_IN = {"name": "motion-peaks", "late_s": 0.1}
PLAIN = {"format": 1, "kind": "spotter", "name": "mine", "licence": "x", "num_clips": 4, "built_in": BUILT_IN}


def write(folder: Path, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    said = {key: value for key, value in {**PLAIN, **changes}.items() if value is not None}
    (folder / FILE).write_text(tomli_w.dumps(said))
    return folder


def test_a_folder_is_found_by_its_path(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    assert learned_folder(str(folder)) == folder
    assert learned_folder(str(tmp_path)) is None and learned_folder("") is None
    found, table = read_learned(str(folder))
    assert found == folder and table.built_in is not None and table.built_in.late_s == 0.1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "no learned spotter of format 1"),
        ({"kind": "sonify"}, "no learned spotter of format 1"),
        ({"built_in": None}, "there must be one of built_in and head"),
        ({"built_in": {"name": "motion-peaks", "late_s": 9.0}}, "built_in.late_s"),
        ({"num_clips": 0}, "num_clips"),
        ({"more": 1}, "more"),
    ],
)
def test_a_folder_that_is_no_spotter_is_told(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(BundleError) as raised:
        read_learned(str(write(tmp_path / "mine", **changes)))
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_no_folder_and_no_table_are_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no learned spotter 'none'"):
        read_learned("none")
    with pytest.raises(BundleError, match="no learned spotter is named"):
        read_learned("")
    write(tmp_path / "mine")
    (tmp_path / "mine" / FILE).write_text("kind = [")
    with pytest.raises(BundleError, match="is not TOML"):
        read_learned(str(tmp_path / "mine"))
