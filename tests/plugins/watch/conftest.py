"""A watcher as a process, with a quick backend that notes what it is asked for, and small movies of every kind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from avlink.testing import make_movie

ROOT = Path(__file__).parents[3]
PATIENCE_S = 300.0
"""Seconds that a test waits for an expected event: the machine may be busy."""

# A plugin of a distribution of its own: the tone backend, which notes each sound that it makes. A prompt can make it
# die, sleep, or fail once.
PLUGIN = """
import os, signal, time
from pathlib import Path
from avlink import hookimpl, testing
from avlink.hooks import Backend

class Noting(testing.ToneGenerator):
    def generate(self, requests, *, on_step=None):
        for request in requests:
            words = request.prompt.text
            if "dies" in words:
                os.kill(os.getpid(), signal.SIGSEGV)
            if "sleeps" in words:
                time.sleep(3600)
            if "fails once" in words and not Path(os.environ["NOTES"] + ".once").exists():
                Path(os.environ["NOTES"] + ".once").touch()
                raise RuntimeError("not this time")
        time.sleep(float(os.environ.get("SOUND_TAKES_S", "0")))
        made = super().generate(requests, on_step=on_step)
        with open(os.environ["NOTES"], "a") as notes:
            notes.write("".join(f"{request.seed}\\n" for request in requests))
        return made

@hookimpl
def avlink_backends():
    return [Backend(name="noting", direction="v2a", options=testing.ToneOptions,
                    fingerprint=lambda options: "1", load=lambda options, device: Noting(options))]
"""

RECIPE = """
format = 1
kind = "watch"
[ready]
quiet_s = 0.5
patience_s = 1.5
media_wait_s = 900.0
[scan]
every_s = 0.25
[retry]
attempts = 2
backoff_s = 0.2
[worker]
timeout_s = 120.0
[[rules]]
glob = "it *.mp4"
set = { backend.name = "noting", stems.post = [], prompt.template = "{clip.name}" }
[[rules]]
glob = ["*.mp4", "*.mov", "*.mkv", "*.ts", "*.otio", "*.otioz", "*.edl"]
set = { backend.name = "noting", stems.post = [] }
"""


class Watcher:
    """A running `avlink watch --json`; `events` are all that it told so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self.noise: list[str] = []
        self._news = threading.Condition()
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read, self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                event = json.loads(line)
                with self._news:
                    self.events.append(event)
                    self._news.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            self.noise += lines

    def of(self, file: str | None = None, *kinds: str) -> list[dict[str, Any]]:
        """Return the messages about a file."""
        return [
            event
            for event in list(self.events)
            if (file is None or event.get("file") == file) and (not kinds or event.get("event") in kinds)
        ]

    def until(self, file: str | None, *kinds: str, count: int = 1) -> dict[str, Any]:
        """Wait until so many events of these kinds were told, and give the last."""
        end = time.monotonic() + PATIENCE_S
        with self._news:
            while len(found := self.of(file, *kinds)) < count:
                assert time.monotonic() < end and self.process.poll() is None, (
                    f"no {kinds} of {file}: {self.events[-20:]} {self.noise}"
                )
                self._news.wait(timeout=0.5)
        return found[count - 1]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE_S)
        for reader in self._readers:
            reader.join(timeout=PATIENCE_S)
        return code


class Bench:
    """The place of watchers: their environment, their recipe, and the notes of their backend."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        self.recipe = folder / "watch.toml"
        self.recipe.write_text(RECIPE)
        site = folder / "site"
        for name, module in (("noting", "noting_plugin"), ("watching", "avlink_watch.plugin")):
            info = site / f"{name}-1.dist-info"
            info.mkdir(parents=True)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
            (info / "entry_points.txt").write_text(f"[avlink]\n{name} = {module}\n")
        (site / "noting_plugin.py").write_text(PLUGIN)
        paths = [site, ROOT, ROOT / "plugins", ROOT / "otio_adapters"]
        self.env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "AVLINK_PLUGINS": "noting,watching",
            "AVLINK_CACHE_DIR": str(folder / "cache"),
            "AVLINK_STATE_DIR": str(folder / "state"),
            "NOTES": str(self.notes),
            "OMP_NUM_THREADS": "1",
        }

    def command(self, *arguments: object) -> list[str]:
        """The command line for `avlink watch`."""
        words = ["watch", *arguments, "-r", self.recipe, "--device", "cpu"]
        return [sys.executable, "-m", "avlink", *map(str, words)]

    def start(self, *arguments: object, **env: str) -> Watcher:
        """Start a watcher."""
        process = subprocess.Popen(
            self.command(*arguments, "--json"),
            env={**self.env, **env},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        return Watcher(process)

    def run(self, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `avlink watch --oneshot` to its end."""
        return subprocess.run(
            self.command(*arguments, "--oneshot"),
            env={**self.env, **env},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    def made(self) -> list[str]:
        """The seeds of all sounds that were made; the same clip has the same."""
        return self.notes.read_text().split() if self.notes.exists() else []


def half_a_second(path: Path, *, seed: int = 0, frames: int = 12) -> Path:
    """Half a second of moving noise, different for each seed."""
    return make_movie(path, seconds=Fraction(frames, 24), size=(48, 32), seed=seed)


def make_timeline(path: Path, *urls: str, frames: int = 6) -> Path:
    """A timeline of one clip for each URL."""
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(frames, 24))
    clips = [otio.schema.Clip(Path(url).stem, otio.schema.ExternalReference(url), span) for url in urls]
    timeline = otio.schema.Timeline(path.stem)
    timeline.tracks.append(otio.schema.Track("V1", clips))
    otio.adapters.write_to_file(timeline, str(path))
    return path


class Kit:
    """The builders above, for test modules: they cannot import this one."""

    movie = staticmethod(half_a_second)
    timeline = staticmethod(make_timeline)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One bench for all tests of a module."""
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, str], bytes]:
    """`clip(7, ".mp4")` is the content of a movie; the same each time."""
    folder = tmp_path_factory.mktemp("clips")

    def content(seed: int, suffix: str = ".mp4") -> bytes:
        path = folder / f"{seed}{suffix}"
        return (path if path.exists() else half_a_second(path, seed=seed)).read_bytes()

    return content
