"""`avlink visualize` as a process: killed, interrupted, out of space, and what it says about bad input."""

from __future__ import annotations

import json
import signal
import sys
from fractions import Fraction
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from clicks import pictures, project, sound, write_clicks
from mortal import Run, mortal_runs


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return mortal_runs(tmp_path, "visualize", "-s", "backend.name=mortal")


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    write_clicks(tmp_path / "clicks.wav")
    row = [sound(Fraction(index), Fraction(2), name) for index, name in enumerate(("one", "two", "three"))]
    return project(tmp_path, row, rate=25.0)


def _movies(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.mov"))}


def test_a_killed_run_leaves_whole_pictures_and_the_next_goes_on(run: Run, cut: Path, tmp_path: Path) -> None:
    before = cut.read_bytes()
    undisturbed = run(cut, "-o", tmp_path / "whole" / "cut.visual.otio", AVLINK_CACHE_DIR=str(tmp_path / "other"))
    assert undisturbed.returncode == 0, undisturbed.stderr
    whole = _movies(tmp_path / "whole" / "cut.pictures")
    assert len(whole) == 3
    killed = run(cut, DIE_AFTER="2", DIE_OF="kill")
    assert killed.returncode == -signal.SIGKILL
    left = _movies(tmp_path / "cut.pictures")
    assert len(left) == 2 and left.items() <= whole.items()
    assert not (tmp_path / "cut.visual.otio").exists()
    resumed = run(cut, "--json")
    report = json.loads(resumed.stdout)
    assert report["format"] == 1 and report["command"] == "visualize"
    assert report["counts"] == {"generated": 1, "cached": 2, "skipped": 0, "failed": 0}
    assert _movies(tmp_path / "cut.pictures") == whole and cut.read_bytes() == before
    (clips,) = pictures(tmp_path / "cut.visual.otio").values()
    assert [clip.name for clip in clips] == ["one", "two", "three"]


def test_an_interrupted_run_keeps_what_it_finished(run: Run, cut: Path, tmp_path: Path) -> None:
    stopped = run(cut, DIE_AFTER="1", DIE_OF="ctrl-c")
    assert stopped.returncode == 130 and "Traceback" not in stopped.stderr
    assert len(_movies(tmp_path / "cut.pictures")) == 1
    assert not [path for path in tmp_path.rglob(".avlink-tmp-*")]


def test_no_room_for_the_pictures_is_a_sentence(run: Run, cut: Path, tmp_path: Path) -> None:
    # A limit on the size of files is met like a full disk, and needs no disk of its own.
    full = run(cut, limit_bytes=15_000)
    assert full.returncode == 1 and "Traceback" not in full.stderr
    assert "cannot be written" in full.stderr.splitlines()[-1] and "is full" in full.stderr.splitlines()[-1]
    assert not [path for path in tmp_path.rglob(".avlink-tmp-*")]
