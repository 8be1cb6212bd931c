"""A run that is killed with kill -9 at random moments, again and again, and at last left to finish.

How far a run is, is read from what it prints and from the files that it leaves; nothing in it helps to be killed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import opentimelineio as otio
import pytest
import soundfile

from avlink.admin.cache import prune_cache
from avlink.admin.foundry_sample import write_clip
from avlink.foundry import make_clips

ROOT = Path(__file__).parents[2]
LEFTOVERS = ".avlink-tmp-*"
HOURS_S = 7200
# A plugin of its own distribution: the tone backend, which takes its time.
SLOW_TONE = """
import time
from avlink import hookimpl, testing
from avlink.hooks import Backend

class Slow(testing.ToneGenerator):
    def generate(self, requests, *, on_step=None):
        for step in range(1, 11):
            time.sleep(0.03)
            on_step(step, 10)
        return super().generate(requests)

@hookimpl
def avlink_backends():
    return [Backend(name="slow", direction="v2a", options=testing.ToneOptions, fingerprint=lambda options: "1",
                    load=lambda options, device: Slow(options))]
"""


@dataclass
class Project:
    """A project in a folder of its own, with a cache and a folder for temporary files of its own."""

    folder: Path
    settings: tuple[str, ...]
    site: Path
    said: Path = field(init=False)

    def __post_init__(self) -> None:
        self.said = self.folder / "said.txt"
        (self.folder / "tmp").mkdir()

    @property
    def output(self) -> Path:
        return self.folder / "cut.foley.otio"

    @property
    def sheet(self) -> Path:
        return self.folder / "cut.foley.csv"

    @property
    def stems(self) -> dict[str, Path]:
        return {path.name: path for path in sorted((self.folder / "cut.stems").glob("[!.]*.wav"))}

    @property
    def sounds(self) -> dict[str, tuple[int, int]]:
        """Return the sounds in the cache by name, each with a value that changes with the file.

        An entry counts from the moment when its second file is there, which says how long the first one is.
        """
        files = (self.folder / "cache").glob("objects/??/[!.]*.wav")
        stats = {path.name: path.stat() for path in files if path.with_suffix(".meta.json").exists()}
        return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}

    def halves(self, folder: str = ".") -> list[Path]:
        return [*(self.folder / folder).rglob(LEFTOVERS)]

    def start(self) -> subprocess.Popen[str]:
        paths = [str(self.site), str(ROOT), str(ROOT / "plugins"), str(ROOT / "otio_adapters")]
        places = {"AVLINK_CACHE_DIR": str(self.folder / "cache"), "TMPDIR": str(self.folder / "tmp")}
        env = {**os.environ, **places, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        settings = [word for setting in self.settings for word in ("-s", setting)]
        command = [sys.executable, "-m", "avlink", "sonify", "cut.otio", "--json", "--device", "cpu", *settings]
        with self.said.open("w") as said:
            return subprocess.Popen(command, env=env, cwd=self.folder, stdout=subprocess.PIPE, stderr=said, text=True)

    def run(self) -> dict:
        process = self.start()
        out, _ = process.communicate()
        assert process.returncode == 0, self.said.read_text()
        return json.loads(out)

    def progress(self) -> list[str]:
        return self.said.read_text().splitlines()


def make_project(folder: Path, films: int, cuts: int, settings: tuple[str, ...], site: Path) -> Project:
    """`cuts` shots of about a second of each of `films` generated films."""
    (folder / "media").mkdir(parents=True)
    clips = make_clips(range(films), split="held_out")
    for row in range(films):
        write_clip(clips, row, folder / "media" / f"{row}.mp4", scale=1)
    time_at, span = otio.opentime.RationalTime, otio.opentime.TimeRange
    track = otio.schema.Track("V1")
    for index in range(films * cuts):
        media = otio.schema.ExternalReference(f"media/{index % films}.mp4")
        used = span(time_at(5 + 20 * (index // films), 24), time_at(24 + index % 5, 24))
        track.append(otio.schema.Clip(f"shot {index}", media, used))
    timeline = otio.schema.Timeline("cut", global_start_time=time_at(86400, 24))
    timeline.tracks.append(track)
    otio.adapters.write_to_file(timeline, str(folder / "cut.otio"))
    return Project(folder, settings, site)


def ended(lines: list[str]) -> int:
    """Return the number of clips that a run reported as done."""
    return sum(line.endswith((": done", ": cached")) for line in lines)


def phase(project: Project, stems: int, planned: int, halves: int) -> str:
    """Return the phase of a run at the moment of the kill."""
    lines = project.progress()
    if not any(" to do" in line for line in lines):
        return "starting"
    if ended(lines) == planned:
        return "writing"
    if halves or len(project.sounds) > stems or lines[-1].endswith(": cached"):
        return "finishing"
    return "generating"


@dataclass
class Moments:
    """The moments of the kills: at a phase, after a random wait. Lengths are those of an undisturbed run."""

    random: random.Random
    start_s: float
    clip_s: float
    planned: int

    def wait(self, kind: str, project: Project, process: subprocess.Popen[str]) -> None:
        """Return at such a moment of the run, or when it has ended."""
        began_with = len(project.sounds)
        clips = self.random.randint(1, 2)
        until: dict[str, tuple[Callable[[], bool], float]] = {
            "any": (lambda: True, self.start_s + 2 * self.clip_s),
            "generating": (lambda: sum(line[:1] == "[" for line in project.progress()) >= clips, self.clip_s),
            "finishing": (lambda: len(project.sounds) > began_with or bool(project.halves("cut.stems")), 0.1),
            "writing": (lambda: ended(project.progress()) == self.planned, 0.02),
        }
        reached, longest_s = until[kind]
        while not reached() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(self.random.uniform(0, longest_s))


def kills(project: Project, whole: Project, report: dict, moments: Moments, kinds: list[str]) -> Iterator[str]:
    """Start the run and kill it, once for each of `kinds`; after each, check what is there; gives the phases."""
    planned = {Path(stem["path"]).name: stem["samples"] for item in report["items"] for stem in item["stems"]}
    names = {Path(stem["path"]).name: item["name"] for item in report["items"] for stem in item["stems"]}
    before: dict[str, bytes] = {}
    for kind in kinds:
        sounds = project.sounds
        process = project.start()
        moments.wait(kind, project, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        begun = {line.split("] ")[1].removesuffix(" (V1)") for line in project.progress() if line[:1] == "["}
        assert not begun & {names[name] for name in before}, "a finished stem was generated again"
        assert sounds.items() <= project.sounds.items(), "a sound was lost or generated again"
        left = {}
        for name, path in project.stems.items():
            with wave.open(str(path)) as file:
                assert file.getnframes() == planned[name]
                assert len(file.readframes(planned[name])) == 3 * planned[name]
            assert soundfile.info(path).frames == planned[name]
            left[name] = path.read_bytes()
            assert left[name] == whole.stems[name].read_bytes()
        assert before.items() <= left.items(), "a finished stem was lost"
        before = left
        for mine, other in ((project.output, whole.output), (project.sheet, whole.sheet)):
            if mine.exists():
                otio.adapters.read_from_file(str(mine))
                assert mine.read_bytes() == other.read_bytes()
        assert not [*(project.folder / "tmp").iterdir()]
        # One that was killed after its end was not killed, but the next begins from there all the same.
        halves = [half for half in project.halves() if half.stat().st_mtime > time.time() - HOURS_S / 2]
        yield "ended" if process.returncode == 0 else phase(project, len(left), len(planned), len(halves))
        for half in halves:
            os.utime(half, (time.time() - HOURS_S,) * 2)


def killed_and_finished(tmp_path: Path, films: int, cuts: int, settings: tuple[str, ...], kinds: list[str]) -> Counter:
    """The whole story; the phases in which the kills fell."""
    settings = (*settings, "run.max_batch_s=0.1", 'write.also=["cues"]')
    site = tmp_path / "site"
    (site / "slow-1.dist-info").mkdir(parents=True)
    (site / "slow_tone.py").write_text(SLOW_TONE)
    (site / "slow-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1\n")
    (site / "slow-1.dist-info" / "entry_points.txt").write_text("[avlink]\nslow = slow_tone\n")
    whole = make_project(tmp_path / "whole", films, cuts, settings, site)
    (tmp_path / "killed").mkdir()
    shutil.copytree(whole.folder / "media", tmp_path / "killed" / "media")
    shutil.copy(whole.folder / "cut.otio", tmp_path / "killed")
    project = Project(tmp_path / "killed", settings, site)

    began = time.monotonic()
    process = whole.start()
    while "[" not in whole.said.read_text() and process.poll() is None:
        time.sleep(0.005)
    start_s = time.monotonic() - began
    report = json.loads(process.communicate()[0])
    clip_s = (time.monotonic() - began - start_s) / (films * cuts)
    assert report["counts"]["generated"] == films * cuts

    moments = Moments(random.Random(20), start_s, clip_s, films * cuts)
    phases = Counter(kills(project, whole, report, moments, kinds))

    old = project.folder / ".avlink-tmp-0.otio", project.folder / "cut.stems" / ".avlink-tmp-0.wav"
    young = project.folder / "cut.stems" / ".avlink-tmp-1.wav"
    for half in (*old, young):
        half.write_bytes(b"half")
    for half in old:
        os.utime(half, (time.time() - HOURS_S,) * 2)
    kept = len(project.sounds)
    last = project.run()
    assert last["counts"] == {"generated": films * cuts - kept, "cached": kept, "skipped": 0, "failed": 0}
    # Somebody else may be at work on what is young.
    assert [*project.folder.glob(LEFTOVERS), *project.halves("cut.stems")] == [young]
    prune_cache(project.folder / "cache")
    assert not project.halves("cache")
    assert {name: path.read_bytes() for name, path in project.stems.items()} == {
        name: path.read_bytes() for name, path in whole.stems.items()
    }
    assert project.output.read_bytes() == whole.output.read_bytes()
    assert project.sheet.read_bytes() == whole.sheet.read_bytes()
    return phases


def test_three_kills_lose_nothing(tmp_path: Path) -> None:
    kinds = ["generating", "finishing", "writing"]
    phases = killed_and_finished(tmp_path, 2, 2, ("backend.name=slow",), kinds)
    # Moments are measured on a run that was left alone: on a busy machine a kill may fall into another phase.
    assert sum(phases.values()) == 3


@pytest.mark.slow
def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    dice = random.Random(7)
    kinds = ["any"] * 6 + ["generating"] * 5 + ["finishing"] * 5
    dice.shuffle(kinds)
    # Only when all else is done there is something to write.
    phases = killed_and_finished(tmp_path, 6, 2, ("backend.options.steps=10",), [*kinds, *["writing"] * 4])
    print(f"the kills fell into: {dict(phases)}")
    assert sum(phases.values()) == 20
    assert phases["generating"] >= 4 and phases["finishing"] >= 3 and phases["writing"] >= 1
