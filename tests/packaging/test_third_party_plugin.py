"""A stranger's distribution, built and installed into an environment of its own, is used by name through the CLI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.values import Frames

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
"""A backend that buzzes at a pitch of one's choice."""

from fractions import Fraction

import numpy as np

from avlink import Options, Waveform, hookimpl
from avlink.core.values import PictureSpec
from avlink.hooks import AudioProcessor, Backend


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
'''


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that sees this one's packages and has the stranger's installed."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "avlink_buzz.py").write_text(PLUGIN)
    venv.create(folder / "env", with_pip=False, symlinks=os.name == "posix")
    python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # Whether this interpreter is itself of an environment or not, the new one sees what it sees. `addsitedir` also
    # follows the files by which editable installations are found.
    (Path(site) / "host.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--no-build-isolation", folder], check=True, env={**os.environ, "PYTHONWARNINGS": ""})
    return python


def run(python: Path, *arguments: object) -> tuple[int, dict]:
    command = [python, "-m", "avlink", *(str(argument) for argument in arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=python.parent)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_plugin_is_found_beside_ours(python: Path) -> None:
    _, listed = run(python, "plugins", "list")
    plugins = {plugin["name"]: plugin for plugin in listed["plugins"]}
    assert plugins["buzz"]["distribution"] == "avlink-buzz"
    assert plugins["buzz"]["version"] == "0.3"
    assert plugins["avlink_post"]["distribution"] == "avlink"
    assert listed["failures"] == []


def test_its_backend_and_processor_are_used_by_name(python: Path, tmp_path: Path) -> None:
    import soundfile

    from avlink.media.movie import write_video

    movie = tmp_path / "clip.mp4"
    write_video(movie, Frames(pixels=np.zeros((24, 32, 48, 3), np.uint8), rate=Fraction(24)))
    settings = ("-s", "backend.name=buzz", "-s", "backend.options.hz=440", "-s", 'stems.post=["upside_down"]')
    code, report = run(python, "sonify", movie, *settings, "--device", "cpu")
    assert code == 0, report
    assert report["counts"]["generated"] == 1
    samples, rate = soundfile.read(report["items"][0]["stems"][0]["path"])
    assert np.abs(np.fft.rfft(samples)).argmax() == pytest.approx(440 * len(samples) / rate, abs=1)
    assert samples[rate // 4 : rate // 4 + 20].min() < 0 and samples[1:20].max() < 0.0


def test_its_options_are_checked_like_ours(python: Path, tmp_path: Path) -> None:
    code, report = run(python, "recipes", "check", "foley", "-s", "backend.name=buzz", "-s", "backend.options.herz=440")
    assert code == 2
    assert "did you mean 'backend.options.hz'?" in report["error"]["message"]
