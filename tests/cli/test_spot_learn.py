"""`avlink spot --learn` as a program: footage whose sound is late, corrected markers, and every refusal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
from torch.nn.functional import interpolate

from avlink.core.learned import CARD, FILE, WEIGHTS, read_learned
from avlink.core.values import Frames, Waveform
from avlink.foundry import FRAME_RATE, SAMPLE_RATE, make_clips
from avlink.media.movie import write_video
from avlink.metrics.sync import match_onsets
from avlink.testing import make_movie
from avlink.timeline.read import read_timeline
from avlink.training.spotting.fitting import FOLDER
from tests.metrics.guide_sounds import RATE as SPEECH_RATE
from tests.metrics.guide_sounds import speech

LATE_FRAMES = 3
SOFT = {"water", "rubber", "cloth"}


def render(
    folder: Path, count: int, *, seed: int, late_frames: int = 0, least: int = 5, far: bool = False
) -> list[Path]:
    """Write clips of hard blows that the model was not trained on, whose sound is some frames late.

    With `far` the picture is small, in the middle of a still surface of noise.
    """
    films: list[Path] = []
    while len(films) < count:
        batch = make_clips(range(seed, seed + 8), split="held_out")
        seed += 8
        for info, pixels, sound in zip(batch.clips, batch.frames, batch.sound, strict=True):
            if len(films) == count or len(info.events) < least or {event.material for event in info.events} & SOFT:
                continue
            wave = np.concatenate([np.zeros(round(late_frames / 24 * SAMPLE_RATE), np.float32), sound.numpy()])
            path = folder / f"{len(films):02d}_{info.kind}.mp4"
            write_video(
                path,
                Frames(pixels=_far(pixels) if far else pixels.numpy(), rate=FRAME_RATE),
                sound=Waveform(samples=wave[None, : len(sound)], sample_rate=SAMPLE_RATE),
                scale=4,
                smooth=True,
            )
            films.append(path)
    return films


def _far(pixels) -> np.ndarray:
    noise = np.random.default_rng(0).integers(40, 216, (1, 36, 64, 3), dtype=np.uint8).repeat(len(pixels), axis=0)
    small = interpolate(pixels.permute(0, 3, 1, 2).float(), size=(14, 25), mode="area").permute(0, 2, 3, 1)
    noise[:, 11:25, 20:45] = small.numpy().astype(np.uint8)
    return noise


class Program:
    """`avlink spot` as a process, with a cache that all tests of this module share."""

    def __init__(self, folder: Path) -> None:
        self.env = {**os.environ, "AVLINK_CACHE_DIR": str(folder / "cache"), "AVLINK_DATA_DIR": str(folder / "data")}

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "avlink", "spot", *map(str, arguments), "--json"]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __call__(self, *arguments: object) -> dict:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=600)
        assert process.returncode in (0, 3), err
        return json.loads(out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("learn")


@pytest.fixture(scope="module")
def spot(folder: Path) -> Program:
    return Program(folder)


@pytest.fixture(scope="module")
def footage(folder: Path) -> Path:
    (folder / "late").mkdir()
    render(folder / "late", 4, seed=5_000_000, late_frames=LATE_FRAMES)
    return folder / "late"


@pytest.fixture(scope="module")
def learned(spot: Program, folder: Path, footage: Path) -> tuple[Path, dict]:
    """A spotter that was learned in fits of ten steps, and the report of that."""
    return folder / "mine", spot("--learn", footage, "-o", folder / "mine", "--minutes", "0.01")


def test_a_sound_that_is_three_frames_late_is_learned(learned: tuple[Path, dict], footage: Path) -> None:
    out, report = learned
    result = report["result"]
    assert report["clips"] == 4 and report["by"] == {"sound": 4} and report["hits"] >= 20
    assert report["output"] == str(out) and result["held_back"] == "films"
    best = max(result["before"].values(), key=lambda one: one["gain_50"] + one["gain_100"])
    assert result["after"]["gain_50"] > best["gain_50"] + 0.3
    assert not result["kept"] and result["difference"]["gain"]["low"] > 0
    assert result["late_s"] == pytest.approx(LATE_FRAMES / 24, abs=0.03)
    assert "beyond chance" in report["sentence"] and "on 4 held-back clips" in report["sentence"]
    # What was found while it was learned is gone, and nothing in the folder runs code when it is read.
    assert {path.name for path in out.iterdir()} <= {FILE, CARD, WEIGHTS}
    assert report["sentence"][1:] in (out / CARD).read_text() and "share it only if you may" in (out / CARD).read_text()


def test_new_footage_of_the_kind_is_spotted_at_its_sound(
    learned: tuple[Path, dict], avlink: Callable[..., object], tmp_path: Path
) -> None:
    (film,) = render(tmp_path, 1, seed=5_900_000, late_frames=LATE_FRAMES)

    def times(*arguments: object) -> list[float]:
        ran = avlink("spot", film, *arguments, "--json", "--device", "cpu")
        assert ran.code == 0, ran.err
        return [hit["time_s"] for hit in ran.json["items"][0]["hits"]]

    heard = times("--guide", "production", "--spotter", "motion-peaks")
    by_name = times("--spotter", learned[0])
    assert match_onsets(heard, by_name, 0.05).f1 > 0.7 > match_onsets(heard, times(), 0.05).f1 + 0.3
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'format = 1\nkind = "spot"\n[spotter]\nname = "learned"\noptions.model = "{learned[0]}"\n')
    assert times("-r", recipe) == by_name
    assert len(times("--spotter", learned[0], "--sensitivity", "0")) <= len(by_name)
    assert "held-back clips" in avlink("models", "info", learned[0]).out


def test_a_library_uses_what_was_learned(learned: tuple[Path, dict]) -> None:
    from avlink_library.options import LibraryOptions
    from avlink_library.plugin import _spotter

    ready = _spotter(LibraryOptions(spotter=str(learned[0])))
    assert ready.name == "learned" and ready.fingerprint() != _spotter(LibraryOptions()).fingerprint()


def test_a_copy_of_the_folder_gives_the_same_keys(learned: tuple[Path, dict], tmp_path: Path) -> None:
    from avlink.core.recipe import load_recipe
    from avlink.hooks import load_registry, resolve_spotter

    shutil.copytree(learned[0], tmp_path / "copy")
    keys = {
        resolve_spotter(load_recipe("spot", "spot", [f"spotter.name={path}"]), load_registry()).fingerprint()
        for path in (learned[0], tmp_path / "copy")
    }
    assert len(keys) == 1


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(spot: Program, folder: Path, tmp_path: Path) -> None:
    """Killed after a few fits and again in the middle of one, it goes on from there; pictures are small this time."""
    (tmp_path / "far").mkdir()
    render(tmp_path / "far", 10, seed=5_100_000, least=3, far=True, late_frames=LATE_FRAMES)
    settings = ("--learn", tmp_path / "far", "--minutes", "1")
    whole = spot(*settings, "-o", tmp_path / "whole")
    work = tmp_path / "killed" / FOLDER
    for fits in (2, 5):
        process = spot.start(*settings, "-o", tmp_path / "killed")
        while len(list(work.glob("*.safetensors"))) < fits or not list(work.glob("checkpoints/*/step-*")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "killed" / FILE).exists()
    done = {path: path.stat().st_mtime_ns for path in work.glob("*.safetensors")}
    resumed = spot(*settings, "-o", tmp_path / "killed")
    assert done and not work.exists()
    names = ("killed", "whole")
    assert resumed["result"] == whole["result"]
    assert (
        len({(tmp_path / name / WEIGHTS).read_bytes() for name in names if (tmp_path / name / WEIGHTS).exists()}) <= 1
    )
    tables = [read_learned(str(tmp_path / name))[1] for name in names]
    assert tables[0].head == tables[1].head and tables[0].built_in == tables[1].built_in
    result = whole["result"]
    # Heads, or the stem at another time: what these few clips decide for is not the law.
    assert not result["kept"]
    for part in ("gain_50", "gain_100"):
        assert result["after"][part] > max(one[part] for one in result["before"].values())


def corrected(path: Path, film: Path, times_s: list[float]) -> Path:
    """A timeline of a film on which a person has set hits."""
    span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(120, 24))
    clip = otio.schema.Clip(film.stem, otio.schema.ExternalReference(str(film)), span)
    for time_s in times_s:
        at = otio.opentime.TimeRange(
            otio.opentime.RationalTime(round(time_s * 24), 24), otio.opentime.RationalTime(1, 24)
        )
        clip.markers.append(otio.schema.Marker(name="HIT: knock", marked_range=at))
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track("V1", [clip]))
    otio.adapters.write_to_file(timeline, str(path))
    return path


def test_corrected_markers_count_before_sound_and_marks_of_a_spotter_do_not(
    avlink: Callable[..., object], footage: Path, tmp_path: Path
) -> None:
    one, other = sorted(footage.glob("*.mp4"))[:2]
    films = tmp_path / "films"
    films.mkdir()
    for film in (one, other):
        shutil.copyfile(film, films / film.name)
    corrected(films / "cut.otio", films / one.name, [1.0, 2.0, 3.0])
    assert avlink("spot", films / other.name, "--spotter", "motion-peaks").code == 0
    ran = avlink("spot", "--learn", films, "--dry-run", "--json")
    assert ran.code == 0 and ran.json["output"] is None and ran.json["result"] is None
    by = {item["name"]: (item["by"], item["hits"]) for item in ran.json["items"]}
    # Neither film is read as a whole beside the timeline that shows it.
    assert by[f"{one.stem} (cut.otio)"] == ("markers", 3)
    spotted = next(name for name in by if name.endswith(".spotted.otio)"))
    assert by[spotted][0] == "sound" and len(by) == 2
    assert "at least 20 hits in 4 clips are needed" in ran.json["too_few"]

    # The list of the one that AVLink has marked is the person's as soon as one mark was moved.
    path = films / f"{other.stem}.spotted.otio"
    timeline = read_timeline(path).timeline
    (clip,) = timeline.find_clips()
    count = len(clip.markers)
    moved = clip.markers[0].marked_range
    clip.markers[0].marked_range = otio.opentime.TimeRange(
        moved.start_time + otio.opentime.RationalTime(2, moved.start_time.rate), moved.duration
    )
    otio.adapters.write_to_file(timeline, str(path))
    again = avlink("spot", "--learn", path, "--dry-run", "--json").json
    assert [(item["by"], item["hits"]) for item in again["items"]] == [("markers", count)]


def silent(folder: Path) -> Path:
    make_movie(folder / "silent.mp4", seconds=2)
    return folder


def talking(folder: Path) -> Path:
    wave = Waveform(samples=speech(6.0)[None].astype(np.float32), sample_rate=SPEECH_RATE)
    grey = Frames(pixels=np.full((144, 36, 64, 3), 90, np.uint8), rate=Fraction(24))
    write_video(folder / "talk.mp4", grey, sound=wave)
    return folder


def foreign(folder: Path) -> Path:
    (folder / "out").mkdir()
    (folder / "out" / "thesis.txt").write_text("mine")
    return silent(folder)


@pytest.mark.parametrize(
    ("build", "arguments", "said"),
    [
        (lambda folder: folder, (), "holds neither films nor timelines to learn from"),
        (lambda folder: folder / "none", (), "none does not exist"),
        (silent, (), "too little to learn from: 0 hits in 0 clips; at least 20 hits in 4 clips are needed"),
        (silent, (), "silent.mp4: no sound of its own"),
        (talking, (), "talk.mp4: nothing in its sound counts as a hit, as with speech or music alone"),
        (foreign, (), "out holds other files and is not a learned spotter"),
        (silent, ("--spotter", "motion-peaks"), "--spotter does not go with --learn"),
        (silent, ("--guide", "production"), "--guide does not go with --learn"),
        (silent, ("--minutes", "0"), "--minutes 0: give a number above 0"),
        (silent, ("--seed", "-1"), "--seed -1: give a whole number"),
        (silent, ("--media-root", "nowhere"), "nowhere is no folder"),
    ],
)
def test_what_nothing_can_be_learned_from_is_told_in_one_sentence(
    avlink: Callable[..., object],
    tmp_path: Path,
    build: Callable[[Path], Path],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    (tmp_path / "in").mkdir()
    built = build(tmp_path / "in")
    out = tmp_path / "in" / "out" if build is foreign else tmp_path / "out"
    ran = avlink("spot", "--learn", built, "-o", out, *arguments)
    assert ran.code == 2 and said in ran.err.splitlines()[-1] and "Traceback" not in ran.err
    assert ran.out == "" and not (out / FILE).exists() and not (out / FOLDER).exists()


def test_damaged_files_among_good_ones_are_named(avlink: Callable[..., object], footage: Path, tmp_path: Path) -> None:
    shutil.copyfile(next(iter(sorted(footage.iterdir()))), tmp_path / "good.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"\0" * 5000)
    (tmp_path / "bad.otio").write_text("{")
    # What AVLink has written for people to look at has clicks where it found hits.
    shutil.copyfile(tmp_path / "good.mp4", tmp_path / "good.spotted.mp4")
    ran = avlink("spot", "--learn", tmp_path, "--dry-run", "--json")
    assert ran.code == 3
    states = {item["name"]: item["status"] for item in ran.json["items"]}
    assert states == {"good.mp4": "planned", "bad.mp4": "failed", "bad.otio": "failed"}
    assert all(item["reason"] for item in ran.json["items"] if item["status"] == "failed")


def test_options_of_learning_need_it_and_without_it_an_input_is_needed(
    avlink: Callable[..., object], movie: Path, footage: Path
) -> None:
    for arguments in (("--minutes", "3"), ("--seed", "1"), ("--dry-run",)):
        ran = avlink("spot", movie, *arguments)
        assert ran.code == 2 and f"{arguments[0]} goes with --learn DIR alone" in ran.err
    assert "missing argument 'INPUT'" in avlink("spot").err
    assert "INPUT does not go with --learn" in avlink("spot", movie, "--learn", footage).err


def test_spotters_that_are_none_or_were_altered_are_told(
    learned: tuple[Path, dict], avlink: Callable[..., object], movie: Path, tmp_path: Path
) -> None:
    (tmp_path / "plain").mkdir()
    assert "holds no learned spotter" in avlink("spot", movie, "--spotter", tmp_path / "plain").err
    assert "no learned spotter is named" in avlink("spot", movie, "--spotter", "learned").err
    shutil.copytree(learned[0], tmp_path / "copy")
    (tmp_path / "copy" / FILE).write_text("format = 1\n")
    ran = avlink("spot", movie, "--spotter", tmp_path / "copy")
    assert ran.code == 2 and "is no learned spotter of format 1" in ran.err


def test_a_spotter_that_was_changed_is_not_replaced(
    learned: tuple[Path, dict], avlink: Callable[..., object], footage: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(learned[0], tmp_path / "copy")
    before = (copy / FILE).read_bytes()
    ran = avlink("spot", "--learn", footage, "-o", copy)
    assert ran.code == 2 and "is not overwritten" in ran.err and (copy / FILE).read_bytes() == before
