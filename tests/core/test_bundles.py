"""Bundles are found by name or folder, and their fingerprint follows their configuration and weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from avlink.core.bundles import BUILTIN, bundle_fingerprint, find_bundle, shipped_bundles
from avlink.core.errors import BundleError


def test_every_shipped_bundle_is_found_by_its_name() -> None:
    assert BUILTIN in shipped_bundles()
    for name in shipped_bundles():
        assert (find_bundle(name) / "bundle.toml").is_file()
    assert find_bundle("builtin") == find_bundle(BUILTIN)


def test_a_folder_is_found_by_its_path_also_below_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bundle.toml").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_bundle(str(tmp_path / "mine")) == find_bundle("~/mine") == tmp_path / "mine"


@pytest.mark.parametrize("name", ["nothing", "../bundles/foley48", "", "foley48/../foley48"])
def test_other_names_are_refused_with_those_that_exist(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match=BUILTIN):
        find_bundle(name)


def test_the_fingerprint_changes_with_either_file_and_not_with_the_place(tmp_path: Path) -> None:
    for name in ("bundle.toml", "tensors.json"):
        (tmp_path / name).write_text(name)
    before = bundle_fingerprint(tmp_path)
    copy = shutil.copytree(tmp_path, tmp_path / "copy")
    assert bundle_fingerprint(copy) == before
    found = {before}
    for name in ("bundle.toml", "tensors.json"):
        (copy / name).write_text("changed")
        found.add(bundle_fingerprint(copy))
    assert len(found) == 3
    (copy / "tensors.json").unlink()
    with pytest.raises(BundleError, match=r"tensors\.json.*copy the whole folder"):
        bundle_fingerprint(copy)
