"""That the benchmarks run and say what they measured; their figures are for people."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted(
    path.stem for path in (ROOT / "benchmarks").glob("*.py") if "def measure(" in path.read_text("utf-8")
)
QUICK = ("start", "library", "foundry", "scale", "decoding", "training")


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
        # Growth of memory may be nothing, or less; everything else takes something.
        assert figure["value"] > 0 or "memory" in figure["name"], figure
        assert figure["baseline"] is None or figure["baseline_name"]


def test_a_name_that_is_none_is_told() -> None:
    done = run("plannning")
    assert done.returncode == 2
    assert "there is no benchmark 'plannning'" in done.stderr
    assert all(name in done.stderr for name in BENCHMARKS)
