"""Commands that work: what they print, and how they end."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio
import pytest

STOPS = """
import os, signal
import avlink.testing as t
from avlink import hookimpl
from avlink.hooks import Backend

class Stops(t.ToneGenerator):
    def generate(self, requests, *, on_step=None):
        os.kill(os.getpid(), signal.SIGINT)
        return super().generate(requests, on_step=on_step)

class Fails(t.ToneGenerator):
    def generate(self, requests, *, on_step=None):
        raise RuntimeError("out of order")

class First(t.ToneGenerator):
    done = 0

    def generate(self, requests, *, on_step=None):
        if self.done + len(requests) > 1:
            raise RuntimeError("worn out")
        self.done += len(requests)
        return super().generate(requests, on_step=on_step)

@hookimpl
def avlink_backends():
    return [
        Backend(name="first", direction="v2a", options=t.ToneOptions, fingerprint=repr, load=lambda o, d: First(o)),
        Backend(name="stops", direction="v2a", options=t.ToneOptions, fingerprint=repr, load=lambda o, d: Stops(o)),
        Backend(name="fails", direction="v2a", options=t.ToneOptions, fingerprint=repr, load=lambda o, d: Fails(o)),
    ]
"""


def test_sonify_gives_a_report(avlink, tone, movie: Path) -> None:
    ran = avlink("sonify", movie, *tone, "--json", "--seed", "5", "--prompt", "a door")
    assert ran.code == 0, ran.err
    report = ran.json
    assert (report["format"], report["command"], report["input"]) == (1, "sonify", str(movie))
    assert report["counts"] == {"generated": 1, "cached": 0, "skipped": 0, "failed": 0}
    (item,) = report["items"]
    assert (item["status"], item["prompt"], item["reason"]) == ("generated", "a door", None)
    assert Path(item["stems"][0]["path"]).is_file()
    assert item["stems"][0]["samples"] == 48000

    again = avlink("sonify", movie, *tone, "--seed", "5", "--prompt", "a door")
    assert again.code == 0
    assert "1 cached" in again.out
    assert "LUFS" in again.out


def test_a_run_that_keeps_all_stems_waits_for_no_heavy_library(program, tone, movie: Path) -> None:
    """Neither torch nor scipy is imported, whose imports take longer than such a run."""
    assert program("sonify", movie, *tone).code == 0
    again = program("sonify", movie, *tone, python=("-X", "importtime"))
    assert again.code == 0 and "1 cached" in again.out
    imported = {line.rpartition("|")[2].strip() for line in again.err.splitlines() if line.startswith("import time:")}
    assert "avlink.edit.sonify" in imported
    assert not {"torch", "scipy"} & {name.partition(".")[0] for name in imported}


def test_a_dry_run_writes_nothing(avlink, tone, movie: Path) -> None:
    before = sorted(movie.parent.iterdir())
    ran = avlink("sonify", movie, *tone, "--dry-run")
    assert ran.code == 0
    assert "1 to generate" in ran.out
    assert "nothing was written" in ran.out
    assert sorted(movie.parent.iterdir()) == before


def test_ctrl_c_is_130_and_leaves_nothing_half_done(program, install, movie: Path) -> None:
    install("stops", "stops_plugin", STOPS)
    before = sorted(movie.parent.iterdir())
    ran = program("sonify", movie, "-s", "backend.name=stops", "--device", "cpu", "--json")
    assert ran.code == 130
    assert ran.json["error"] == {"message": "interrupted; what was finished is kept", "exit_code": 130}
    assert sorted(movie.parent.iterdir()) == before


def test_failed_clips_are_3_and_named(avlink, install, movie: Path) -> None:
    install("stops", "stops_plugin", STOPS)
    clip = otio.schema.Clip(
        name="door",
        media_reference=otio.schema.ExternalReference(target_url=movie.name),
        source_range=otio.opentime.TimeRange(otio.opentime.RationalTime(0, 12), otio.opentime.RationalTime(6, 12)),
    )
    timeline = otio.schema.Timeline(tracks=[otio.schema.Track(name="V1", kind="Video", children=[clip])])
    otio.adapters.write_to_file(timeline, str(movie.with_name("cut.otio")))
    ran = avlink("sonify", movie.with_name("cut.otio"), "-s", "backend.name=fails", "--device", "cpu")
    assert ran.code == 3
    assert "door: failed" in ran.out
    assert "1 failed" in ran.out
    assert "out of order" in ran.out


def test_a_single_file_that_fails_is_3_too_with_the_same_report(avlink, install, movie: Path) -> None:
    install("stops", "stops_plugin", STOPS)
    before = sorted(movie.parent.iterdir())
    asked = ("sonify", movie, "-s", "backend.name=fails", "--device", "cpu")
    ran = avlink(*asked)
    assert ran.code == 3
    assert "clip.mp4: failed: backend 'fails' failed: RuntimeError: out of order" in ran.out
    assert "wrote" not in ran.out
    ran = avlink(*asked, "--json", "--takes", "2")
    assert ran.code == 3
    (item,) = ran.json["items"]
    assert (item["status"], item["stems"], ran.json["output"]) == ("failed", [], None)
    assert item["reason"].startswith("backend 'fails' failed: RuntimeError: out of order (")
    assert item["reason"].endswith("stops_plugin.py, line 14)")
    assert ran.json["counts"] == {"generated": 0, "cached": 0, "skipped": 0, "failed": 1}
    assert sorted(movie.parent.iterdir()) == before


def test_of_two_takes_one_may_fail(avlink, install, movie: Path) -> None:
    install("stops", "stops_plugin", STOPS)
    ran = avlink("sonify", movie, "-s", "backend.name=first", "--device", "cpu", "--json", "--takes", "2")
    assert ran.code == 3
    (item,) = ran.json["items"]
    assert item["status"] == "failed"
    assert [stem["take"] for stem in item["stems"]] == [1]
    assert ran.json["output"] == str(movie.with_name("clip.foley.mp4"))
    assert movie.with_name("clip.foley.wav").is_file() and not movie.with_name("clip.foley_t2.wav").exists()


@pytest.mark.parametrize("kept_bytes", [0, 900])
def test_a_single_file_at_fault_is_2(avlink, tone, movie: Path, kept_bytes: int) -> None:
    movie.write_bytes(movie.read_bytes()[:kept_bytes])
    ran = avlink("sonify", movie, *tone)
    assert ran.code == 2
    assert ran.err.startswith("avlink: ") and movie.name in ran.err


@pytest.mark.parametrize("takes", [1, 2])
def test_takes_are_stems(avlink, tone, movie: Path, takes: int) -> None:
    report = avlink("sonify", movie, *tone, "--takes", takes, "--json").json
    stems = [Path(stem["path"]) for item in report["items"] for stem in item["stems"]]
    assert len(stems) == len(set(stems)) == takes


def test_damaged_entries_of_the_cache_are_told_to_those_who_ask(
    avlink, tone, movie: Path, own_cache: Path, tmp_path: Path
) -> None:
    assert avlink("sonify", movie, *tone, "-o", tmp_path / "a.wav").code == 0
    (sound,) = (own_cache / "objects").rglob("*.wav")
    for verbose in ((), ("-v",)):
        sound.write_bytes(bytes(sound.stat().st_size))
        ran = avlink("sonify", movie, *tone, "-o", tmp_path / f"b{len(verbose)}.wav", *verbose)
        assert ran.code == 0 and "1 generated" in ran.out
        told = f"the cache entry {sound} is damaged, and is made again"
        assert (told in ran.err) == bool(verbose)
