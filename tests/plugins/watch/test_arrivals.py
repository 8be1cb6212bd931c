"""Every way in which files come into a folder; one watcher for all of them, and a folder for each test."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

FOLDERS = ("plain", "slow", "hollow", "moved", "linked", "appended", "twice", "broken", "late", "held", "named", "gone")


@pytest.fixture(scope="module")
def watcher(shared_bench: Any) -> Iterator[Any]:
    for name in FOLDERS:
        (shared_bench.folder / name).mkdir()
    watcher = shared_bench.start(*FOLDERS)
    watcher.until(None, "watching", count=len(FOLDERS))
    yield watcher
    assert watcher.end() == 0
    assert watcher.events[-1]["event"] == "ended" and watcher.events[-1]["stopped"] is True
    assert {event["format"] for event in watcher.events} == {1}
    assert {event["command"] for event in watcher.events} == {"watch"}


@pytest.fixture
def folder(shared_bench: Any, request: pytest.FixtureRequest) -> Path:
    return shared_bench.folder / request.function.__name__.removeprefix("test_").partition("_")[0]


def slowly(path: Path, content: bytes, *, parts: int = 5, mode: str = "wb", hold: bool = True) -> threading.Thread:
    """Write a file in parts, with pauses that are longer than the watcher's idea of quiet."""

    def write() -> None:
        size = -(-len(content) // parts)
        if hold:
            with path.open(mode) as file:
                for at in range(0, len(content), size):
                    file.write(content[at : at + size])
                    file.flush()
                    time.sleep(0.7)
        else:
            for at in range(0, len(content), size):
                with path.open("r+b" if at else mode) as file:
                    file.seek(at)
                    file.write(content[at : at + size])
                time.sleep(0.4)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_plain_copies_get_sound_and_stay_as_they_are(watcher, folder: Path, clip) -> None:
    (folder / "a clip.mp4").write_bytes(clip(1))
    (folder / "text.txt").write_text("none of our business")
    done = watcher.until("a clip.mp4", "done")
    assert done["outputs"] == [str(folder / "AVLink" / name) for name in ("a clip.foley.mp4", "a clip.foley.wav")]
    assert done["counts"]["generated"] == 1 and done["folder"] == str(folder)
    samples, rate = soundfile.read(folder / "AVLink" / "a clip.foley.wav")
    assert (rate, len(samples)) == (48000, 24000) and abs(samples).max() > 0.1
    assert (folder / "a clip.mp4").read_bytes() == clip(1)
    assert sorted(path.name for path in folder.iterdir()) == ["AVLink", "a clip.mp4", "text.txt"]
    assert sorted(path.name for path in (folder / "AVLink").iterdir()) == ["a clip.foley.mp4", "a clip.foley.wav"]
    assert not watcher.of("text.txt")


def test_slow_copies_are_waited_for(watcher, folder: Path, clip) -> None:
    thread = slowly(folder / "slow.mp4", clip(2))
    assert watcher.until("slow.mp4", "waiting")["text"] == "another program has it open for writing"
    thread.join()
    watcher.until("slow.mp4", "done")
    assert not watcher.of("slow.mp4", "failed")


def test_hollow_files_that_are_filled_later(watcher, folder: Path, clip) -> None:
    (folder / "hollow.mp4").write_bytes(bytes(len(clip(3))))
    slowly(folder / "hollow.mp4", clip(3), mode="r+b", hold=False).join()
    watcher.until("hollow.mp4", "done")
    assert not watcher.of("hollow.mp4", "failed")


def test_moved_in_and_renamed_files(watcher, folder: Path, clip) -> None:
    (folder.parent / "elsewhere.mp4").write_bytes(clip(4))
    os.rename(folder.parent / "elsewhere.mp4", folder / "moved.mp4")
    (folder / "renamed.mp4.part").write_bytes(clip(5))
    (folder / "renamed.mp4").touch()
    watcher.until("moved.mp4", "done")
    assert watcher.until("renamed.mp4", "waiting")["text"] == "a file beside it says that it is still arriving"
    os.rename(folder / "renamed.mp4.part", folder / "renamed.mp4")
    watcher.until("renamed.mp4", "done")
    assert not watcher.of(None, "failed") or "renamed.mp4" not in {e["file"] for e in watcher.of(None, "failed")}


def test_linked_files(watcher, folder: Path, clip) -> None:
    (folder.parent / "origin.mp4").write_bytes(clip(6))
    (folder.parent / "other.mp4").write_bytes(clip(7))
    os.link(folder.parent / "origin.mp4", folder / "hard.mp4")
    (folder / "soft.mp4").symlink_to(folder.parent / "other.mp4")
    watcher.until("hard.mp4", "done")
    watcher.until("soft.mp4", "done")


def test_appended_files_are_taken_up_again(watcher, folder: Path, clip) -> None:
    content = clip(8, ".ts")
    half = len(content) // 376 * 188
    (folder / "film.ts").write_bytes(content[:half])
    first = watcher.until("film.ts", "done")
    with (folder / "film.ts").open("ab") as file:
        file.write(content[half:])
    second = watcher.until("film.ts", "done", count=2)
    assert first["key"] != second["key"] and first["outputs"] == second["outputs"]
    assert len(soundfile.read(folder / "AVLink" / "film.foley.wav")[0]) == 24000


def test_twice_copied_and_renamed_content_is_done_once(watcher, folder: Path, clip, shared_bench) -> None:
    (folder / "one.mp4").write_bytes(clip(9))
    watcher.until("one.mp4", "done")
    made = len(shared_bench.made())
    (folder / "two.mp4").write_bytes(clip(9))
    same = watcher.until("two.mp4", "duplicate")
    assert (same["same_as"], same["text"]) == ("one.mp4", "the same as one.mp4, done before: AVLink/one.foley.mp4")
    os.rename(folder / "one.mp4", folder / "three.mp4")
    watcher.until("three.mp4", "duplicate")
    os.utime(folder / "two.mp4")
    watcher.until("two.mp4", "duplicate", count=2)
    assert len(shared_bench.made()) == made
    # What is gone from the place of results is wanted again, and comes from the cache.
    shutil.rmtree(folder / "AVLink")
    (folder / "four.mp4").write_bytes(clip(9))
    assert watcher.until("four.mp4", "done")["counts"]["cached"] == 1
    assert len(shared_bench.made()) == made


def test_broken_files_are_explained_once_their_time_is_up(watcher, folder: Path, clip) -> None:
    (folder / "text.mp4").write_text("hello, I am no movie\n" * 20)
    (folder / "nothing.mp4").touch()
    (folder / "part.mp4").write_bytes(clip(10)[:-2000])
    (folder / "part.otio").write_text('{"OTIO_SCHEMA": "Timeline.1"')
    for name, words in (
        ("text.mp4", "text file"),
        ("nothing.mp4", "zero bytes"),
        ("part.mp4", "cut short"),
        ("part.otio", "is no OTIO file"),
    ):
        failed = watcher.until(name, "failed")
        assert words in failed["reason"] and failed["error_file"] == str(folder / "AVLink" / f"{name}.error.txt")
        told = Path(failed["error_file"]).read_text()
        assert words in told and told.startswith(f"{name} got no sound")
        assert (folder / name).exists()
    (folder / "part.mp4").write_bytes(clip(10))
    watcher.until("part.mp4", "done")
    assert not (folder / "AVLink" / "part.mp4.error.txt").exists()
    shutil.copy(folder / "text.mp4", folder / "copy.mp4")
    assert "the same as text.mp4, which failed" in watcher.until("copy.mp4", "failed")["reason"]


def test_late_media_is_waited_for(watcher, folder: Path, clip, kit) -> None:
    (folder / "media").mkdir()
    (folder / "media" / "here.mov").write_bytes(clip(11, ".mov"))
    kit.timeline(folder / "cut.otio", "media/here.mov", "media/late.mov")
    waiting = watcher.until("cut.otio", "waiting")
    assert waiting["text"] == "waiting up to 60 s for 1 media file: media/late.mov"
    slowly(folder / "media" / "late.mov", clip(12, ".mov"), parts=3, hold=False).join()
    done = watcher.until("cut.otio", "done")
    assert done["counts"] == {"generated": 2, "cached": 0, "skipped": 0, "failed": 0}
    assert done["outputs"][0] == str(folder / "AVLink" / "cut.foley.otio")
    assert len(list((folder / "AVLink" / "cut.stems").glob("*.wav"))) == 2
    assert not watcher.of("media/here.mov")


def test_held_open_files_wait_for_their_writer(watcher, folder: Path, clip) -> None:
    with (folder / "rec.ts").open("wb") as file:
        file.write(clip(13, ".ts"))
        file.flush()
        watcher.until("rec.ts", "waiting")
        time.sleep(1.0)
        assert not watcher.of("rec.ts", "started")
    watcher.until("rec.ts", "done")


def test_named_alike_files_keep_results_of_their_own(watcher, folder: Path, clip, kit) -> None:
    (folder / "shot.mp4").write_bytes(clip(14))
    (folder / "shot.mov").write_bytes(clip(15, ".mov"))
    (folder / "shot.foley.mp4").write_bytes(clip(16))
    kit.timeline(folder / "shot.otio", "shot.mp4")
    outputs = [watcher.until(name, "done")["outputs"] for name in ("shot.mp4", "shot.mov", "shot.otio")]
    written = [Path(path) for paths in outputs for path in paths]
    assert len(set(written)) == len(written) and all(path.is_file() for path in written)
    assert not watcher.of("shot.foley.mp4")


def test_gone_folders_are_waited_for(watcher, folder: Path, clip) -> None:
    (folder / "before.mp4").write_bytes(clip(17))
    watcher.until("before.mp4", "done")
    os.rename(folder, folder.with_name("away"))
    gone = [event for event in [watcher.until(None, "folder_gone")] if event["folder"] == str(folder)]
    assert gone and gone[0]["text"] == f"{folder} is not there; waiting for it"
    folder.mkdir()
    watcher.until(None, "folder_back")
    (folder / "after.mp4").write_bytes(clip(18))
    watcher.until("after.mp4", "done")
    os.rename(folder.with_name("away") / "before.mp4", folder / "before.mp4")
    assert watcher.until("before.mp4", "seen")
    watcher.process.poll()
    assert len(watcher.of("before.mp4", "done")) == 1
