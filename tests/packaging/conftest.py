"""An environment as a user has it: AVLink from a wheel, and a stranger's plugin beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "avlink-buzz"
version = "0.3"

[project.entry-points.avlink]
buzz = "avlink_buzz"

[tool.setuptools]
py-modules = ["avlink_buzz"]
"""

PLUGIN = '''
"""A backend that buzzes at a pitch of one's choice, and a command that gives all movies of a folder their buzz."""

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from avlink import Options, Waveform, hookimpl
from avlink.core.values import PictureSpec
from avlink.hooks import AudioProcessor, Backend, Command, Line, Recipe, RecipeKind


class Buzz(Options):
    hz: float = 100.0


class Buzzer:
    sample_rate = 16000
    picture = PictureSpec(rate=Fraction(4), width=8, height=8)

    def __init__(self, options):
        self.hz = options.hz

    def generate(self, requests, *, on_step=None):
        return tuple(self.buzz(request) for request in requests)

    def buzz(self, request):
        time_s = np.arange(round(request.duration_s * self.sample_rate)) / self.sample_rate
        wave = 0.25 * np.sin(2 * np.pi * self.hz * time_s)
        return Waveform(samples=wave[None].astype(np.float32), sample_rate=self.sample_rate)


@hookimpl
def avlink_backends():
    return [
        Backend(
            name="buzz",
            direction="v2a",
            options=Buzz,
            fingerprint=lambda options: f"buzz-1-{options.hz}",
            load=lambda options, device: Buzzer(options),
        )
    ]


@hookimpl
def avlink_audio_processors():
    return [AudioProcessor(name="upside_down", apply=lambda wave, options: Waveform(
        samples=-wave.samples, sample_rate=wave.sample_rate))]


class BuzzAllRecipe(Recipe):
    kind: Literal["buzz-all"] = "buzz-all"
    format: Literal[1] = 1
    hz: float = 300.0


@hookimpl
def avlink_recipe_kinds():
    return [RecipeKind(name="buzz-all", model=BuzzAllRecipe)]


@hookimpl
def avlink_commands():
    return [Command(name="buzz-all", summary="Buzz over all movies of a folder.", load=lambda: buzz_all)]


def buzz_all(
    folder: Annotated[Path, typer.Argument(help="Where the movies are.")],
    recipe: Annotated[Path, typer.Option("--recipe", "-r", help="A recipe.")],
    as_json: Annotated[bool, typer.Option("--json", help="Objects, one a line.")] = False,
):
    "Buzz over all movies of a folder."
    from avlink import SonifyRequest, check_whole, find_recipe, needed_media, open_session, sonify

    hz = find_recipe(recipe, BuzzAllRecipe).hz
    sound = find_recipe("foley", "sonify", ["backend.name=buzz", f"backend.options.hz={hz}", "stems.post=[]"])
    session = open_session(device="cpu")
    for path in sorted(folder.glob("*.mp4")):
        request = SonifyRequest(input=path, recipe=sound, base=folder / "out" / path.stem)
        doubt, needed = check_whole(path), needed_media(request)
        report = sonify(request, session)
        yield Line(payload={"file": path.name, "doubt": doubt, "needs": len(needed), **report.counts}, text=path.name)
    return 0
'''


@pytest.fixture(scope="module", autouse=True)
def no_sources() -> Iterator[None]:
    """Check that the AVLink that runs is the installed one, wherever that of the tests comes from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH", raising=False)
        yield


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built from a copy so that nothing is left in it."""
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in ("avlink", "plugins", "otio_adapters", "recipes"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy / name)
    _pip("wheel", "--wheel-dir", out, "--no-build-isolation", copy)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def user_python(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The interpreter of a new environment with the wheel and the stranger's plugin.

    Third-party packages are those of this environment: downloading them is no business of a test.
    """
    folder = tmp_path_factory.mktemp("user")
    (folder / "plugin").mkdir()
    (folder / "plugin" / "pyproject.toml").write_text(PYPROJECT)
    (folder / "plugin" / "avlink_buzz.py").write_text(PLUGIN)
    venv.create(folder / "env", with_pip=False, symlinks=os.name == "posix")
    python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    # Appended as a bare path, and behind the new environment's own: an editable AVLink there stays unseen.
    Path(site, "host.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _pip("--python", python, "install", "--no-build-isolation", wheel, folder / "plugin")
    return python


@pytest.fixture(scope="session")
def pip_install(user_python: Path) -> Callable[..., None]:
    """Installs projects into that environment, without looking anywhere else."""

    def install(*projects: Path) -> None:
        _pip("--python", user_python, "install", "--no-build-isolation", *projects)

    return install


def _pip(*arguments: object) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        *(str(word) for word in arguments),
    ]
    done = subprocess.run([*command, "--no-deps", "--no-index"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
