"""Silence is told in the table and in JSON, with advice, when a stem is written and when it is used again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from avlink.testing import make_movie

# A tone for as long as the prompt says, and then nothing: "0.5 footsteps".
PLUGIN = """
import numpy as np
from avlink import Waveform, hookimpl, testing
from avlink.hooks import Backend

class Partly(testing.ToneGenerator):
    def generate(self, requests, *, on_step=None):
        sounds = super().generate(requests, on_step=on_step)
        return tuple(self._cut(sound, request) for sound, request in zip(sounds, requests))

    def _cut(self, sound, request):
        words = request.prompt.text.split()
        samples = sound.samples.copy()
        if words:
            samples[:, round(float(words[0]) * sound.sample_rate):] = 0
        return Waveform(samples=samples, sample_rate=sound.sample_rate)

@hookimpl
def avlink_backends():
    return [
        Backend(name="partly", direction="v2a", options=testing.ToneOptions,
                fingerprint=lambda options: options.model_dump_json(), load=lambda options, device: Partly(options)),
    ]
"""


@pytest.fixture
def partly(install: Callable[..., None]) -> tuple[str, ...]:
    install("partly", "partly_plugin", PLUGIN)
    return ("-s", "backend.name=partly", "-s", "stems.post=[]", "-s", "stems.handle_s=0", "--device", "cpu")


def cut(folder: Path, *clips: tuple[str, str, float]) -> Path:
    """A timeline of clips of a film: name, marker, seconds."""
    make_movie(folder / "film.mp4", seconds=4, rate=12, size=(48, 32))
    track = otio.schema.Track("V1")
    for name, marker, seconds in clips:
        span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 12), otio.opentime.RationalTime(seconds * 12, 12))
        clip = otio.schema.Clip(name, otio.schema.ExternalReference("film.mp4"), span)
        if marker:
            clip.markers.append(otio.schema.Marker(name=marker, marked_range=span))
        track.append(clip)
    timeline = otio.schema.Timeline("cut", tracks=[track])
    otio.adapters.write_to_file(timeline, str(folder / "cut.otio"))
    return folder / "cut.otio"


def kinds(report: Any) -> list[list[str]]:
    return [[warning["kind"] for warning in item["warnings"]] for item in report["items"]]


def test_silent_stems_and_stretches_are_told_with_advice(
    avlink: Callable[..., Any], partly: tuple[str, ...], tmp_path: Path
) -> None:
    timeline = cut(
        tmp_path,
        ("loud", "", 3),
        ("none", "FOLEY: 0 steps", 3),
        ("half", "FOLEY: 1.25 steps", 3),
        ("most", "FOLEY: 1.75 steps", 3),
        ("wind", "AMB: 1.25 wind", 3),
        ("short", "FOLEY: 0.4 tick", 1),
    )
    for _ in range(2):
        # The second run uses what the first one wrote, and says the same.
        report = avlink("sonify", timeline, *partly, "--json").json
        # The clip with the ambience has foley of its own as well.
        assert kinds(report) == [[], ["silent_stem"], ["silent_stretch"], [], [], [], []]
    _, none, half, *_ = report["items"]
    assert none["warnings"][0]["stem"] == none["stems"][0]["path"]
    name = Path(none["warnings"][0]["stem"]).name
    assert none["warnings"][0]["message"].startswith(f"the stem {name} is silent: listen to other takes (--takes 3)")
    said = half["warnings"][0]["message"]
    # The resampler rings for a few milliseconds after a cut.
    assert re.search(r"is silent from 1\.2[56] s to 3\.00 s of its clip, where '1\.25 steps' was asked for", said)
    shown = avlink("sonify", timeline, *partly).out.splitlines()
    assert shown[0].split()[-1] == "warning"
    assert [line.rstrip().endswith(("silent", "silent in part")) for line in shown[1:7]] == [False, True, True] + [
        False
    ] * 3
    assert f"warning: none: {none['warnings'][0]['message']}" in shown
    assert f"warning: half: {half['warnings'][0]['message']}" in shown


@pytest.mark.parametrize(
    ("peak", "seconds", "silent"),
    [
        # A sine of peak p has 20 log p - 3.01 dBFS, and low ones weigh a little less.
        (0.0025, 1, False),
        (0.0008, 1, True),
        # Too short for gated loudness, and so measured without gates.
        (0.0025, 0.25, False),
        (0.0008, 0.25, True),
    ],
)
def test_the_limit_is_60_lufs(
    avlink: Callable[..., Any], partly: tuple[str, ...], tmp_path: Path, peak: float, seconds: float, silent: bool
) -> None:
    timeline = cut(tmp_path, ("one", "", seconds))
    report = avlink("sonify", timeline, *partly, "-s", f"backend.options.peak={peak}", "--json").json
    assert kinds(report) == [["silent_stem"] if silent else []]
    assert (report["items"][0]["stems"][0]["lufs"] is None) == (seconds < 0.4)
    if silent:
        assert "nearly silent, -6" in report["items"][0]["warnings"][0]["message"]
        assert report["counts"]["generated"] == 1 and report["counts"]["failed"] == 0


def test_a_gain_of_ones_own_is_named(avlink: Callable[..., Any], partly: tuple[str, ...], tmp_path: Path) -> None:
    timeline = cut(tmp_path, ("one", "", 1))
    loaded = otio.adapters.read_from_file(str(timeline))
    loaded.tracks[0][0].metadata["avlink"] = {"gain_db": -40.0}
    otio.adapters.write_to_file(loaded, str(timeline))
    report = avlink("sonify", timeline, *partly, "-s", "backend.options.peak=0.01", "--json").json
    assert "raise its gain of -40 dB, or listen to other takes" in report["items"][0]["warnings"][0]["message"]


def test_a_plan_has_no_warnings_yet(avlink: Callable[..., Any], tone: tuple[str, ...], movie: Path) -> None:
    plan = avlink("sonify", movie, *tone, "--dry-run", "--json").json
    assert [item["warnings"] for item in plan["items"]] == [[]]
