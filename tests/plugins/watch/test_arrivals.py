"""Every way in which files come into a folder: one watcher for all of them, and a folder for each.

A scenario is a generator: what it does before its first `yield` is done for all of them at once, so that nobody waits
for the pauses of others.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

Scenario = Callable[..., Iterator[None]]


def slowly(path: Path, content: bytes, *, parts: int = 4, pause_s: float = 0.4, mode: str = "wb") -> threading.Thread:
    """Write a file in parts, opening it for each of them."""

    def write() -> None:
        size = -(-len(content) // parts)
        for at in range(0, len(content), size):
            with path.open("r+b" if at else mode) as file:
                file.seek(at)
                file.write(content[at : at + size])
            time.sleep(pause_s)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def plain_copies(told, folder: Path, clip, kit, bench) -> Iterator[None]:
    (folder / "a clip.mp4").write_bytes(clip(1))
    (folder / "text.txt").write_text("none of our business")
    yield
    done = told.until("a clip.mp4", "done")
    assert done["outputs"] == [str(folder / "AVLink" / name) for name in ("a clip.foley.mp4", "a clip.foley.wav")]
    assert done["counts"]["generated"] == 1 and done["folder"] == str(folder)
    samples, rate = soundfile.read(folder / "AVLink" / "a clip.foley.wav")
    assert (rate, len(samples)) == (48000, 24000) and abs(samples).max() > 0.1
    assert (folder / "a clip.mp4").read_bytes() == clip(1)
    assert sorted(path.name for path in folder.iterdir()) == ["AVLink", "a clip.mp4", "text.txt"]
    assert sorted(path.name for path in (folder / "AVLink").iterdir()) == ["a clip.foley.mp4", "a clip.foley.wav"]
    assert not told.of("text.txt")


def slow_copies(told, folder: Path, clip, kit, bench) -> Iterator[None]:
    (folder / "hollow.mp4").write_bytes(bytes(len(clip(4))))
    threads = [slowly(folder / "slow.mp4", clip(3)), slowly(folder / "hollow.mp4", clip(4), mode="r+b")]
    with (folder / "held.ts").open("wb") as held:
        # All of it is there, and for long, but its writer may go on.
        held.write(clip(2, ".ts"))
        held.flush()
        yield
        assert told.until("held.ts", "waiting")["text"] == "another program has it open for writing"
        assert not told.of("held.ts", "started")
    for thread in threads:
        thread.join()
    for name in ("held.ts", "slow.mp4", "hollow.mp4"):
        assert told.until(name, "done")["outputs"]
        assert not told.of(name, "failed")


def moved_files(told, folder: Path, clip, kit, bench) -> Iterator[None]:
    (folder.parent / "elsewhere.mp4").write_bytes(clip(5))
    os.rename(folder.parent / "elsewhere.mp4", folder / "moved.mp4")
    # What a browser makes of a download.
    (folder / "renamed.mp4.part").write_bytes(clip(6))
    (folder / "renamed.mp4").touch()
    yield
    told.until("moved.mp4", "done")
    assert told.until("renamed.mp4", "waiting")["text"] == "a file beside it says that it is still arriving"
    os.rename(folder / "renamed.mp4.part", folder / "renamed.mp4")
    told.until("renamed.mp4", "done")
    assert not told.of("renamed.mp4", "failed")


def linked_files(told, folder: Path, clip, kit, bench) -> Iterator[None]:
    (folder.parent / "origin.mp4").write_bytes(clip(7))
    (folder.parent / "other.mp4").write_bytes(clip(8))
    os.link(folder.parent / "origin.mp4", folder / "hard.mp4")
    (folder / "soft.mp4").symlink_to(folder.parent / "other.mp4")
    yield
    told.until("hard.mp4", "done")
    told.until("soft.mp4", "done")


def appended_files(told, folder: Path, clip, kit, bench) -> Iterator[None]:
    content = clip(9, ".ts")
    half = len(content) // 376 * 188
    (folder / "film.ts").write_bytes(content[:half])
    yield
    first = told.until("film.ts", "done")
    with (folder / "film.ts").open("ab") as file:
        file.write(content[half:])
    second = told.until("film.ts", "done", count=2)
    assert first["key"] != second["key"] and first["outputs"] == second["outputs"]
    assert len(soundfile.read(folder / "AVLink" / "film.foley.wav")[0]) == 24000


def copies_of_the_same(told, folder: Path, clip, kit, bench) -> Iterator[None]:
    (folder / "one.mp4").write_bytes(clip(10))
    yield
    told.until("one.mp4", "done")
    (folder / "two.mp4").write_bytes(clip(10))
    os.rename(folder / "one.mp4", folder / "three.mp4")
    same = told.until("two.mp4", "duplicate")
    assert (same["same_as"], same["text"]) == ("one.mp4", "the same as one.mp4, done before: AVLink/one.foley.mp4")
    told.until("three.mp4", "duplicate")
    # What is gone from the place of results is wanted again, and comes from the cache.
    shutil.rmtree(folder / "AVLink")
    (folder / "four.mp4").write_bytes(clip(10))
    assert told.until("four.mp4", "done")["counts"] == {"generated": 0, "cached": 1, "skipped": 0, "failed": 0}


def broken_files(told, folder: Path, clip, kit, bench) -> Iterator[None]:
    (folder / "text.mp4").write_text("hello, I am no movie\n" * 20)
    (folder / "nothing.mp4").touch()
    (folder / "part.mp4").write_bytes(clip(11)[:-2000])
    (folder / "part.otio").write_text('{"OTIO_SCHEMA": "Timeline.1"')
    yield
    for name, words in (
        ("text.mp4", "text file"),
        ("nothing.mp4", "zero bytes"),
        ("part.mp4", "cut short"),
        ("part.otio", "is no OTIO file"),
    ):
        failed = told.until(name, "failed")
        assert words in failed["reason"] and failed["error_file"] == str(folder / "AVLink" / f"{name}.error.txt")
        explained = Path(failed["error_file"]).read_text()
        assert words in explained and explained.startswith(f"{name} got no sound")
        assert (folder / name).exists()
    (folder / "part.mp4").write_bytes(clip(11))
    shutil.copy(folder / "text.mp4", folder / "copy.mp4")
    told.until("part.mp4", "done")
    assert not (folder / "AVLink" / "part.mp4.error.txt").exists()
    assert "the same as text.mp4, which failed" in told.until("copy.mp4", "failed")["reason"]


def late_media(told, folder: Path, clip, kit, bench) -> Iterator[None]:
    (folder / "media").mkdir()
    (folder / "media" / "here.mov").write_bytes(clip(12, ".mov"))
    kit.timeline(folder / "cut.otio", "media/here.mov", "media/late.mov")
    yield
    assert told.until("cut.otio", "waiting")["text"] == "waiting up to 900 s for 1 media file: media/late.mov"
    slowly(folder / "media" / "late.mov", clip(13, ".mov"), parts=3).join()
    done = told.until("cut.otio", "done")
    assert done["counts"] == {"generated": 2, "cached": 0, "skipped": 0, "failed": 0}
    assert done["outputs"][0] == str(folder / "AVLink" / "cut.foley.otio")
    assert len(list((folder / "AVLink" / "cut.stems").glob("*.wav"))) == 2
    assert not told.of("media/here.mov")


def names_that_meet(told, folder: Path, clip, kit, bench) -> Iterator[None]:
    (folder / "shot.mp4").write_bytes(clip(14))
    (folder / "shot.mov").write_bytes(clip(15, ".mov"))
    (folder / "shot.foley.mp4").write_bytes(clip(16))
    kit.timeline(folder / "shot.otio", "shot.mp4")
    yield
    outputs = [told.until(name, "done")["outputs"] for name in ("shot.mp4", "shot.mov", "shot.otio")]
    written = [Path(path) for paths in outputs for path in paths]
    assert len(set(written)) == len(written) and all(path.is_file() for path in written)
    assert not told.of("shot.foley.mp4")


def folders_that_go(told, folder: Path, clip, kit, bench) -> Iterator[None]:
    (folder / "before.mp4").write_bytes(clip(17))
    yield
    told.until("before.mp4", "done")
    os.rename(folder, folder.with_name("away"))
    assert told.until(None, "folder_gone")["text"] == f"{folder} is not there; waiting for it"
    folder.mkdir()
    assert told.until(None, "folder_back")["folder"] == str(folder)
    (folder / "after.mp4").write_bytes(clip(18))
    os.rename(folder.with_name("away") / "before.mp4", folder / "before.mp4")
    told.until("after.mp4", "done")
    assert len(told.of("before.mp4", "done", "seen")) == 2


SCENARIOS: tuple[Scenario, ...] = (
    plain_copies,
    slow_copies,
    moved_files,
    linked_files,
    appended_files,
    copies_of_the_same,
    broken_files,
    late_media,
    names_that_meet,
    folders_that_go,
)


@pytest.fixture(scope="module")
def begun(shared_bench: Any, clip, kit) -> Iterator[dict[Scenario, Iterator[None]]]:
    """A watcher, and all scenarios up to their first `yield`."""
    folders = [shared_bench.folder / scenario.__name__ for scenario in SCENARIOS]
    for folder in folders:
        folder.mkdir()
    watcher = shared_bench.start(*folders)
    watcher.until(None, "watching", count=len(folders))
    running = {
        scenario: scenario(watcher, folder, clip, kit, shared_bench)
        for scenario, folder in zip(SCENARIOS, folders, strict=True)
    }
    for scenario in running.values():
        next(scenario)
    yield running
    assert watcher.end() == 0
    assert watcher.events[-1]["event"] == "ended" and watcher.events[-1]["stopped"] is True
    assert {(event["format"], event["command"]) for event in watcher.events} == {(1, "watch")}
    # Each content once: the same sound was never made again.
    made = shared_bench.made()
    assert len(made) == len(set(made))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_files_that_arrive(begun: dict[Scenario, Iterator[None]], scenario: Scenario) -> None:
    for _ in begun[scenario]:
        pytest.fail("a scenario has one pause only")
