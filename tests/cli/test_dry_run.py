"""`--dry-run` has the exit code, the refusal and the reasons of the real run, and changes no file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest

from avlink.core.values import Waveform
from avlink.media.wave import write_float_wave
from avlink.testing import make_movie

ROOT = Path(__file__).parents[2]
SHARED = ROOT / ".." / "shared"

UNUSABLE = """
import avlink.testing as t
from avlink import AvlinkError, BundleError, ExecutorError, hookimpl
from avlink.hooks import Backend, Executor

def broken(options, device):
    raise BundleError("the bundle is broken; import it again")

def crashed(options, device):
    raise RuntimeError("no driver")

def far(backend, options, device):
    raise ExecutorError("the cluster cannot be reached; start it")

@hookimpl
def avlink_backends():
    make = dict(direction="v2a", options=t.ToneOptions, fingerprint=repr)
    return [Backend(name="broken", load=broken, **make), Backend(name="crashed", load=crashed, **make)]

@hookimpl
def avlink_executors():
    return [Executor(name="far", load=far)]
"""

Folder = Path
CASES = ("passing", "failing")
Arguments = tuple[object, ...]
TONE = ("-s", "backend.name=tone", "--device", "cpu")
FLAT = ("-s", "backend.name=flat", "--device", "cpu")


def timeline(folder: Path, *names: str, track: str = "Video", frames: int = 24, name: str = "cut.otio") -> Path:
    """A timeline of one second of each file, which need not exist."""
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(frames, 24))
    clips = [otio.schema.Clip(one, otio.schema.ExternalReference(one), span) for one in names]
    found = otio.schema.Timeline("cut")
    found.tracks.append(otio.schema.Track("T1", clips, kind=track))
    found.to_json_file(str(folder / name))
    return folder / name


def film(folder: Path, name: str = "a.mp4") -> Path:
    return make_movie(folder / name, seconds=1, size=(48, 32))


def sound(folder: Path, name: str = "a.wav") -> Path:
    write_float_wave(folder / name, Waveform(samples=np.full((1, 16000), 0.1, np.float32), sample_rate=16000))
    return folder / name


def text(folder: Path, name: str, content: str = "no media") -> Path:
    (folder / name).write_text(content)
    return folder / name


def good(folder: Path) -> Path:
    film(folder)
    return timeline(folder, "a.mp4")


SITUATIONS: dict[str, tuple[int, Callable[[Folder], Arguments]]] = {
    "all is well": (0, lambda at: ("sonify", good(at), *TONE)),
    "media is missing": (2, lambda at: ("sonify", film(at) and timeline(at, "a.mp4", "gone.mov"), *TONE)),
    "missing media is skipped": (
        0,
        lambda at: ("sonify", film(at) and timeline(at, "a.mp4", "gone.mov"), *TONE, "--skip-missing"),
    ),
    "all media is skipped": (2, lambda at: ("sonify", timeline(at, "gone.mov"), *TONE, "--skip-missing")),
    "all clips are stills": (2, lambda at: ("sonify", text(at, "a.png") and timeline(at, "a.png"), *TONE)),
    "media is no media": (
        3,
        lambda at: ("sonify", film(at) and text(at, "b.mov") and timeline(at, "a.mp4", "b.mov"), *TONE),
    ),
    "all media is no media": (2, lambda at: ("sonify", text(at, "b.mov") and timeline(at, "b.mov"), *TONE)),
    "clips are longer than media": (2, lambda at: ("sonify", film(at) and timeline(at, "a.mp4", frames=99), *TONE)),
    "no timeline": (2, lambda at: ("sonify", at / "gone.otio", *TONE)),
    "a broken timeline": (2, lambda at: ("sonify", text(at, "cut.otio"), *TONE)),
    "an empty timeline": (2, lambda at: ("sonify", timeline(at), *TONE)),
    "the output is the input": (2, lambda at: ("sonify", good(at), *TONE, "-o", at / "cut.otio")),
    "the output is the media": (2, lambda at: ("sonify", good(at), *TONE, "-o", at / "a.mp4")),
    "the output is a folder": (2, lambda at: ("sonify", good(at), *TONE, "-o", at)),
    "the output lies in a file": (2, lambda at: ("sonify", good(at), *TONE, "-o", at / "a.mp4" / "out.otio")),
    "the output's name is too long": (2, lambda at: ("sonify", good(at), *TONE, "-o", at / f"{'x' * 300}.otio")),
    "the output has another suffix": (2, lambda at: ("sonify", good(at), *TONE, "-o", at / "out.xml")),
    "the stems' folder is a file": (2, lambda at: ("sonify", good(at), *TONE, "--stems", text(at, "stems"))),
    "another format is an input": (
        2,
        lambda at: ("sonify", good(at).rename(at / "cut.foley.rpp") and good(at), *TONE, "-s", 'write.also=["nope"]'),
    ),
    "the model is broken": (2, lambda at: ("sonify", good(at), "-s", "backend.name=broken", "--device", "cpu")),
    "the model crashes": (1, lambda at: ("sonify", good(at), "-s", "backend.name=crashed", "--device", "cpu")),
    "no such model": (2, lambda at: ("sonify", good(at), "-s", "backend.name=nope")),
    "the executor is away": (1, lambda at: ("sonify", good(at), *TONE, "-s", "backend.on=far")),
    "no such device": (2, lambda at: ("sonify", good(at), *TONE[:2], "--device", "mps")),
    "a movie": (0, lambda at: ("sonify", film(at), *TONE)),
    "a movie without picture": (2, lambda at: ("sonify", sound(at), *TONE)),
    "a movie that is none": (2, lambda at: ("sonify", text(at, "b.mov"), *TONE)),
    "a container that lacks the codec": (2, lambda at: ("sonify", film(at), *TONE, "-o", at / "out.webm")),
    "an output that is no movie": (2, lambda at: ("sonify", film(at), *TONE, "-o", at / "out.txt")),
    "a movie's output in a file": (2, lambda at: ("sonify", film(at), *TONE, "-o", at / "a.mp4" / "out.mp4")),
    "a movie whose model is broken": (2, lambda at: ("sonify", film(at), "-s", "backend.name=broken")),
    "pictures for a sound": (0, lambda at: ("visualize", sound(at), *FLAT)),
    "pictures for no sound": (2, lambda at: ("visualize", film(at), *FLAT)),
    "pictures in a .webm": (2, lambda at: ("visualize", sound(at), *FLAT, "-o", at / "out.webm")),
    "pictures for a timeline": (
        0,
        lambda at: ("visualize", sound(at) and timeline(at, "a.wav", track="Audio"), *FLAT),
    ),
    "pictures for missing sound": (2, lambda at: ("visualize", timeline(at, "gone.wav", track="Audio"), *FLAT)),
    "pictures for films without sound": (
        2,
        lambda at: ("visualize", film(at) and timeline(at, "a.mp4", track="Audio"), *FLAT),
    ),
    "a video to finish": (0, lambda at: ("finish", film(at), *TONE)),
    "a video with a sound": (2, lambda at: ("finish", sound(at), *TONE)),
    "a video to finish in place of a stranger": (
        2,
        lambda at: ("finish", film(at), *TONE, "-o", film(at, "b.mp4")),
    ),
    "a video for a container without its codec": (2, lambda at: ("finish", film(at), *TONE, "-o", at / "out.webm")),
    "a video whose model is broken": (2, lambda at: ("finish", film(at), "-s", "backend.name=broken")),
    "one of two videos": (3, lambda at: ("finish", film(at), text(at, "b.mp4"), *TONE)),
}


def refusal(payload: dict[str, Any]) -> str | None:
    error = payload.get("error") or payload.get("refusal")
    return None if error is None else error["message"]


def reasons(payload: dict[str, Any]) -> list[tuple[str, str | None]]:
    same = {"cached": "generated"}
    return [(same.get(item["status"], item["status"]), item["reason"]) for item in payload.get("items", [])]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def plugins(install: Callable[..., None]) -> None:
    install("tones", "avlink.testing")
    install("unusable", "unusable_plugin", UNUSABLE)


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_dry_run_ends_as_the_real_one(avlink, tmp_path: Path, situation: str) -> None:
    code, make = SITUATIONS[situation]
    arguments = make(tmp_path)
    before = files(tmp_path)
    said = avlink(*arguments, "--dry-run")
    plan = avlink(*arguments, "--dry-run", "--json")
    assert files(tmp_path) == before
    real = avlink(*arguments, "--json")
    assert said.code == plan.code == real.code == code, (plan.out, real.out)
    assert refusal(plan.json) == refusal(real.json)
    if "error" not in real.json:
        assert reasons(plan.json) == reasons(real.json)
    for word in ("generated", "wrote"):
        assert word not in said.out + said.err
    if code in (0, 3):
        assert "to generate" in said.out and "nothing was written" in said.out
    assert (refusal(plan.json) or "") in said.out + said.err


def test_a_plan_names_what_it_would_write_and_what_is_in_the_cache(avlink, tone, tmp_path: Path) -> None:
    cut = good(tmp_path)
    planned = tmp_path / "cut.foley.otio"
    plan = avlink("sonify", cut, *tone, "--dry-run", "--json").json
    assert (plan["planned"], plan["refusal"], plan["output"]) == (str(planned), None, None)
    assert f"would write {planned}" in avlink("sonify", cut, *tone, "--dry-run").out
    made = avlink("sonify", cut, *tone, "--json").json
    assert made["output"] == plan["planned"] and "planned" not in made
    assert "1 cached" in avlink("sonify", cut, *tone, "--dry-run").out
    # What is forced is not taken from the cache.
    assert "1 to generate" in avlink("sonify", cut, *tone, "--dry-run", "--force").out


def test_a_refused_plan_is_still_shown(avlink, tone, tmp_path: Path) -> None:
    film(tmp_path)
    ran = avlink("sonify", timeline(tmp_path, "a.mp4", "gone.mov"), *tone, "--dry-run", "--json")
    assert ran.code == 2
    assert [item["status"] for item in ran.json["items"]] == ["generated", "failed"]
    assert ran.json["refusal"]["exit_code"] == 2 and "gone.mov" in ran.json["refusal"]["message"]


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of real timelines is not beside the checkout")
@pytest.mark.parametrize("command", ["sonify", "visualize"])
def test_all_real_timelines(avlink, tone, tmp_path: Path, command: str) -> None:
    differences = []
    folders = [SHARED / "timelines", SHARED / "timelines" / "real", *(SHARED / "cases" / one for one in CASES)]
    paths = [
        path for folder in folders for path in sorted(folder.iterdir()) if path.is_file() and path.suffix != ".tsv"
    ]
    for number, path in enumerate(paths):
        output = tmp_path / f"{number}{'.otioz' if path.suffix == '.otioz' else '.otio'}"
        options = ("-o", output, "--media-root", SHARED / "media", *(tone if command == "sonify" else FLAT), "--json")
        plan, real = (avlink(command, path, *options, *more) for more in (("--dry-run",), ()))
        of_plan, of_real = json.loads(plan.out), json.loads(real.out)
        same = plan.code == real.code and refusal(of_plan) == refusal(of_real)
        if not same or ("error" not in of_real and reasons(of_plan) != reasons(of_real)):
            differences.append(f"{path.name}: {plan.code} {refusal(of_plan)}, {real.code} {refusal(of_real)}")
    assert len(paths) > 40 and not differences
