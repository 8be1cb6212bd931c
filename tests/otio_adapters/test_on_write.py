"""The OTIO hook: programs that write a timeline through OTIO, as processes of their own, with and without asking."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
import soundfile

from avlink.admin.foundry_sample import write_clip
from avlink.edit.takes import use_take
from avlink.foundry import make_clips

ROOT = Path(__file__).parents[2]
# Some program of somebody else: it reads a timeline, writes it, and knows of AVLink only what it is told.
PROGRAM = """
import json, sys, warnings
import opentimelineio as otio
source, target, asked = json.loads(sys.argv[1])
timeline = otio.adapters.read_from_file(source)
before, error = timeline.to_json_string(), None
more = {} if asked is None else {"hook_function_argument_map": {"avlink": asked}}
with warnings.catch_warnings(record=True) as said:
    if "error" not in sys.warnoptions:
        warnings.simplefilter("always")
    try:
        otio.adapters.write_to_file(timeline, target, **more)
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
heavy = sorted({"avlink", "torch", "numpy"} & set(sys.modules))
told = [str(warning.message) for warning in said]
print(json.dumps({"told": told, "error": error, "changed": timeline.to_json_string() != before, "heavy": heavy}))
"""


@dataclass(frozen=True)
class Wrote:
    told: list[str]
    error: str | None
    changed: bool
    heavy: list[str]
    stderr: str


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generated clips of some five seconds."""
    folder = tmp_path_factory.mktemp("films")
    clips = make_clips((1, 2), split="held_out")
    for row in range(2):
        write_clip(clips, row, folder / f"{row}.mp4", scale=1)
    return folder


@pytest.fixture
def source(films: Path, tmp_path: Path) -> Path:
    """A project of three shots, with its media in a folder beside it."""
    shutil.copytree(films, tmp_path / "media")
    return write_project(tmp_path / "source.otio", ["media/0.mp4", "media/1.mp4", "media/0.mp4"])


def write_project(path: Path, urls: list[str]) -> Path:
    time, span = otio.opentime.RationalTime, otio.opentime.TimeRange
    timeline = otio.schema.Timeline("cut", global_start_time=time(86400, 24))
    shots = [
        otio.schema.Clip(f"shot {index}", otio.schema.ExternalReference(url), span(time(6 * index, 24), time(18, 24)))
        for index, url in enumerate(urls)
    ]
    timeline.tracks.append(otio.schema.Track("V1", [shots[0], otio.schema.Gap(duration=time(7, 24)), *shots[1:]]))
    otio.adapters.write_to_file(timeline, str(path))
    return path


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Wrote]:
    """`program(source, "cut.otio", {...})`: writes in `tmp_path`; the tone backend can be asked for."""
    site = tmp_path / "site"
    info = site / "tones-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tones\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[avlink]\ntones = avlink.testing\n")
    paths = [str(site), str(ROOT), str(ROOT / "plugins"), str(ROOT / "otio_adapters")]

    def run(source: Path, target: str, asked: Any = None, *, python: tuple[str, ...] = (), **extra: str) -> Wrote:
        words = [sys.executable, *python, "-c", PROGRAM, json.dumps([str(source), target, asked])]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **extra}
        done = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return Wrote(**json.loads(done.stdout), stderr=done.stderr)

    return run


def tone(**more: Any) -> dict[str, Any]:
    return {"set": ["backend.name=tone", "stems.post=[]"], "device": "cpu"} | more


def stems_of(timeline: otio.schema.Timeline) -> list[otio.schema.Clip]:
    return [clip for track in timeline.audio_tracks() if "avlink" in track.metadata for clip in track.find_clips()]


def files_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())}


def no_leftovers(folder: Path) -> bool:
    return not [*folder.rglob(".avlink-tmp-*")]


def test_who_does_not_ask_gets_what_there_was_without_avlink(program, source: Path, tmp_path: Path) -> None:
    without = program(source, "without.otio", OTIO_DISABLE_ENTRYPOINTS_PLUGINS="1")
    asked = {"not": None, "no": False, "off": False}
    for name, word in asked.items():
        wrote = program(source, f"{name}.otio", word, AVLINK_OTIO_HOOK="1" if name == "off" else "0")
        assert (wrote.told, wrote.error, wrote.heavy) == ([], None, without.heavy)
        assert (tmp_path / f"{name}.otio").read_bytes() == (tmp_path / "without.otio").read_bytes()
    assert not [*tmp_path.glob("*.stems")]


def test_the_model_gives_the_clips_of_a_written_timeline_their_sound_once(program, source: Path, tmp_path) -> None:
    asked = {"device": "cpu", "prompt": "wood", "set": ["backend.options.steps=6"]}
    wrote = program(source, "cut.otio", asked)
    assert (wrote.told, wrote.error, wrote.changed, wrote.heavy) == ([], None, False, [])
    written = otio.adapters.read_from_file(str(tmp_path / "cut.otio"))
    stems = stems_of(written)
    assert [stem.name for stem in stems] == ["shot 0", "shot 1", "shot 2"]
    assert [stem.range_in_parent().start_time.value for stem in stems] == [0, 25, 43]
    peaks = []
    for stem in stems:
        # Relative, as the project names its media, and in a folder that is called after what was written.
        sound, rate = soundfile.read(tmp_path / stem.media_reference.target_url)
        assert (len(sound), rate) == (36000, 48000)
        peaks.append(abs(sound).max())
        assert stem.media_reference.metadata["avlink"]["prompt"] == "wood"
        assert stem.media_reference.target_url.startswith("cut.stems/")
    # What strikes, sounds; where nothing moves there may be silence.
    assert max(peaks) > 0.01
    plain = otio.adapters.read_from_file(str(source))
    assert written.tracks[0].to_json_string() == plain.tracks[0].to_json_string()
    assert no_leftovers(tmp_path)

    first, stems_before = (tmp_path / "cut.otio").read_bytes(), files_in(tmp_path / "cut.stems")
    assert program(source, "cut.otio", asked).told == []
    assert (tmp_path / "cut.otio").read_bytes() == first
    assert files_in(tmp_path / "cut.stems") == stems_before


def test_a_bundle_is_written_with_its_stems_inside(program, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    wrote = program(source, "out/cut.otioz", tone())
    assert (wrote.told, wrote.error) == ([], None)
    with zipfile.ZipFile(tmp_path / "out" / "cut.otioz") as bundle:
        inside = {name: bundle.read(name) for name in bundle.namelist()}
    stems = stems_of(otio.adapters.read_from_string(inside["content.otio"].decode()))
    assert len(stems) == 3
    for stem in stems:
        beside = tmp_path / "out" / "cut.stems" / Path(stem.media_reference.target_url).name
        assert inside[stem.media_reference.target_url] == beside.read_bytes()
    assert no_leftovers(tmp_path)


def test_a_reaper_project_has_items_for_its_stems(program, source: Path, tmp_path: Path) -> None:
    assert program(source, "cut.rpp").error is not None
    assert program(source, "cut.rpp", tone()).error is None
    text = (tmp_path / "cut.rpp").read_text()
    for stem in (tmp_path / "cut.stems").iterdir():
        assert f"cut.stems/{stem.name}" in text


def test_broken_media_fails_its_clip_and_not_the_write(program, source: Path, tmp_path: Path) -> None:
    (tmp_path / "media" / "1.mp4").write_bytes(b"no film")
    wrote = program(source, "cut.otio", tone())
    (told,) = wrote.told
    assert wrote.error is None and "1 clip got no sound: shot 1: " in told and "1.mp4" in told
    assert [stem.name for stem in stems_of(otio.adapters.read_from_file(str(tmp_path / "cut.otio")))] == [
        "shot 0",
        "shot 2",
    ]
    strict = program(source, "strict.otio", tone(strict=True))
    assert strict.error is not None and strict.error.startswith("OTIOError: AVLink: 1 clip got no sound")
    assert not (tmp_path / "strict.otio").exists() and no_leftovers(tmp_path)


def test_where_nothing_can_have_sound_the_plain_timeline_is_written(program, tmp_path: Path) -> None:
    project = write_project(tmp_path / "gone.otio", ["media/gone.mp4"])
    # Also by a program for which warnings are errors.
    wrote = program(project, "cut.otio", tone(), python=("-W", "error"))
    assert wrote.error is None and "cut.otio is written without new sound: no clip of " in wrote.stderr
    assert ".avlink-tmp-" not in wrote.stderr and "media/gone.mp4 is missing" in wrote.stderr
    assert (tmp_path / "cut.otio").read_bytes() == project.read_bytes()
    assert no_leftovers(tmp_path)


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"promt": "wood"}, "no such option: --promt"),
        ({"output": "x.otio"}, "'output' is not for the hook"),
        ({"command": "/nowhere/avlink"}, "/nowhere/avlink cannot be run: No such file"),
        ({"command": [sys.executable, "-c", "raise SystemExit('no torch here')"]}, "ended with 1: no torch here"),
        (3, "'avlink' is 3; it is True, or a dictionary"),
    ],
)
def test_a_wish_that_cannot_be_met_is_told_and_the_timeline_written(
    program, source: Path, tmp_path: Path, asked: Any, words: str
) -> None:
    wrote = program(source, "cut.otio", asked)
    assert wrote.error is None and len(wrote.told) == 1 and words in wrote.told[0]
    assert (tmp_path / "cut.otio").read_bytes() == source.read_bytes()


def test_formats_that_lose_stems_are_left_alone(program, source: Path, tmp_path: Path) -> None:
    program(source, "plain.edl")
    asked = program(source, "cut.edl", tone())
    quiet = program(source, "quiet.edl", AVLINK_OTIO_HOOK="1")
    assert "does not carry stems" in asked.told[0] and quiet.told == []
    for name in ("cut.edl", "quiet.edl"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "plain.edl").read_bytes()
    assert not [*tmp_path.glob("*.stems")]


def test_the_environment_asks_once_for_each_write(program, source: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    avlink = tmp_path / "avlink.sh"
    avlink.write_text(f'#!/bin/sh\necho call >> "{calls}"\nexec "{sys.executable}" -m avlink "$@"\n')
    avlink.chmod(0o755)
    settings = ["backend.name=tone", 'write.also=["cues"]']
    variable = json.dumps(tone(command=str(avlink), stems="sounds", takes=2, set=settings))
    # What is called "foley" is AVLink's own name for what it wrote: its stems lie where those of "cut" do.
    wrote = program(source, "cut.foley.otio", AVLINK_OTIO_HOOK=variable)
    assert (wrote.told, wrote.error) == ([], None)
    assert calls.read_text().split() == ["call"]
    stems = stems_of(otio.adapters.read_from_file(str(tmp_path / "cut.foley.otio")))
    assert [sorted(stem.media_references()) for stem in stems] == [["DEFAULT_MEDIA", "take_2"]] * 3
    assert len([*(tmp_path / "sounds").iterdir()]) == 6 and not [*tmp_path.glob("*.stems")]
    assert (tmp_path / "cut.foley.csv").read_text("utf-8-sig").count("sounds/") == 3 and no_leftovers(tmp_path)
    wrong = program(source, "wrong.otio", AVLINK_OTIO_HOOK="maybe")
    assert "AVLINK_OTIO_HOOK is neither 1 nor a JSON object" in wrong.told[0]
    assert (tmp_path / "wrong.otio").read_bytes() == source.read_bytes()


def test_what_was_written_with_sound_is_written_the_same_again_with_the_takes_that_were_chosen(
    program, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "cut.foley.otio"
    program(source, target.name, tone(takes=2))
    use_take(target, 2)
    chosen = target.read_bytes()
    stems = stems_of(otio.adapters.read_from_file(str(target)))
    assert [stem.media_reference.metadata["avlink"]["take"] for stem in stems] == [2, 2, 2]
    assert program(target, target.name, tone(takes=2)).told == []
    assert target.read_bytes() == chosen
