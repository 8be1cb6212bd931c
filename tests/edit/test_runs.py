"""`avlink sonify` as a process: killed, interrupted, out of space, and what it says about bad input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from mortal import Run, mortal_runs


@pytest.fixture
def run(tmp_path: Path) -> Run:
    recipe = 'format = 1\nkind = "sonify"\n[backend]\nname = "mortal"\n[run]\nmax_batch_s = 0.01\n'
    (tmp_path / "run.toml").write_text(recipe)
    return mortal_runs(tmp_path, "sonify", "-r", str(tmp_path / "run.toml"))


def _sounds(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.wav"))}


def test_a_killed_run_leaves_whole_stems_and_the_next_goes_on(run: Run, cut: Path, tmp_path: Path) -> None:
    undisturbed = run(cut, "-o", tmp_path / "whole" / "cut.foley.otio", AVLINK_CACHE_DIR=str(tmp_path / "other"))
    assert undisturbed.returncode == 0, undisturbed.stderr
    whole = _sounds(tmp_path / "whole" / "cut.stems")
    killed = run(cut, DIE_AFTER="2", DIE_OF="kill")
    assert killed.returncode == -signal.SIGKILL
    left = _sounds(tmp_path / "cut.stems")
    assert len(left) == 2 and left.items() <= whole.items()
    assert not (tmp_path / "cut.foley.otio").exists()
    resumed = run(cut, "--json")
    report = json.loads(resumed.stdout)
    assert report["format"] == 1 and report["command"] == "sonify"
    assert report["counts"] == {"generated": 1, "cached": 2, "skipped": 0, "failed": 0}
    assert _sounds(tmp_path / "cut.stems") == whole


def test_an_interrupted_run_keeps_what_it_finished(run: Run, cut: Path, tmp_path: Path) -> None:
    stopped = run(cut, DIE_AFTER="1", DIE_OF="ctrl-c")
    assert stopped.returncode == 130 and "Traceback" not in stopped.stderr
    assert len(_sounds(tmp_path / "cut.stems")) == 1
    assert not [path for path in tmp_path.rglob(".avlink-tmp-*")]
    assert json.loads(run(cut, "--json").stdout)["counts"] == {"generated": 2, "cached": 1, "skipped": 0, "failed": 0}


def test_no_room_for_the_stems_is_a_sentence(run: Run, cut: Path, tmp_path: Path) -> None:
    # A limit on the size of files is met like a full disk, and needs no disk of its own.
    full = run(cut, limit_bytes=60_000)
    assert full.returncode == 1 and "Traceback" not in full.stderr
    assert "cannot be written" in full.stderr.splitlines()[-1] and "is full" in full.stderr.splitlines()[-1]
    assert not [path for path in tmp_path.rglob(".avlink-tmp-*")]
    assert run(cut).returncode == 0


@pytest.fixture
def full_disk(tmp_path: Path) -> Any:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a disk of a few kilobytes cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_a_sentence(run: Run, cut: Path, full_disk: Path) -> None:
    full = run(cut, "-o", full_disk / "cut.foley.otio")
    assert full.returncode == 1
    assert f"'{full_disk}/cut.stems' is full: there is no space left on its disk" in full.stderr.splitlines()[-1]
    assert not [path for path in full_disk.rglob(".avlink-tmp-*")]


def test_one_broken_file_among_good_ones_is_exit_code_3(run: Run, kit: Any, cut: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes((tmp_path / "media" / "a.mp4").read_bytes()[:2000])
    timeline = kit.timeline_of(kit.clip("media/a.mp4", 0, 12), kit.clip("broken.mp4", 0, 12))
    otio.adapters.write_to_file(timeline, str(cut))
    done = run(cut, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 3
    assert [item["status"] for item in report["items"]] == ["generated", "failed"]
    assert "broken.mp4" in report["items"][1]["reason"]


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("gone.otio", None, "does not exist"),
        ("text.mp4", b"hello, I am no movie\n" * 20, "text file"),
        ("clip.otio", otio.schema.Clip("c").to_json_string().encode(), "not a timeline"),
    ],
)
def test_bad_input_is_exit_code_2_and_one_sentence(
    run: Run, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run(tmp_path / name)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert words in line
