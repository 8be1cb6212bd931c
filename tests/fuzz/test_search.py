"""A minute of the search in the tests; `make fuzz` takes an hour."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="limits of processes are POSIX's")

from fuzz.formats import FORMATS

ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fuzz", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_half_a_minute_of_generated_inputs_breaks_no_law(tmp_path: Path) -> None:
    done = run("--minutes", 0.5, "--seed", 1, "--output", tmp_path)
    log = tmp_path / "seed-1" / "process.log"
    assert done.returncode == 0, done.stdout + done.stderr + (log.read_text("utf-8")[-3000:] if log.exists() else "")
    lines = (tmp_path / "seed-1" / "inputs.jsonl").read_text("utf-8").splitlines()
    # All had their turn, and some of their inputs are good.
    entries = [json.loads(line) for line in lines]
    assert {entry["format"] for entry in entries} == set(FORMATS)
    assert {code for entry in entries for code in entry["codes"]} <= {0, 2, 3}
    assert sum(0 in entry["codes"] for entry in entries) > len(entries) / 10
    assert "0 faults" in done.stdout


def test_a_name_that_is_no_format_is_told() -> None:
    done = run("otoi")
    assert done.returncode == 2 and "there is no format 'otoi'" in done.stderr
