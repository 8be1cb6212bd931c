"""A small cut, and `avlink` as a process whose own processes can be found."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import opentimelineio as otio
import pytest

from avlink.admin.foundry_sample import write_clip
from avlink.foundry import make_clips

ROOT = Path(__file__).parents[3]
PATIENCE_S = 1200.0
"""Seconds that a test waits for an expected event: the machine may be busy, and Ray starts ten processes."""


@dataclass
class Runs:
    """Starts `avlink sonify` in a folder of its own, on Ray or not."""

    folder: Path
    python: str
    site: Path

    def start(self, *settings: str) -> subprocess.Popen[str]:
        paths = [self.site, ROOT, ROOT / "plugins", ROOT / "otio_adapters"]
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "AVLINK_PLUGINS": "avlink_fusion,avlink_post,of_the_test",
            "AVLINK_CACHE_DIR": str(self.folder / "cache"),
            # Not what Ray would give a worker by itself.
            "OMP_NUM_THREADS": "2",
        }
        words = [word for setting in settings for word in ("-s", setting)]
        listens = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        return subprocess.Popen(
            [self.python, "-m", "avlink", "sonify", "cut.otio", "--json", "--device", "cpu", *words],
            env=env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=listens,
        )

    def stems(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "cut.stems").glob("[!.]*.wav")}

    def processes(self) -> dict[int, str]:
        """All that is alive of these runs, with its command line: nobody else works in this folder."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                if not entry.name.isdigit():
                    continue
                # Ray's own processes work in the folder of their session; workers have none of their environment left.
                mine = f"AVLINK_CACHE_DIR={self.folder}/cache".encode() in (entry / "environ").read_bytes().split(b"\0")
                if mine or os.readlink(entry / "cwd") == str(self.folder):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def wait(self, what: Callable[[], object]) -> object:
        """The first true answer."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.02)
        raise AssertionError(f"it did not come within {PATIENCE_S} s: {self.processes()}")


@pytest.fixture(scope="session")
def with_ray(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has Ray: this one, or one of its own on top of it, into which Ray is installed."""
    has = [sys.executable, "-c", "import ray"]
    if subprocess.run(has, capture_output=True, check=False).returncode == 0:
        return sys.executable
    folder = tmp_path_factory.mktemp("ray")
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    (site,) = (folder / "lib").glob("python*/site-packages")
    below = [path for path in sys.path if path.endswith("site-packages")]
    # As site folders, so that what is installed as editable there is found here too.
    (site / "below.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in below))
    constraints = ["-c", str(ROOT / "constraints.txt")]
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *constraints, "ray"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"Ray is not installed and cannot be: {done.stderr.splitlines()[-1]}")
    return python


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    clips = make_clips(range(2), split="held_out")
    for row in range(2):
        write_clip(clips, row, folder / f"{row}.mp4", scale=1)
    return folder


@pytest.fixture
def make_runs(tmp_path: Path, media: Path) -> Iterator[Callable[..., Runs]]:
    """`make_runs("name", python)`: a folder with a cut of four shots."""
    site = tmp_path / "site"
    info = site / "of_the_test-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: of-the-test\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[avlink]\nof_the_test = avlink_ray.plugin\n")
    made: list[Runs] = []

    def make(name: str, python: str) -> Runs:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "media").symlink_to(media)
        time_at, span = otio.opentime.RationalTime, otio.opentime.TimeRange
        track = otio.schema.Track("V1")
        for index in range(4):
            used = span(time_at(5 + 24 * (index // 2), 24), time_at(24 + index, 24))
            track.append(
                otio.schema.Clip(f"shot {index}", otio.schema.ExternalReference(f"media/{index % 2}.mp4"), used)
            )
        timeline = otio.schema.Timeline("cut")
        timeline.tracks.append(track)
        otio.adapters.write_to_file(timeline, str(folder / "cut.otio"))
        made.append(Runs(folder, python, site))
        return made[-1]

    yield make
    for runs in made:
        for pid in runs.processes():
            os.kill(pid, signal.SIGKILL)
