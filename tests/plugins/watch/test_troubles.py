"""Trouble with disks and settings, answered in words; what can pass is waited for."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from avlink_watch.command import watch
from avlink_watch.events import WatchEvent
from avlink_watch.folder import WatchedFolder
from avlink_watch.layout import layout_of
from avlink_watch.ledger import WatchLedger
from avlink_watch.recipe import Rules, WatchRecipe
from avlink_watch.scan import read_signature

from avlink import find_recipe
from avlink.core.errors import InputError, OutputError
from avlink.hooks import load_registry


@pytest.fixture
def disk(bench: Any) -> Iterator[Path]:
    """A disk with room for nothing."""
    disk = bench.folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a disk of a few kilobytes cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_waited_for(bench, disk: Path, clip) -> None:
    (bench.folder / "in").mkdir()
    (bench.folder / "in" / "film.mp4").write_bytes(clip(1))
    watcher = bench.start("in", "-o", disk / "out")
    paused = watcher.until(None, "paused")
    assert paused["reason"] == f"{disk / 'out'} cannot be written: there is no space left on the disk"
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    watcher.until(None, "resumed")
    assert watcher.until("film.mp4", "done")["outputs"][0] == str(disk / "out" / "film.foley.mp4")
    assert not watcher.of(None, "failed", "retry")
    assert watcher.end() == 0


def test_a_state_that_cannot_be_written_is_waited_for(bench, disk: Path, clip) -> None:
    (bench.folder / "in").mkdir()
    subprocess.run(["mount", "-o", "remount,size=400k", str(disk)], check=True)
    watcher = bench.start("in", AVLINK_STATE_DIR=str(disk / "state"))
    watcher.until(None, "watching")
    with (disk / "junk").open("wb", buffering=0) as junk, contextlib.suppress(OSError):
        while junk.write(bytes(4096)):
            pass
    (bench.folder / "in" / "film.mp4").write_bytes(clip(1))
    assert "sqlite3 cannot be written: database or disk is full" in watcher.until(None, "paused")["text"]
    (disk / "junk").unlink()
    watcher.until("film.mp4", "done")
    assert watcher.end() == 0 and len(bench.made()) == 1


@pytest.mark.parametrize("once", [False, True])
def test_something_in_the_way_is_waited_for_and_fails_in_a_run_that_ends(tmp_path: Path, once: bool) -> None:
    root, told = tmp_path / "in", list[WatchEvent]()
    root.mkdir()
    (root / "film.mp4").write_bytes(b"a film")
    (root / "AVLink").write_text("I am a file")
    recipe = find_recipe("watch", WatchRecipe, ["retry.backoff_s=10"], registry=load_registry(["avlink_watch"]))
    rules, ledger = (
        Rules(recipe, load_registry(["avlink_fusion", "avlink_post"])),
        WatchLedger(tmp_path / "state.sqlite3"),
    )
    layout = layout_of(root, recipe)
    folder = WatchedFolder(layout, recipe, rules, ledger, told.append, once=once)
    rule = rules.find("film.mp4")
    assert rule is not None
    ledger.register("film.mp4", str(read_signature(root / "film.mp4")), "key", rule.digest)
    folder.scan(now=0)
    words = f"{root / 'AVLink'} cannot be written: something of that name is in the way"
    assert folder.next_task(now=0, wall=1000) is None
    assert (told[-1].event, told[-1].details["reason"]) == ("retry" if once else "paused", words)
    assert folder.next_task_in_s(now=0, wall=1000) == 10
    assert folder.next_task(now=0, wall=1010) is None and folder.next_task_in_s(now=0, wall=1010) == 20
    if once:
        assert folder.next_task(now=0, wall=1030) is None
        assert told[-2].event == "failed" and told[-2].details["reason"] == f"{words} (tried 3 times)"
        # Not even the explanation can be written there.
        assert (told[-1].event, told[-1].text) == ("warning", words)
    else:
        (root / "AVLink").unlink()
        task = folder.next_task(now=0, wall=1030)
        assert [event.event for event in told[-2:]] == ["resumed", "started"]
        assert task is not None and task.message["base"] == str(root / "AVLink" / "film")
        folder.on_interrupted(task)
        assert ledger.pending() == 1
    ledger.close()


@pytest.mark.parametrize(
    ("settings", "output", "said"),
    [
        ([], ".", "would be taken for new files"),
        (["rules=[]"], None, "rules = []: must hold a rule for some files (set by -s rules=[])"),
        (["done=away"], None, "done = \"away\": must be 'leave' or 'move' (set by -s done=away)"),
        (
            ["ready.quite_s=1"],
            None,
            "ready.quite_s: unknown key; did you mean 'ready.quiet_s'? (set by -s ready.quite_s=1)",
        ),
        (['rules=[{glob="*", recipe="foly"}]'], None, "rules[0]: there is no recipe 'foly'; did you mean 'foley'?"),
        (['rules=[{glob="/x/*"}]'], None, "rules[0].glob"),
        (
            ['rules=[{glob="*", set={backend.name="fusion"}}]'],
            None,
            "rules[0]: recipe foley: backend.name: backend 'fusion'",
        ),
        (['rules=[{glob="*", set={run.taks=2}}]'], None, "did you mean 'run.takes'?"),
    ],
)
def test_what_is_set_wrongly_is_told_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str], output: str | None, said: str
) -> None:
    monkeypatch.setenv("AVLINK_STATE_DIR", str(tmp_path / "state"))
    with pytest.raises(InputError) as caught:
        next(watch([tmp_path], settings=settings, output=output))
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_folders_that_cannot_be_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVLINK_STATE_DIR", str(tmp_path / "state"))
    with pytest.raises(InputError, match="none is no folder; make it first, or name another"):
        next(watch([tmp_path / "none"]))
    (tmp_path / "a" / "AVLink" / "b").mkdir(parents=True)
    with pytest.raises(InputError, match=r"is where results of .* go, and would be watched"):
        next(watch([tmp_path / "a", tmp_path / "a" / "AVLink" / "b"]))
    with pytest.raises(InputError, match="results of 2 folders cannot all go to"):
        next(watch([tmp_path / "a", tmp_path], output=str(tmp_path.parent / "out")))
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(OutputError, match="a part of the path is a file, not a folder"):
        next(watch([tmp_path / "a"]))


def test_a_damaged_state_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "in.sqlite3"
    path.write_bytes(b"this is no database" * 100)
    ledger = WatchLedger(path)
    assert "was damaged" in ledger.notes[0]
    ledger.register("a.mp4", "1:2:3", "key", "recipe")
    ledger.close()
    assert path.with_name("in.sqlite3.damaged").exists()
    again = WatchLedger(path)
    assert again.notes == [] and again.is_registered("a.mp4", "1:2:3")
    again.close()


def test_results_never_go_where_they_would_be_found(tmp_path: Path) -> None:
    for output in (".", "..", str(tmp_path), str(tmp_path.parent)):
        with pytest.raises(InputError, match="would be taken for new files"):
            layout_of(tmp_path, WatchRecipe(output=output))
    assert layout_of(tmp_path, WatchRecipe(output="../beside")).output == tmp_path.parent / "beside"


def test_an_unmounted_folder_is_not_made(tmp_path: Path) -> None:
    layout = layout_of(tmp_path / "disk", WatchRecipe())
    with pytest.raises(OutputError, match="disk is not there"):
        layout.make_output()
    assert not (tmp_path / "disk").exists()
