"""Running the command line: as a program, or in this process, with small real plugins on the path."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from avlink.cli import main
from avlink.testing import make_movie


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def avlink(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`avlink("recipes", "list")` in this process."""

    def run(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def program() -> Callable[..., Ran]:
    """`program("recipes", "list")` as a process of its own."""

    def run(*arguments: object, python: tuple[str, ...] = (), timeout_s: float = 300.0) -> Ran:
        command = [sys.executable, *python, "-m", "avlink", *(str(argument) for argument in arguments)]
        # A shell that runs the tests in the background makes them, and what they start, deaf to Ctrl-C.
        listens = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False, preexec_fn=listens
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def install(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a plugin on the path, in this process and in those it starts; `module` is imported, or made of `source`."""
    folder = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))

    def put(name: str, module: str, source: str | None = None) -> None:
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[avlink]\n{name} = {module}\n")
        if source is not None:
            (folder / f"{module}.py").write_text(source)
            monkeypatch.delitem(sys.modules, module, raising=False)

    return put


@pytest.fixture
def tone(install: Callable[..., None]) -> tuple[str, ...]:
    """Makes `tone` and `flat` available; gives the options that choose `tone`."""
    install("tones", "avlink.testing")
    return ("-s", "backend.name=tone", "--device", "cpu")


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """One second of moving picture without sound."""
    return make_movie(tmp_path / "clip.mp4", rate=12, size=(48, 32))
