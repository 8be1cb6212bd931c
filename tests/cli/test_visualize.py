"""`avlink visualize`: what people and scripts read of it, for a timeline and for a single sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
import soundfile

FLAT = ("-s", "backend.name=flat", "--device", "cpu")


@pytest.fixture
def cut(tone: tuple[str, ...], tmp_path: Path) -> Path:
    """Three seconds of a sound on one track, two clips of it, and a third whose file is no sound."""
    soundfile.write(tmp_path / "s.wav", np.sin(np.arange(48000 * 3) / 20) / 2, 48000)
    (tmp_path / "text.wav").write_text("I am no sound\n" * 9)
    clips = []
    for name, url in (("one", "s.wav"), ("two", "s.wav"), ("bad", "text.wav")):
        span = otio.opentime.TimeRange(otio.opentime.RationalTime(len(clips), 25), otio.opentime.RationalTime(50, 25))
        clips.append(otio.schema.Clip(name, otio.schema.ExternalReference(url), span))
    timeline = otio.schema.Timeline("cut", global_start_time=otio.opentime.RationalTime(0, 25))
    timeline.tracks.append(otio.schema.Track("DX", clips, kind=otio.schema.TrackKind.Audio))
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    return tmp_path / "cut.otio"


def test_a_plan_is_shown_and_nothing_is_written(avlink, cut: Path) -> None:
    before = sorted(cut.parent.rglob("*"))
    planned = avlink("visualize", cut, *FLAT, "--dry-run")
    assert planned.code == 3 and sorted(cut.parent.rglob("*")) == before
    assert "2 to generate, 1 failed" in planned.out and "nothing was written" in planned.out


def test_a_run_tells_how_far_it_is_and_what_became_of_each_sound(avlink, cut: Path) -> None:
    done = avlink("visualize", cut, *FLAT, "--tracks", "A1")
    assert done.code == 3
    assert "[1/2] one (DX)" in done.err and "two (DX): done" in done.err
    assert done.out.splitlines()[0].split() == ["clip", "track", "timecode", "at", "length", "status", "pictures"]
    assert "(50 frames of 64x48 at 25 per second)" in done.out
    assert "bad: failed: " in done.out and "2 generated, 1 failed" in done.out
    assert done.out.splitlines()[-1] == f"wrote {cut.with_name('cut.visual.otio')}"


def test_the_object_has_pictures_in_place_of_stems(avlink, cut: Path) -> None:
    ran = avlink("visualize", cut, *FLAT, "--json", "--seed", "5", "--prompt", "{clip.name} on {clip.track}")
    assert ran.code == 3
    assert (ran.json["format"], ran.json["command"], ran.json["input"]) == (1, "visualize", str(cut))
    assert ran.json["output"] == str(cut.with_name("cut.visual.otio"))
    assert ran.json["counts"] == {"generated": 2, "cached": 0, "skipped": 0, "failed": 1}
    one, two, bad = ran.json["items"]
    assert (one["prompt"], one["status"], one["timeline_start_s"], two["timeline_start_s"]) == (
        "one on DX",
        "generated",
        0,
        2,
    )
    assert [Path(picture["path"]).parent for picture in two["pictures"]] == [cut.with_name("cut.pictures")]
    assert (two["pictures"][0]["first_frame"], two["pictures"][0]["rate"]) == (50, 25)
    assert (bad["status"], bad["pictures"]) == ("failed", []) and "text.wav" in bad["reason"]
    again = avlink("visualize", cut, *FLAT, "--json", "--seed", "6", "--prompt", "{clip.name} on {clip.track}")
    assert again.json["counts"]["generated"] == 2 and again.json["items"][0]["seed"] != one["seed"]


def test_a_single_sound_has_the_same_object(avlink, cut: Path) -> None:
    path = cut.with_name("s.wav")
    planned = avlink("visualize", path, *FLAT, "--dry-run", "--json")
    assert planned.json["items"][0]["status"] == "generated" and planned.json["output"] is None
    assert not path.with_name("s.picture.mp4").exists()
    ran = avlink("visualize", path, *FLAT, "--json")
    assert ran.code == 0 and ran.json["output"] == str(path.with_name("s.picture.mp4"))
    (item,) = ran.json["items"]
    assert (item["status"], item["source_duration_s"], item["pictures"][0]["frames"]) == ("generated", 3, 36)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tracks", "A2"), "the timeline has no sound track 'A2' with clips; it has: DX"),
        (("--media-root", "nowhere"), "nowhere is no folder"),
        (("-o", "cut.edl"), "cut.edl cannot be the output"),
        (("-s", "picture.upscale=0"), "picture.upscale = 0"),
        (("-s", "backend.name=tone"), "does not make pictures"),
    ],
)
def test_wrong_input_is_one_sentence(avlink, cut: Path, arguments: tuple[str, ...], said: str) -> None:
    ran = avlink("visualize", cut, *FLAT, *arguments)
    assert ran.code == 2 and ran.out == ""
    assert said in ran.err
