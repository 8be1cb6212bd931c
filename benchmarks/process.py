"""A command in a process of its own: what it said, how long it took, and the most memory it held.

A new process counts the memory of the one that started it towards its own peak, until it is replaced by its program.
So a small interpreter stands between: it starts the command, waits, and notes the usage of the command alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_BETWEEN = """
import json, os, sys, time
began = time.perf_counter()
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as note:
    json.dump([os.waitstatus_to_exitcode(status), time.perf_counter() - began, usage.ru_maxrss], note)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a command."""

    stdout: str
    wall_s: float
    peak_bytes: int


def run_alone(*arguments: object, environment: Mapping[str, str] | None = None) -> Outcome:
    """Run this Python with `arguments` in the repository's root.

    `environment` is added to the present one. Raises RuntimeError with what the command complained of if it fails.
    """
    with tempfile.TemporaryDirectory(prefix="avlink-bench-") as folder:
        note = Path(folder) / "usage.json"
        command = [sys.executable, *(str(argument) for argument in arguments)]
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _BETWEEN, str(note), *command],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        code, wall_s, peak = json.loads(note.read_text("utf-8")) if note.is_file() else (done.returncode, 0.0, 0)
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}: {done.stderr.strip()[-2000:]}")
    return Outcome(stdout=done.stdout, wall_s=wall_s, peak_bytes=peak * unit_bytes())


def interpreter() -> Sequence[str]:
    """Arguments of an interpreter that does nothing."""
    return ("-c", "pass")


def unit_bytes() -> int:
    """Return the unit of peaks in bytes: kibibytes, on macOS bytes."""
    return 1 if sys.platform == "darwin" else 1024
