"""A real `avlink serve` in a process of its own, and requests that it can be asked."""

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

import httpx
import numpy as np
import pytest
from avlink_remote.backend import ServedGenerator
from avlink_remote.plugin import RemoteOptions

from avlink.cli.main import main
from avlink.core.values import Frames, Prompt, SoundRequest

ROOT = Path(__file__).parents[3]
TOKEN = "a-token-of-the-tests-0123456789"
PATIENCE_S = 120.0
"""A test waits this long for an event that must come: the machine may be busy."""

# A plugin of a distribution of its own: the tone backend, which notes each call, and as a prompt asks takes many steps
# or fails.
PLUGIN = """
import os, time
from avlink import hookimpl, testing
from avlink.core.errors import InputError
from avlink.hooks import Backend

class Noting(testing.ToneGenerator):
    def generate(self, requests, *, on_step=None):
        with open(os.environ["NOTES"], "a") as notes:
            notes.write(" ".join(str(request.seed) for request in requests) + "\\n")
        words = requests[0].prompt.text
        if "fails" in words:
            raise RuntimeError("this model does not like it")
        if "refuses" in words:
            raise InputError("no such sound")
        for step in range(400 if "lasts" in words and "QUICK" not in os.environ else 0):
            time.sleep(0.05)
            on_step(step + 1, 400)
        return super().generate(requests, on_step=on_step)

@hookimpl
def avlink_backends():
    return [
        *testing.avlink_backends(),
        Backend(name="noting", direction="v2a", options=testing.ToneOptions,
                fingerprint=lambda options: options.model_dump_json(), load=lambda options, device: Noting(options)),
    ]
"""


class Server:
    """A running `avlink serve --json`; `events` are all that it told so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url: str = self.until("serving")["url"]

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._news:
                    self.events.append(json.loads(line))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def of(self, event: str, job: str | None = None) -> list[dict[str, Any]]:
        """The events of that kind, of one job if it is named."""
        return [one for one in self.events if one.get("event") == event and job in (None, one.get("job"))]

    def until(self, event: str, job: str | None = None) -> dict[str, Any]:
        """Wait until that is told."""
        end = time.monotonic() + PATIENCE_S
        with self._news:
            while not self.of(event, job):
                assert time.monotonic() < end and self.process.poll() is None, (event, self.events)
                self._news.wait(timeout=0.5)
        return self.of(event, job)[0]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        return code

    def client(self, token: str = TOKEN, name: str = "tests") -> httpx.Client:
        """Requests by hand."""
        headers = {"authorization": f"Bearer {token}", "avlink-client": name}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S, trust_env=False)


class Bench:
    """The folder and environment in which servers run, and the notes of their backend."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.site = folder / "site"
        for name, module in (("noting", "noting_plugin"), ("remoting", "avlink_remote.plugin")):
            info = self.site / f"{name}-1.dist-info"
            info.mkdir(parents=True)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
            (info / "entry_points.txt").write_text(f"[avlink]\n{name} = {module}\n")
        (self.site / "noting_plugin.py").write_text(PLUGIN)
        paths = [self.site, ROOT, ROOT / "plugins", ROOT / "otio_adapters"]
        self.env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "AVLINK_PLUGINS": "noting,remoting",
            "AVLINK_CACHE_DIR": str(folder / "cache"),
            "AVLINK_TOKEN": TOKEN,
            "TMPDIR": str(self.temporary),
            "NOTES": str(self.notes),
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *arguments: str, backend: str = "noting") -> Server:
        """Start a server, at any free port unless the arguments name one."""
        chosen = ["-s", f"sound.name={backend}", "-s", "picture.name=flat", "--device", "cpu"]
        ports = [] if "--port" in arguments else ["--port", "0"]
        process = subprocess.Popen(
            [sys.executable, "-m", "avlink", "serve", "--json", *chosen, *ports, *arguments],
            env=self.env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        return Server(process)

    def python(self, *words: str) -> subprocess.Popen[str]:
        """Start another program of ours: `-c`, code and its arguments, or `-m avlink` and its arguments."""
        return subprocess.Popen(
            [sys.executable, *words],
            env=self.env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def made(self) -> list[str]:
        """The seeds of each call of the backend."""
        return self.notes.read_text().splitlines() if self.notes.exists() else []


def request(seed: int, words: str = "", *, pictures: int = 8) -> SoundRequest:
    """Two seconds of noise for the tone backend."""
    pixels = np.random.default_rng(seed).integers(0, 256, (pictures, 8, 8, 3), dtype=np.uint8)
    return SoundRequest(
        frames=Frames(pixels=pixels, rate=Fraction(4)),
        duration_s=Fraction(pictures, 4),
        prompt=Prompt(text=words),
        seed=seed,
    )


class Kit:
    """The builders above, for test modules: they cannot import this one."""

    token = TOKEN
    request = staticmethod(request)

    @staticmethod
    def remote(url: str, **options: Any) -> Any:
        """The generator of a server."""
        return ServedGenerator(RemoteOptions(url=url, **options), "v2a")


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of this process know the token, and nothing of servers of other tests."""
    from avlink_remote import backend

    monkeypatch.setenv("AVLINK_TOKEN", TOKEN)
    monkeypatch.setattr(backend, "_planned", {})


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("remote"))


@pytest.fixture
def start(bench: Bench) -> Iterator[Callable[..., Server]]:
    """Start servers that end with the test."""
    started: list[Server] = []

    def one(*arguments: str, **options: Any) -> Server:
        started.append(bench.start(*arguments, **options))
        return started[-1]

    yield one
    for server in started:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="session")
def server(bench: Bench) -> Iterator[Server]:
    """One server for all tests that leave it as it was."""
    server = bench.start("-s", "limits.client_s=1.5", "-s", "limits.request_s=1.5")
    yield server
    assert server.end() == 0
    # Whatever was done to it, nothing of it failed, and nothing is left on the disk.
    assert server.of("error") == []
    assert list(bench.temporary.iterdir()) == []


@pytest.fixture
def avlink(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process, with the plugins of the bench; its exit code, output and messages."""
    monkeypatch.syspath_prepend(str(bench.site))
    for name in ("AVLINK_PLUGINS", "NOTES"):
        monkeypatch.setenv(name, bench.env[name])

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        return code, *capsys.readouterr()

    return run
