"""A real Ray of two workers on this machine: one is killed, the cluster is, and Ctrl-C.

They take half a minute each on a machine that has nothing else to do, and install Ray where it is not: `-m slow`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ON = 'backend.on={use="ray", workers=2, lost_s=5}'


def at_work(runs) -> list[int]:
    """Workers that are generating: Ray calls a process by what it does."""
    return [pid for pid, line in runs.processes().items() if line.startswith("ray::RayWorker.generate")]


def workers(runs) -> set[int]:
    return {pid for pid, line in runs.processes().items() if line.startswith("ray::RayWorker")}


def test_a_worker_that_is_killed_loses_nothing(make_runs: Callable, with_ray: str) -> None:
    local, far = make_runs("local", with_ray), make_runs("far", with_ray)
    out, err = local.start().communicate()
    assert json.loads(out)["counts"]["generated"] == 4, err
    run = far.start(ON)
    (victim, *_) = far.wait(lambda: at_work(far))
    seen = workers(far)
    os.kill(victim, signal.SIGKILL)
    # Another one takes its place, also when the run ends before it has its model.
    assert far.wait(lambda: (workers(far) - seen - {victim}) or run.poll() is not None)
    out, err = run.communicate()
    assert run.returncode == 0, err
    assert json.loads(out)["counts"] == {"generated": 4, "cached": 0, "skipped": 0, "failed": 0}
    assert far.stems() == local.stems() and len(far.stems()) == 4
    assert (far.folder / "cut.foley.otio").read_bytes() == (local.folder / "cut.foley.otio").read_bytes()
    steps = [line for line in err.splitlines() if line.rstrip().endswith(("/8", "/16", "/24", "/32"))]
    assert steps, "steps come back from the workers"
    assert "ray" not in err.replace("backend.on", "").lower(), "Ray itself says nothing"
    # Without the cluster everything is known already, and with it, too.
    out, _ = far.start().communicate()
    assert json.loads(out)["counts"]["cached"] == 4
    assert not far.processes(), "nothing of it is left"


def test_a_cluster_that_goes_away_ends_the_run_in_one_sentence(make_runs: Callable, with_ray: str) -> None:
    runs = make_runs("gone", with_ray)
    # Slow steps, so that something is left to do when the first stem is there.
    slow = "backend.options.steps=64"
    run = runs.start(ON, "run.max_batch_s=0.1", slow)
    runs.wait(lambda: runs.stems() and at_work(runs))
    done = runs.stems()
    (gcs,) = [pid for pid, line in runs.processes().items() if "gcs_server" in line.split(" ")[0]]
    os.kill(gcs, signal.SIGKILL)
    out, err = run.communicate()
    assert run.returncode == 1
    said = json.loads(out)["error"]["message"]
    assert said.startswith("the Ray cluster is gone; start it again") and "Traceback" not in err
    assert done.items() <= runs.stems().items()
    runs.wait(lambda: not runs.processes())
    out, err = runs.start("backend.on=ray", slow).communicate()
    counts = json.loads(out)["counts"]
    assert counts["cached"] >= len(done) and counts["cached"] + counts["generated"] == 4


def test_ctrl_c_ends_it_all(make_runs: Callable, with_ray: str) -> None:
    runs = make_runs("stopped", with_ray)
    before = {path.name for path in Path("/tmp").glob("avlink-ray-*")}
    run = runs.start(ON)
    runs.wait(lambda: at_work(runs))
    run.send_signal(signal.SIGINT)
    _, err = run.communicate()
    assert run.returncode == 130 and "Traceback" not in err
    runs.wait(lambda: not runs.processes())
    assert {path.name for path in Path("/tmp").glob("avlink-ray-*")} <= before


def test_a_cluster_that_is_not_there_is_named(make_runs: Callable, with_ray: str) -> None:
    runs = make_runs("nowhere", with_ray)
    run = runs.start('backend.on={use="ray", address="127.0.0.1:9", lost_s=2}')
    out, err = run.communicate()
    assert run.returncode == 1 and "Traceback" not in err
    assert "Ray cluster" in json.loads(out)["error"]["message"] and "'127.0.0.1:9'" in out
