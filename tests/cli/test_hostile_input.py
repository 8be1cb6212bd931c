"""Unusable files and places get one sentence and exit code 2, and nothing is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def _avlink(folder: Path | bytes, *arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "avlink", *arguments], cwd=folder, capture_output=True, timeout=60)


def _told(done: subprocess.CompletedProcess[bytes]) -> str:
    assert done.returncode == 2 and not done.stdout, done.stderr
    (line,) = done.stderr.decode("utf-8").splitlines()
    return line


def test_names_that_are_no_text_are_told_in_words(tmp_path: Path) -> None:
    inside = os.fsencode(tmp_path) + b"/cuts_\xff"
    os.mkdir(inside)
    assert "the name 'clip_\\xff.mp4' is not text in UTF-8" in _told(_avlink(tmp_path, "sonify", b"clip_\xff.mp4"))
    done = _avlink(tmp_path, "sonify", b"clip_\xff.mp4", "--dry-run", "--json")
    assert json.loads(done.stdout)["error"]["exit_code"] == done.returncode == 2
    assert "cuts_\\xff' is not text in UTF-8" in _told(_avlink(inside, "sonify", "cut.otio"))


@pytest.mark.parametrize("name", ["cut.otio", "cut.edl", "shot.mov", "recipe.toml", "cues.csv"])
def test_pipes_are_told_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    (tmp_path / "base.otio").write_text(_EMPTY)
    command = {"toml": ["recipes", "show", name], "csv": ["import-cues", "base.otio", name, "-o", "o.otio"]}
    told = _told(_avlink(tmp_path, *command.get(name.rpartition(".")[2], ["sonify", name, "--dry-run"])))
    assert f"{name}" in told and "is a pipe (FIFO), not a file" in told


@pytest.mark.parametrize("value", ["1e999999999", "9" * 5000, "1/0"])
def test_rates_that_are_none_are_told_at_once(tmp_path: Path, value: str) -> None:
    (tmp_path / "base.otio").write_text(_EMPTY)
    done = _avlink(tmp_path, "sonify", "base.otio", "--rate", value)
    assert done.returncode == 2 and b"it is no frame rate" in done.stderr


_EMPTY = json.dumps(
    {
        "OTIO_SCHEMA": "Timeline.1",
        "name": "t",
        "metadata": {},
        "global_start_time": None,
        "tracks": {
            "OTIO_SCHEMA": "Stack.1",
            "name": "tracks",
            "metadata": {},
            "source_range": None,
            "effects": [],
            "markers": [],
            "enabled": True,
            "children": [],
        },
    }
)
