"""Runs of `avlink watch` as a process: ended at any moment, once, twice at a time, and with a worker that fails."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def inbox(bench: Any) -> Path:
    folder = bench.folder / "in"
    folder.mkdir()
    return folder


def results(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted((folder / "AVLink").rglob("*"))
        if path.is_file() and path.name[0] != "."
    }


def test_kill_9_at_any_moment_loses_nothing_and_repeats_nothing(bench, inbox: Path, clip, kit) -> None:
    names = [f"clip {seed}.mp4" for seed in range(7)]
    for seed, name in enumerate(names):
        (inbox / name).write_bytes(clip(seed))
    (inbox / "copy.mp4").write_bytes(clip(0))
    (inbox / "text.mp4").write_text("no movie\n" * 10)
    kit.timeline(inbox / "cut.otio", "clip 1.mp4", "clip 2.mp4")
    pick = random.Random(7)
    killed = 0
    while killed < 2:
        # Without hints of the system, as on a network disk.
        watcher = bench.start("in", "-s", "scan.hints=false", SOUND_TAKES_S="0.2")
        watcher.until(None, "started", count=1 + killed)
        time.sleep(pick.uniform(0, 0.5))
        assert watcher.end(signal.SIGKILL) == -signal.SIGKILL
        killed += 1
    last = bench.run("in")
    assert last.returncode in {0, 3} and last.stderr == ""
    made = bench.made()
    # What was being made when the process was killed may be made again, and nothing else.
    assert len(set(made)) == 9 and len(made) <= 9 + killed
    left = results(inbox)
    assert {f"{Path(name).stem}.foley.mp4" for name in names} <= set(left)
    assert "cut.foley.otio" in left and "text.mp4.error.txt" in left and "copy.foley.mp4" not in left
    again = bench.run("in")
    assert again.returncode == 0 and "0 done, 0 failed" in again.stdout
    assert bench.made() == made and results(inbox) == left


def test_a_worker_that_dies_costs_its_file_and_a_watcher_ends_when_it_is_asked_to(bench, inbox: Path, clip) -> None:
    (inbox / "it dies.mp4").write_bytes(clip(1))
    # With hints of the system alone.
    watcher = bench.start("in", "-s", "retry.attempts=1", "-s", "scan.every_s=3600")
    failed = watcher.until("it dies.mp4", "failed")
    assert failed["reason"] == f"the process that worked on it ended by signal {int(signal.SIGSEGV)}"
    (inbox / "it sleeps.mp4").write_bytes(clip(2))
    watcher.until("it sleeps.mp4", "started")
    began = time.monotonic()
    assert watcher.end(signal.SIGINT) == 0
    assert time.monotonic() - began < 10
    assert watcher.events[-1]["event"] == "ended" and not watcher.noise


def test_one_watcher_a_folder_and_none_after_a_death(bench, inbox: Path) -> None:
    watcher = bench.start("in")
    watcher.until(None, "watching")
    other = bench.run("in")
    assert other.returncode == 2
    assert f"{inbox} is watched already by process {watcher.process.pid}" in other.stderr
    watcher.end(signal.SIGKILL)
    assert bench.run("in").returncode == 0


def test_one_line_for_each_file_and_a_code_at_the_end(bench, inbox: Path, clip) -> None:
    (inbox / "good.mp4").write_bytes(clip(1))
    (inbox / "bad.mp4").write_bytes(b"")
    (inbox / "it fails once.mp4").write_bytes(clip(2))
    moving = ("-s", "done=move", "-s", "failed=move")
    ran = bench.run("in", *moving)
    assert (ran.returncode, ran.stderr) == (3, "")
    lines = [line.split("  ", 1)[1] for line in ran.stdout.splitlines()]
    assert lines[0] == f"watching {inbox}; results go to {inbox / 'AVLink'}"
    assert lines[-1] == "all is done: 2 done, 1 failed"
    ends = {line.partition(": ")[0]: line.partition(": ")[2] for line in lines[1:-1] if "trying again" not in line}
    assert len(ends) == 3 and len(lines) == 6
    assert re.fullmatch(r"done in \d+\.\d s: AVLink/good\.foley\.mp4", ends["good.mp4"])
    assert ends["bad.mp4"] == (
        "failed: the media file 'bad.mp4' is empty (zero bytes); copy or render it again (see failed/bad.mp4.error.txt)"
    )
    assert ends["it fails once.mp4"].startswith("done in ")
    found = {path.relative_to(inbox).as_posix() for path in inbox.rglob("*") if path.is_file()}
    assert found == {
        *(f"done/{name}.mp4" for name in ("good", "it fails once")),
        *(f"failed/{name}" for name in ("bad.mp4", "bad.mp4.error.txt")),
        *(f"AVLink/{name}.foley.{suffix}" for name in ("good", "it fails once") for suffix in ("mp4", "wav")),
    }
    # The same content once more goes the same way, without taking the place of the first.
    (inbox / "good.mp4").write_bytes(clip(1))
    os.rename(inbox / "failed" / "bad.mp4", inbox / "still bad.mp4")
    ran = bench.run("in", *moving)
    assert ran.returncode == 3
    assert "good.mp4: nothing new in it, done before: AVLink/good.foley.mp4" in ran.stdout
    assert "still bad.mp4: failed: the same as bad.mp4, which failed: the media file 'bad.mp4' is empty" in ran.stdout
    assert sorted(path.name for path in (inbox / "done").glob("good*")) == ["good (2).mp4", "good.mp4"]
    assert len(bench.made()) == 2


@pytest.mark.slow
def test_a_worker_that_hangs_costs_its_file_and_no_other(bench, inbox: Path, clip) -> None:
    (inbox / "it sleeps.mp4").write_bytes(clip(2))
    (inbox / "good.mp4").write_bytes(clip(4))
    ran = bench.run("in", "-s", "worker.timeout_s=15")
    assert ran.returncode == 3, ran.stderr
    assert "it sleeps.mp4: failed: nothing was heard of it for 15 s, so it was ended (tried 2 times)" in ran.stdout
    assert "1 done, 1 failed" in ran.stdout
    (inbox / "it sleeps.mp4").unlink()
    (inbox / "awake.mp4").write_bytes(clip(2))
    again = bench.run("in", "--retry")
    assert "trying 1 again" in again.stdout and "awake.mp4: done in " in again.stdout
