"""`avlink sonify` as a process: killed, interrupted, out of space, and what it says about bad input."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]

# A plugin of its own distribution: the tone backend, and one that dies in the middle of a run.
PLUGIN = """
import os, signal
from avlink import hookimpl, testing
from avlink.hooks import Backend

class Mortal(testing.ToneGenerator):
    made = 0
    def generate(self, requests, *, on_step=None):
        if Mortal.made == int(os.environ.get("DIE_AFTER", "99")):
            if os.environ["DIE_OF"] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt
        Mortal.made += 1
        return super().generate(requests, on_step=on_step)

@hookimpl
def avlink_backends():
    mortal = lambda options, device: Mortal(options)
    return [*testing.avlink_backends(), Backend(
        name="mortal", direction="v2a", options=testing.ToneOptions, fingerprint=lambda options: "1", load=mortal)]
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    site = tmp_path / "site"
    info = site / "avlink_mortal-1.dist-info"
    info.mkdir(parents=True)
    (site / "avlink_mortal.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: avlink-mortal\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[avlink]\nmortal = avlink_mortal\n")
    paths = [str(site), str(ROOT), str(ROOT / "plugins"), str(ROOT / "otio_adapters")]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "AVLINK_PLUGINS": "mortal",
        "AVLINK_CACHE_DIR": str(tmp_path / "cache"),
    }

    def start(*arguments: object, limit_bytes: int | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        def limit() -> None:
            if limit_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

        common = ["--device", "cpu", "-r", str(tmp_path / "run.toml")]
        return subprocess.run(
            [sys.executable, "-m", "avlink", "sonify", *map(str, arguments), *common],
            # Coverage of processes could not write its own file within the limit.
            env={**env, **extra} | ({} if limit_bytes is None else {"COVERAGE_PROCESS_CONFIG": ""}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=limit,
        )

    recipe = 'format = 1\nkind = "sonify"\n[backend]\nname = "mortal"\n[run]\nmax_batch_s = 0.01\n'
    (tmp_path / "run.toml").write_text(recipe)
    return start


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
    assert full.returncode == 2 and "Traceback" not in full.stderr
    assert "cannot be written" in full.stderr.splitlines()[-1]
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
    assert full.returncode == 2
    assert full.stderr.splitlines()[-1].endswith("there is no space left on the disk")
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
