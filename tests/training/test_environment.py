"""The environment that a training notes can be used again, and names nobody."""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
from pathlib import Path

import pytest

from avlink.core.recipe import load_recipe
from avlink.core.recipe.data import FolderData
from avlink.training.environment import record_environment, resolve_recipe


@pytest.mark.parametrize("name", ["foley_tiny", "vggsound", "paper/fusion_v2a"])
def test_the_resolve_recipe_recipe_is_read_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = ['start_from=["parts", "runs/a/bundle", "builtin"]', "data.held_out=7", "seed=5"]
    first = load_recipe(name, "train", settings)
    out = tmp_path / "runs" / "b"
    out.mkdir(parents=True)
    (out / "recipe.toml").write_text(resolve_recipe(first, out))
    monkeypatch.chdir("/")
    again = load_recipe(out / "recipe.toml", "train")
    places = {"start_from": True, "data": {"folder"}}
    assert again.model_dump(exclude=places) == first.model_dump(exclude=places)
    found = [os.path.normpath(again.source.path("start_from", start)) for start in again.starts[:2]]
    assert found == [str(tmp_path / "parts"), str(tmp_path / "runs" / "a" / "bundle")]
    assert again.starts[2] == "builtin"
    if isinstance(first.data, FolderData) and isinstance(again.data, FolderData):
        folder = os.path.normpath(again.source.path("data.folder", again.data.folder))
        assert folder == str(tmp_path / first.data.folder)


def test_every_start_is_noted_and_names_no_user_and_no_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(Path.home() / "bin" / "avlink"), "train", "x", "-s", "seed=1"])
    for ranks in (1, 2):
        record_environment(tmp_path, ranks=ranks, device="cpu")
    text = (tmp_path / "environment.json").read_text()
    starts = json.loads(text)
    assert [start["ranks"] for start in starts] == [1, 2]
    assert starts[0]["command"][0] == str(Path("~") / "bin" / "avlink")
    assert starts[0]["packages"]["torch"] and starts[0]["python"].startswith("3.")
    words = {word for start in starts for word in start["command"]}
    assert str(Path.home()) not in text and not words & {getpass.getuser(), socket.gethostname()}
