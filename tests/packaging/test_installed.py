"""AVLink from a wheel, with a stranger's distribution beside it, whose backend is used by name through the CLI."""

from __future__ import annotations

import json
import subprocess
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avlink.core.values import Frames
from avlink.media.movie import write_video

ROOT = Path(__file__).resolve().parents[2]


def run(python: Path, *arguments: object) -> tuple[int, dict]:
    command = [python, "-m", "avlink", *(str(argument) for argument in arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=python.parent)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_wheel_holds_everything_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    roots = {"recipes": "avlink/recipes", "avlink": "avlink"}
    for parent in ("plugins", "otio_adapters"):
        roots |= {f"{parent}/{path.name}": path.name for path in (ROOT / parent).glob("avlink_*")}
    wanted = {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, inside in roots.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert names == wanted
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


def test_it_runs_from_the_wheel(user_python: Path) -> None:
    where = [user_python, "-c", "import avlink, avlink_post; print(avlink.__file__, avlink_post.__file__)"]
    printed = subprocess.run(where, capture_output=True, text=True, check=True, cwd=user_python.parent).stdout
    assert printed.count(str(user_python.parent.parent)) == 2
    _, listed = run(user_python, "recipes", "list")
    inside = {path.relative_to(ROOT / "recipes").with_suffix("").as_posix() for path in ROOT.glob("recipes/**/*.toml")}
    ours = inside | {path.stem for path in ROOT.glob("plugins/*/*.toml")}
    assert ours == {item["name"] for item in listed["recipes"]}
    assert Path(user_python.parent, "avlink").exists()


def test_otio_knows_the_adapters(user_python: Path) -> None:
    code = "import opentimelineio as otio; print(*otio.adapters.available_adapter_names())"
    printed = subprocess.run([user_python, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "avlink_cues" in printed.split()


def test_a_strangers_plugin_is_found_beside_ours(user_python: Path) -> None:
    _, listed = run(user_python, "plugins", "list")
    plugins = {plugin["name"]: plugin for plugin in listed["plugins"]}
    assert plugins["buzz"]["distribution"] == "avlink-buzz"
    assert plugins["buzz"]["version"] == "0.3"
    assert plugins["avlink_post"]["distribution"] == "avlink"
    assert listed["failures"] == []


def test_its_backend_and_processor_are_used_by_name(user_python: Path, tmp_path: Path) -> None:
    movie = tmp_path / "clip.mp4"
    write_video(movie, Frames(pixels=np.zeros((24, 32, 48, 3), np.uint8), rate=Fraction(24)))
    settings = ("-s", "backend.name=buzz", "-s", "backend.options.hz=440", "-s", 'stems.post=["upside_down"]')
    code, report = run(user_python, "sonify", movie, *settings, "--device", "cpu")
    assert code == 0, report
    assert report["counts"]["generated"] == 1
    samples, rate = soundfile.read(report["items"][0]["stems"][0]["path"])
    assert np.abs(np.fft.rfft(samples)).argmax() == pytest.approx(440 * len(samples) / rate, abs=1)
    # Upside down: the first half wave, of 54 samples, points down.
    assert (samples[5:45] < 0).all()


def test_its_options_are_checked_like_ours(user_python: Path) -> None:
    settings = ("-s", "backend.name=buzz", "-s", "backend.options.herz=440")
    code, report = run(user_python, "recipes", "check", "foley", *settings)
    assert code == 2
    assert "did you mean 'backend.options.hz'?" in report["error"]["message"]


def test_its_command_uses_the_services(user_python: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", Frames(pixels=np.zeros((24, 32, 48, 3), np.uint8), rate=Fraction(24)))
    (tmp_path / "mine.toml").write_text('format = 1\nkind = "buzz-all"\nhz = 500.0\n')
    code, line = run(user_python, "buzz-all", tmp_path, "-r", tmp_path / "mine.toml")
    assert code == 0, line
    assert (line["command"], line["file"], line["doubt"], line["needs"]) == ("buzz-all", "clip.mp4", None, 0)
    assert line["generated"] == 1
    samples, rate = soundfile.read(tmp_path / "out" / "clip.foley.wav")
    assert np.abs(np.fft.rfft(samples)).argmax() == pytest.approx(500 * len(samples) / rate, abs=1)
    assert (tmp_path / "out" / "clip.foley.mp4").is_file()
    code, checked = run(user_python, "recipes", "check", tmp_path / "mine.toml", "-s", "hertz=3")
    assert code == 2
    assert "hertz: unknown key" in checked["error"]["message"]
