"""`avlink visualize` as a process: killed, interrupted, out of space, and what it says about bad input."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from clicks import pictures, project, sound, write_clicks

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]

# A plugin of its own distribution: the flat backend, which dies in the middle of a run.
PLUGIN = """
import os, signal
from avlink import hookimpl, testing
from avlink.hooks import Backend

class Mortal(testing.FlatGenerator):
    made = 0
    def generate(self, requests, *, on_step=None):
        if Mortal.made == int(os.environ.get("DIE_AFTER", "99")):
            if os.environ["DIE_OF"] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt
        Mortal.made += len(requests)
        return super().generate(requests, on_step=on_step)

@hookimpl
def avlink_backends():
    mortal = lambda options, device: Mortal(options)
    return [Backend(
        name="mortal", direction="a2v", options=testing.FlatOptions, fingerprint=lambda options: "1", load=mortal)]
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

        common = ["--device", "cpu", "-s", "backend.name=mortal"]
        return subprocess.run(
            [sys.executable, "-m", "avlink", "visualize", *map(str, arguments), *common],
            # Coverage of processes could not write its own file within the limit.
            env={**env, **extra} | ({} if limit_bytes is None else {"COVERAGE_PROCESS_CONFIG": ""}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=limit,
        )

    return start


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
    assert full.returncode == 2 and "Traceback" not in full.stderr
    assert "cannot be written" in full.stderr.splitlines()[-1]
    assert not [path for path in tmp_path.rglob(".avlink-tmp-*")]
