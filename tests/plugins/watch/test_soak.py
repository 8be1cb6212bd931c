"""Five hundred files by every way of copying, and a watcher that is killed twenty times: minutes, so run by hand.

pytest -m slow -s tests/plugins/watch/test_soak.py
"""

from __future__ import annotations

import collections
import os
import random
import shutil
import signal
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from avlink import check_whole

FILES, KILLS = 500, 20
QUIET_S = 45.0
ENDS = ("done", "failed", "duplicate")
# Of ten files in a row.
KINDS = ("movie", "movie", "movie", "movie", "movie", "timeline", "cut", "text", "empty", "copy")


def distinct(movie: bytes, number: int) -> bytes:
    """A movie of the same pictures and another content: an MP4 may have a free box with anything in it."""
    return movie + struct.pack(">I4sQ", 16, b"free", number)


def plain(path: Path, content: bytes, work: Path) -> None:
    path.write_bytes(content)


def slow_write(path: Path, content: bytes, work: Path) -> None:
    with path.open("wb") as file:
        for at in range(0, len(content), 1 + len(content) // 4):
            file.write(content[at : at + 1 + len(content) // 4])
            file.flush()
            time.sleep(0.4)


def preallocated(path: Path, content: bytes, work: Path) -> None:
    with path.open("wb") as file:
        file.truncate(len(content))
    with path.open("r+b") as file:
        for at in range(0, len(content), 1 + len(content) // 3):
            time.sleep(0.4)
            file.write(content[at : at + 1 + len(content) // 3])


def moved_in(path: Path, content: bytes, work: Path) -> None:
    (work / path.name).write_bytes(content)
    os.rename(work / path.name, path)


def linked(path: Path, content: bytes, work: Path) -> None:
    (work / path.name).write_bytes(content)
    os.link(work / path.name, path)


def copied_then_renamed(path: Path, content: bytes, work: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    slow_write(part, content, work)
    os.rename(part, path)


def appended(path: Path, content: bytes, work: Path) -> None:
    path.write_bytes(content[: len(content) // 2])
    time.sleep(1.5)
    with path.open("ab") as file:
        file.write(content[len(content) // 2 :])


def kept_times(path: Path, content: bytes, work: Path) -> None:
    (work / path.name).write_bytes(content)
    os.utime(work / path.name, ns=(10**18, 10**18))
    shutil.copy2(work / path.name, path)


WAYS = (plain, slow_write, preallocated, moved_in, linked, copied_then_renamed, appended, kept_times)


class Files:
    """A file that is dropped, and its expected end."""

    def __init__(self, folder: Path, work: Path, clip: Callable[[int], bytes], kit: Any) -> None:
        self.folder, self.work = folder, work
        (folder / "media").mkdir(parents=True)
        work.mkdir()
        self._movies = [clip(seed) for seed in range(4)]
        for number in range(20):
            (folder / "media" / f"m{number}.mp4").write_bytes(distinct(self._movies[0], 10_000 + number))
        kit.timeline(work / "cut.otio", "media/M0.mp4", "media/M1.mp4")
        self._cut = (work / "cut.otio").read_text()
        self.kinds: dict[str, str] = {}
        self.contents: dict[str, bytes] = {}

    def make(self, number: int) -> tuple[Path, bytes]:
        kind = KINDS[number % 10]
        name = f"{kind} {number}.{'otio' if kind == 'timeline' else 'mp4'}"
        movie = distinct(self._movies[number % 4], number)
        content = {
            "movie": movie,
            "copy": self.contents[f"movie {number - 9}.mp4"] if kind == "copy" else b"",
            "cut": movie[: -200 - number],
            "text": f"this is no movie but text number {number}\n".encode() * 30,
            "empty": b"",
            # Each cut has two clips that no other has, by where they begin.
            "timeline": self._cut.replace("M0", f"m{number // 10 % 20}")
            .replace("M1", f"m{number // 10 * 7 % 20}")
            .encode()
            + b"\n" * number,
        }[kind]
        self.kinds[name], self.contents[name] = kind, content
        return self.folder / name, content

    def check(self) -> None:
        """Every file has what it should have, and nothing else is there."""
        out = self.folder / "AVLink"
        for name, kind in self.kinds.items():
            stem = Path(name).stem
            if kind == "timeline":
                assert (out / f"{stem}.foley.otio").is_file(), name
                assert list((out / f"{stem}.stems").glob("*.wav")), name
            assert (out / f"{name}.error.txt").exists() == (kind in {"cut", "text", "empty"}), name
            assert (self.folder / name).read_bytes() == self.contents[name], name
        movies: dict[bytes, list[str]] = {}
        for name, kind in self.kinds.items():
            if kind in {"movie", "copy"}:
                movies.setdefault(self.contents[name], []).append(Path(name).stem)
        for stems in movies.values():
            # Whichever of two copies was whole first has the sound.
            (stem,) = [stem for stem in stems if (out / f"{stem}.foley.mp4").exists()]
            assert check_whole(out / f"{stem}.foley.mp4") is None
            assert (out / f"{stem}.foley.wav").stat().st_size > 1000
        sounds = len(list(out.glob("*.foley.mp4")))
        assert sounds == len(movies) == len(list(out.glob("*.foley.wav")))


def memory_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def drop_all(files: Files, numbers: range, pool: ThreadPoolExecutor, pick: random.Random) -> list[Future[None]]:
    drops = []
    for number in numbers:
        path, content = files.make(number)
        drops.append(pool.submit(WAYS[pick.randrange(len(WAYS))], path, content, files.work))
    return drops


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_is_done_twice(bench: Any, clip: Callable[[int], bytes], kit: Any) -> None:
    pick = random.Random(20)
    began = time.monotonic()
    files = Files(bench.folder / "in", bench.folder / "work", clip, kit)
    events: list[dict[str, Any]] = []
    settings = ("-s", "worker.files=1000", "-s", "worker.timeout_s=300")
    with ThreadPoolExecutor(8) as pool:
        drops = drop_all(files, range(FILES // 2), pool, pick)
        for _ in range(KILLS):
            watcher = bench.start("in", *settings, SOUND_TAKES_S="0.1")
            watcher.until(None, "done", "failed", "duplicate", count=pick.randrange(1, 9))
            time.sleep(pick.uniform(0, 0.6))
            assert watcher.end(signal.SIGKILL) == -signal.SIGKILL
            events += watcher.events
        killed_s = time.monotonic() - began
        # The other half goes to one process, whose memory is watched.
        watcher = bench.start("in", *settings)
        drops += drop_all(files, range(FILES // 2, FILES), pool, pick)
        sizes: list[tuple[int, int]] = []
        watcher.until(None, *ENDS)
        told, quiet_since = 0, time.monotonic()
        while not all(drop.done() for drop in drops) or time.monotonic() - quiet_since < QUIET_S:
            if (now := len(watcher.of(None, *ENDS))) > told:
                told, quiet_since = now, time.monotonic()
                sizes.append((now, memory_bytes(watcher.process.pid)))
            assert watcher.process.poll() is None, watcher.noise
            time.sleep(0.2)
        for drop in drops:
            drop.result()
    assert watcher.end() == 0
    events += watcher.events
    last = bench.run("in")
    assert last.returncode == 0 and "0 done, 0 failed" in last.stdout, last.stdout

    files.check()
    made = collections.Counter(bench.made())
    repeated = sum(made.values()) - len(made)
    ends = collections.Counter(
        event["key"] for event in events if event["event"] in {"done", "failed"} and "key" in event
    )
    told_twice = sum(ends.values()) - len(ends)
    workers = [event["memory_bytes"] for event in watcher.of(None, "worker")]
    early, late = workers[len(workers) // 4], workers[-1]
    print(
        f"\n{len(files.kinds)} files, {KILLS} kills: {time.monotonic() - began:.0f} s ({killed_s:.0f} s with kills); "
        f"{len(made)} sounds made, {repeated} of them again after a kill; {len(ends)} ends told, {told_twice} twice"
        f"\nwatcher: {[(count, f'{size / 2**20:.1f} MiB') for count, size in sizes[:: max(1, len(sizes) // 8)]]}"
        f"\nworker: {workers[0] / 2**20:.0f} MiB after 1 task, {early / 2**20:.0f} after {len(workers) // 4}, "
        f"{late / 2**20:.0f} after {len(workers)}"
    )
    assert repeated <= KILLS and told_twice <= KILLS
    settled = [size for count, size in sizes if count >= sizes[-1][0] // 4]
    assert max(settled) - settled[0] < 8 << 20
    assert late - early < 40 << 20
