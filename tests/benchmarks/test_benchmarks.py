"""That the benchmarks run and say what they measured; their figures are for people."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avlink.core.values import Frames
from avlink.foundry import FRAME_RATE, make_clips
from avlink.media.audio import read_audio
from avlink.media.movie import write_video
from avlink.media.probe import probe
from benchmarks.library import make_sounds

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted(
    path.stem for path in (ROOT / "benchmarks").glob("*.py") if "def measure(" in path.read_text("utf-8")
)
QUICK = ("start", "hits", "library", "foundry", "scale", "decoding", "training")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in BENCHMARKS],
)
def test_each_runs_and_gives_figures(name: str) -> None:
    done = run(name, "--quick", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["quick"] and said["failed"] == [] and said["figures"]
    for figure in said["figures"]:
        # Growth of memory may be nothing, or less, and a prompt may be obeyed by none; everything else takes something.
        assert figure["value"] > 0 or "memory" in figure["name"] or "prompts" in figure["name"], figure
        assert figure["baseline"] is None or figure["baseline_name"]


def test_footage_and_sounds_of_ones_own_are_measured(tmp_path: Path) -> None:
    footage, sounds = tmp_path / "takes", tmp_path / "recordings"
    footage.mkdir()
    batch = make_clips([7], split="held_out")
    (info,) = batch.clips
    write_video(footage / "7.mp4", Frames(pixels=batch.frames[0].numpy(), rate=FRAME_RATE), scale=4)
    events = [round(event.time_s, 3) for event in info.events]
    (footage / "events.json").write_text(json.dumps({"7.mp4": events}), encoding="utf-8")
    row = {"file": "7.mp4", "what_happens": "metal hit", "group": info.group, "greatest_hits": "1"}
    table = "".join("\t".join(cells) + "\n" for cells in (row.keys(), row.values()))
    (footage / "manifest.tsv").write_text(table, encoding="utf-8")
    make_sounds(sounds, 3)
    done = run("hits", "library", "--quick", "--json", "--footage", str(footage), "--sounds", str(sounds))
    assert done.returncode == 0, done.stderr
    names = [figure["name"] for figure in json.loads(done.stdout)["figures"]]
    assert any(name.startswith("library stems, true events, all (1)") for name in names)
    assert any(", greatest_hits (1)" in name for name in names)
    assert any("3 files" in name and "/recordings" in name for name in names)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    done = run("hits", "--footage", str(tmp_path / "gone"))
    assert done.returncode == 2 and "there is no folder" in done.stderr


def test_a_name_that_is_none_is_told() -> None:
    done = run("plannning")
    assert done.returncode == 2
    assert "there is no benchmark 'plannning'" in done.stderr
    assert all(name in done.stderr for name in BENCHMARKS)


def test_examples_are_movies_with_sound_and_told_with_their_figures(tmp_path: Path) -> None:
    done = run("examples", str(tmp_path), "--clips", "3")
    assert done.returncode == 0, done.stderr
    movies = sorted(tmp_path.glob("*.mp4"))
    told = (tmp_path / "README.md").read_text("utf-8")
    assert len(movies) >= 4 and all(f"({movie.name})" in told for movie in movies)
    for movie in movies:
        found = probe(movie)
        assert found.video is not None and found.audio is not None and found.audio.sample_rate == 48000
        assert np.abs(read_audio(movie, sample_rate=48000).samples).max() > 0.01
