"""Runs of `avlink` as a process of its own, with a backend that dies in the middle: shared by both directions."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]

# A plugin of its own distribution.
_PLUGIN = """
import os, signal
from avlink import hookimpl, testing
from avlink.hooks import Backend

class Mortal(testing.{generator}):
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
        name="mortal", direction="{direction}", options=testing.{options},
        fingerprint=lambda options: "1", load=mortal)]
"""

_KINDS = {
    "sonify": {"generator": "ToneGenerator", "direction": "v2a", "options": "ToneOptions"},
    "visualize": {"generator": "FlatGenerator", "direction": "a2v", "options": "FlatOptions"},
}


def mortal_runs(folder: Path, command: str, *common: str) -> Run:
    """Return a function that runs `avlink COMMAND ARGUMENTS... COMMON...` in a folder, with the backend "mortal"."""
    site = folder / "site"
    info = site / "avlink_mortal-1.dist-info"
    info.mkdir(parents=True)
    (site / "avlink_mortal.py").write_text(_PLUGIN.format(**_KINDS[command]))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: avlink-mortal\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[avlink]\nmortal = avlink_mortal\n")
    paths = [str(site), str(ROOT), str(ROOT / "plugins"), str(ROOT / "otio_adapters")]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "AVLINK_PLUGINS": "mortal",
        "AVLINK_CACHE_DIR": str(folder / "cache"),
    }

    def start(*arguments: object, limit_bytes: int | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        def limit() -> None:
            if limit_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

        return subprocess.run(
            [sys.executable, "-m", "avlink", command, *map(str, arguments), "--device", "cpu", *common],
            # Coverage of processes could not write its own file within the limit.
            env={**env, **extra} | ({} if limit_bytes is None else {"COVERAGE_PROCESS_CONFIG": ""}),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=limit,
        )

    return start
