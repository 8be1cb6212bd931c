"""A real `avlink study` in a process of its own, small movies for it, and raters that use it over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from avlink_study.database import StudyDatabase
from avlink_study.plan import Clip, StudyPair, StudyPlan
from avlink_study.rating import Rating
from avlink_study.votes import Vote

from avlink import Waveform
from avlink.cli.main import main
from avlink.testing import FakeClock, make_movie

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0
CLIP_S = 0.4


class Study:
    """A running `avlink study --json`; `events` are those until it serves."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        assert process.stdout is not None
        while not self.events or self.events[-1].get("event") != "serving":
            line = process.stdout.readline()
            assert line, (process.wait(), self.events)
            self.events.append(json.loads(line))
        self.links: list[str] = self.events[-1]["links"]
        self.url = self.links[0].rpartition("/")[0].rpartition("/")[0]

    def rest(self) -> list[dict[str, Any]]:
        """The events after that, once it has ended."""
        assert self.process.stdout is not None
        return [json.loads(line) for line in self.process.stdout]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_S)


class Rater:
    """Somebody with a link, as the page acts for them."""

    def __init__(self, link: str) -> None:
        self.link = link
        self.client = httpx.Client(timeout=PATIENCE_S, trust_env=False)
        self.kept: list[tuple[int, str, str]] = []
        """Every answer that the server said it has: place, question, choice."""

    def post(self, act: str, expected: int = 200, **body: object) -> Any:
        answer = self.client.post(f"{self.link}/{act}", json=body)
        assert answer.status_code == expected, answer.text
        return answer.json()

    def play(self, state: Any) -> None:
        """Play both clips of a pair, as fast as is believed."""
        for side in ("left", "right"):
            for _ in range(100):
                answer = self.client.post(f"{self.link}/played", json={"place": state["pair"]["place"], "side": side})
                if answer.status_code == 200:
                    break
                assert answer.json()["error"]["code"] == "too_soon"
                time.sleep(0.02)
            assert answer.status_code == 200

    def clip(self, place: int, side: str, **headers: str) -> httpx.Response:
        return self.client.get(f"{self.link}/clip/{place}/{side}", headers=headers)

    def rate(self, prefer: Callable[[str, Mapping[str, bytes]], str], *, most: int = 10**6) -> Any:
        """Rate up to so many pairs to their ends; `prefer` chooses by the question and the bytes of both clips."""
        state = self.post("pair")
        while state["pair"] is not None and most > 0:
            place = state["pair"]["place"]
            self.play(state)
            seen = {side: self.clip(place, side).content for side in ("left", "right")}
            for question in state["questions"]:
                choice = prefer(question["name"], seen)
                self.post("answer", place=place, question=question["name"], choice=choice)
                self.kept.append((place, question["name"], choice))
            state = self.post("done", place=place)
            most -= 1
        return state


def movie(path: Path, *, tone_hz: float, seed: int = 0) -> Path:
    """A small movie with a tone."""
    time_s = np.arange(round(48000 * CLIP_S)) / 48000
    samples = (0.1 * np.sin(2 * np.pi * tone_hz * time_s)).astype(np.float32)[None]
    wave = Waveform(samples=samples, sample_rate=48000)
    return make_movie(path, seconds=CLIP_S, rate=10, size=(32, 32), seed=seed, sound=wave)


class Bench:
    """The folder and environment in which studies run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        info = self.site / "studying-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: studying\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[avlink]\nstudying = avlink_study.plugin\n")
        paths = [self.site, ROOT, ROOT / "plugins", ROOT / "otio_adapters"]
        self.env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "AVLINK_PLUGINS": "studying",
            "AVLINK_CACHE_DIR": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
        }
        for method, tone_hz in (("quince", 440), ("medlar", 880)):
            for number in range(3):
                movie(folder / method / f"walnut_{number}.mp4", tone_hz=tone_hz + number, seed=number)
        movie(folder / "quince" / "alone.mp4", tone_hz=100)

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "avlink", "study", *arguments],
            env=self.env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


class Kit:
    """The builders above, for test modules: they cannot import this one."""

    @staticmethod
    def plan(*, methods: int = 2, clips: int = 4, no_preference: bool = False, seed: int = 1) -> StudyPlan:
        """The first method against each other one, over clips of a second."""
        pairs = [StudyPair(0, other, f"clip{clip}") for other in range(1, methods) for clip in range(clips)]
        return StudyPlan(
            task="v2a",
            no_preference=no_preference,
            seed=seed,
            methods=tuple(f"method{number}" for number in range(methods)),
            clips={
                (number, f"clip{clip}"): Clip(digest=f"{number} {clip}", duration_s=1.0)
                for number in range(methods)
                for clip in range(clips)
            },
            pairs=tuple(pairs),
        )

    @staticmethod
    def rating(path: Path, plan: StudyPlan, clock: FakeClock, *, raters: int = 5, lease_s: float = 600.0) -> Rating:
        database = StudyDatabase(path)
        database.save_plan(plan, folders=[path.parent] * len(plan.methods), raters=raters)
        return Rating(database, plan, raters=raters, lease_s=lease_s, clock=clock.wall)

    @staticmethod
    def vote(stem: str, rater: int, preferred: Any, *, left: Any = "first", question: str = "audio_quality") -> Vote:
        return Vote(
            rater=rater,
            stem=stem,
            first="ours",
            second="base",
            question=question,
            preferred=preferred,
            left=left,
            at=1.8e9,
        )


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("study"))


@pytest.fixture
def start(bench: Bench) -> Iterator[Callable[..., Study]]:
    """Start studies at any free port that end with the test."""
    started: list[subprocess.Popen[str]] = []

    def one(*arguments: str) -> Study:
        ports = [] if "--port" in arguments else ["--port", "0"]
        started.append(bench.popen("--json", *ports, *arguments))
        return Study(started[-1])

    yield one
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def meet() -> Iterator[Callable[[str], Rater]]:
    """Somebody with that link."""
    met: list[Rater] = []

    def one(link: str) -> Rater:
        met.append(Rater(link))
        return met[-1]

    yield one
    for rater in met:
        rater.client.close()


@pytest.fixture
def avlink(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process; its exit code, output and messages."""
    monkeypatch.syspath_prepend(str(bench.site))
    monkeypatch.setenv("AVLINK_PLUGINS", "studying")
    monkeypatch.chdir(bench.folder)

    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run
