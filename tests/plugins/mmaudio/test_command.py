"""`avlink sonify` with MMAudio's stand-in, as a program: sound, licence, and what is said when it is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest

from avlink.core.values import Frames
from avlink.media.movie import write_video

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A clip of 2 s that is white from 1.0 s to 1.2 s, in 4:3, and the same clip from 0.5 s on."""
    pixels = np.full((50, 48, 64, 3), 20, np.uint8)
    pixels[25:30] = 255
    write_video(tmp_path / "flash.mp4", Frames(pixels=pixels, rate=Fraction(25)))
    time, span = otio.opentime.RationalTime, otio.opentime.TimeRange
    clips = [
        otio.schema.Clip(name, otio.schema.ExternalReference("flash.mp4"), span(time(start, 25), time(25, 25)))
        for name, start in (("first", 12), ("second", 20))
    ]
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("V1", clips))
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    return tmp_path / "cut.otio"


def chosen(weights: Path, *more: str) -> list[str]:
    options = {"weights": weights, "hub": weights / "hub", "steps": 2, "published": "false"}
    settings = ["backend.name=mmaudio", *(f"backend.options.{key}={value}" for key, value in options.items()), *more]
    return ["--device", "cpu", *(word for setting in settings for word in ("-s", setting))]


def test_a_cut_gets_its_sound_and_the_word_of_its_licence(program: Program, cut: Path, weights: Path) -> None:
    import soundfile

    done = program("sonify", cut, "--json", *chosen(weights, "stems.handle_s=0.0"))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["counts"]["generated"] == 2 and "CC-BY-NC-4.0" in report["licence"]
    assert done.stderr.count("CC-BY-NC-4.0") == 1, "once, when the weights are loaded"
    for item, flash_s in zip(report["items"], (0.52, 0.2), strict=True):
        (stem,) = item["stems"]
        sound, rate = soundfile.read(stem["path"])
        assert rate == 48000 and len(sound) == 48000
        power = [float((sound[at : at + 4800] ** 2).mean()) for at in range(0, 48000, 2400)]
        assert abs(np.argmax(power) * 0.05 - flash_s) < 0.2, power
    output = otio.adapters.read_from_file(report["output"])
    assert output.to_json_string().count("CC-BY-NC-4.0") >= 2
    again = program("sonify", cut, "--json", *chosen(weights, "stems.handle_s=0.0"))
    assert json.loads(again.stdout)["counts"]["cached"] == 2 and "CC-BY-NC-4.0" not in again.stderr


def test_what_is_missing_is_said_before_anything_is_generated(program: Program, cut: Path, weights: Path) -> None:
    (weights.parent / "empty").mkdir(exist_ok=True)
    refusals = [
        (program("sonify", cut, *chosen(weights), mmaudio=False), "which is not installed here"),
        (program("sonify", cut, "--dry-run", *chosen(weights.parent / "empty")), "mmaudio_large_44k_v2.pth' (3.9 GB)"),
        (program("sonify", cut, *chosen(weights, "backend.options.published=true")), "is not what MMAudio published"),
    ]
    for done, words in refusals:
        assert done.returncode == 2 and done.stdout == ""
        assert words in done.stderr and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert not (cut.parent / "cut.stems").exists() and not (cut.parent / "cut.foley.otio").exists()


def test_offering_it_imports_nothing_heavy() -> None:
    code = "import sys, avlink_mmaudio.plugin as p; p.avlink_backends(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "av", "mmaudio", "huggingface_hub"} & set(loaded)
