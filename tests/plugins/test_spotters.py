"""The built-in spotters: on clips with true events, and on pictures in which the place of an event is known."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from avlink_fusion import plugin
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.bundles import find_bundle
from avlink.core.errors import BundleError
from avlink.core.hits import Hit
from avlink.core.motion_config import SpotterConfig
from avlink.core.recipe import SpotRecipe, load_recipe
from avlink.core.values import Frames, FrameSource, HitSpotter, PictureSpec
from avlink.engine.bundle import load_system, read_bundle, write_bundle
from avlink.engine.spotter import load_onset_net
from avlink.engine.system import System
from avlink.foundry import FRAME_RATE, make_clips
from avlink.hooks import make_registry, resolve_spotter
from avlink.media.frames import fit_frames, open_frames
from avlink.media.probe import probe
from avlink.metrics.peaks import find_peaks
from avlink.metrics.sync import match_onsets
from tests.engine.tiny import TINY

REGISTRY = make_registry(plugin)
SPOTTERS = ("motion", "motion-stem", "motion-flow", "motion-peaks")
REAL = Path(__file__).parents[2] / ".." / "shared" / "real"


def load(name: str, *settings: str) -> HitSpotter:
    recipe = load_recipe("spot", "spot", [f"spotter.name={name}", *settings])
    return resolve_spotter(recipe, REGISTRY).load("cpu")


def spot(spotter: HitSpotter, frames: FrameSource) -> tuple[Hit, ...]:
    return tuple(spotter.spot(fit_frames(frames, spec=spotter.picture)))


@dataclass(frozen=True)
class Score:
    """Mean F1 at a window, and the same of what was found after eight circular shifts, which is chance."""

    f1: float
    chance: float

    @property
    def gain(self) -> float:
        return self.f1 - self.chance


def score(clips: list[tuple[list[float], list[float], float]], window_s: float) -> Score:
    """Score (true times, found times, length) of clips."""
    own, shifted = [], []
    for true, found, length_s in clips:
        own.append(match_onsets(true, found, window_s).f1)
        moved = ([(time_s + length_s * step / 9) % length_s for time_s in found] for step in range(1, 9))
        shifted.append(np.mean([match_onsets(true, sorted(one), window_s).f1 for one in moved]))
    return Score(f1=float(np.mean(own)), chance=float(np.mean(shifted)))


@pytest.fixture(scope="module")
def foundry() -> list[tuple[list[float], Frames]]:
    """Eight clips that the network was not trained on: the times of their events, and their pictures."""
    batch = make_clips(range(2_000_000, 2_000_012), split="held_out")
    clips = [
        ([event.time_s for event in info.events], Frames(pixels=pixels.numpy(), rate=FRAME_RATE))
        for info, pixels in zip(batch.clips, batch.frames, strict=True)
        if info.events
    ]
    return clips[:8]


@pytest.mark.parametrize(
    ("name", "least"), [("motion", 0.85), ("motion-stem", 0.85), ("motion-flow", 0.75), ("motion-peaks", 0.5)]
)
def test_events_of_held_out_clips_are_found(name: str, least: float, foundry: list[tuple[list[float], Frames]]) -> None:
    spotter = load(name)
    found = [
        (true, [float(hit.time_s) for hit in spot(spotter, frames)], frames.num_frames / float(frames.rate))
        for true, frames in foundry
    ]
    at_100 = score(found, 0.1)
    print(f"{name}: F1 {at_100.f1:.3f}, chance {at_100.chance:.3f}, at 50 ms {score(found, 0.05).f1:.3f}")
    assert at_100.f1 >= least
    assert at_100.gain >= 0.25


@pytest.mark.parametrize("name", SPOTTERS)
def test_more_sensitive_finds_no_less(name: str, foundry: list[tuple[list[float], Frames]]) -> None:
    counts = []
    for sensitivity in (0.0, 0.5, 1.0):
        spotter = load(name, f"spotter.options.sensitivity={sensitivity}")
        counts.append(sum(len(spot(spotter, frames)) for _, frames in foundry[:4]))
    assert counts == sorted(counts) and counts[0] < counts[-1]


def bouncing(x: int, y: int, *, frames: int = 72, at: tuple[int, ...] = (20, 45)) -> Frames:
    """A grey picture in which a bright square leaps at some frames, around (x, y) of 160 x 90 pixels."""
    noise = np.random.default_rng(0).integers(90, 110, (90, 160, 3), dtype=np.uint8)
    pixels = np.repeat(noise[None], frames, axis=0)
    for number in range(frames):
        leaps = sum(number >= frame for frame in at)
        left = x + (8 if leaps % 2 else -8)
        pixels[number, y - 6 : y + 6, left - 6 : left + 6] = 240
    return Frames(pixels=pixels, rate=Fraction(24))


@pytest.mark.parametrize(("x", "y"), [(40, 25), (120, 65)])
def test_the_place_of_an_event_is_told(x: int, y: int) -> None:
    hits = spot(load("motion-peaks", "spotter.options.late_s=0.0"), bouncing(x, y))
    assert len(hits) == 2
    for hit, leap in zip(hits, (20, 45), strict=True):
        # When what leapt has come to rest.
        assert 0 <= hit.time_s - Fraction(leap, 24) < Fraction(6, 100)
        assert hit.place is not None
        assert hit.place == pytest.approx((x / 160, y / 90), abs=0.1)


def test_a_flash_is_told_from_a_blow() -> None:
    pixels = np.full((72, 90, 160, 3), 60, np.uint8)
    pixels[30:33] = 230
    (hit,) = spot(load("motion-peaks"), Frames(pixels=pixels, rate=Fraction(24)))[:1]
    assert hit.kind == "flash"
    assert {hit.kind for hit in spot(load("motion-peaks"), bouncing(60, 40))} == {"hit"}


@pytest.mark.parametrize("name", SPOTTERS)
@pytest.mark.parametrize("frames", [1, 2, 400])
def test_a_still_picture_has_no_hits(name: str, frames: int) -> None:
    still = np.random.default_rng(0).integers(0, 256, (1, 36, 64, 3), dtype=np.uint8).repeat(frames, axis=0)
    assert spot(load(name), Frames(pixels=still, rate=Fraction(24))) == ()


@pytest.mark.parametrize("name", ["motion-stem", "motion-flow"])
def test_a_long_clip_is_read_as_its_parts_are(name: str, foundry: list[tuple[list[float], Frames]]) -> None:
    """Windows are blended: a clip of twenty seconds has the hits of the clips that it is made of, far from its cuts."""
    parts = [frames for _, frames in foundry[:4]]
    spotter = load(name)
    whole = spot(spotter, Frames(pixels=np.concatenate([part.pixels for part in parts]), rate=FRAME_RATE))
    times_s = [float(hit.time_s) for hit in whole]
    length_s = parts[0].num_frames / 24
    alone = [number * length_s + float(hit.time_s) for number, part in enumerate(parts) for hit in spot(spotter, part)]
    inner = [time_s for time_s in alone if 1 < time_s % length_s < length_s - 1]
    near = [time_s for time_s in inner if any(abs(time_s - other_s) < 0.03 for other_s in times_s)]
    assert len(near) >= 0.8 * len(inner) > 0


def test_only_the_stem_is_read_from_a_bundle(tmp_path: Path) -> None:
    whole = find_bundle("builtin")
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    tensors = json.loads((whole / "tensors.json").read_text())
    needed = {entry["shard"] for name, entry in tensors.items() if name.startswith("motion.")}
    for file in ("bundle.toml", "tensors.json", *needed):
        shutil.copyfile(whole / file, bundle / file)
    assert load_onset_net(read_bundle(bundle), "cpu").names
    with pytest.raises(BundleError, match="lacks its shard"):
        load_system(read_bundle(bundle))


def test_a_spotter_in_a_bundle_replaces_its_stem(tmp_path: Path) -> None:
    own = SpotterConfig(fps=30, dim=32, widths=(16, 16), layers=1, classes=("step", "drop"), width=96, height=56)
    config = TINY.model_copy(update={"spotter": own})
    parts = System(config).components()
    write_bundle(tmp_path / "b", config, parts, name="b", licence="x", description="x", training={})
    spotter = load("motion-stem", f"spotter.options.model={tmp_path / 'b'}")
    assert spotter.picture == PictureSpec(rate=Fraction(30), width=96, height=56)
    assert load_onset_net(read_bundle(tmp_path / "b"), "cpu").names == ("step", "drop")
    assert isinstance(spot(spotter, bouncing(60, 40)), tuple)


def test_a_model_that_sees_nothing_is_one_sentence(tmp_path: Path) -> None:
    config = TINY.model_copy(update={"motion": None})
    parts = System(config).components()
    write_bundle(tmp_path / "b", config, parts, name="b", licence="x", description="x", training={})
    with pytest.raises(BundleError, match="neither a spotter nor a motion stem; name another model"):
        load("motion-stem", f"spotter.options.model={tmp_path / 'b'}")


@pytest.mark.parametrize("name", ["motion-flow", "motion"])
def test_a_model_without_a_flow_spotter_is_told_or_spots_peaks(name: str, tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", TINY, System(TINY).components(), name="b", licence="x", description="x", training={})
    model = f"spotter.options.model={tmp_path / 'b'}"
    if name == "motion-flow":
        with pytest.raises(BundleError, match="it has no flow spotter; name another model"):
            load(name, model)
        return
    # Nothing that random weights see is sure.
    assert len(spot(load(name, model), bouncing(60, 40))) == 2


def test_fingerprints_tell_options_apart_and_no_paths(tmp_path: Path) -> None:
    copy = shutil.copytree(find_bundle("builtin"), tmp_path / "copy")

    def fingerprint(*settings: str) -> str:
        recipe: SpotRecipe = load_recipe("spot", "spot", list(settings))
        return resolve_spotter(recipe, REGISTRY).fingerprint()

    known = fingerprint()
    assert fingerprint(f"spotter.options.model={copy}") == known
    others = {fingerprint("spotter.options.sensitivity=0.6"), fingerprint("spotter.name=motion-peaks")}
    assert len(others | {known}) == 3


def test_peaks_without_weights_need_no_torch() -> None:
    code = (
        "import sys, numpy as np\nfrom fractions import Fraction\nfrom avlink.core.values import Frames\n"
        "from avlink_fusion.spotters import load_peaks\nfrom avlink_fusion.spotter_options import PeakOptions\n"
        "pixels = np.zeros((60, 90, 160, 3), np.uint8)\npixels[30:] = 200\n"
        "print(len(load_peaks(PeakOptions(), 'cpu').spot(Frames(pixels=pixels, rate=Fraction(60)))))\n"
        "print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1", "False"]


@given(st.floats(5, 40), st.floats(1, 6), st.floats(0.5, 3))
def test_peaks_lie_between_samples(at: float, width: float, height: float) -> None:
    samples = np.arange(50)
    (peak,) = find_peaks(height * np.exp(-0.5 * ((samples - at) / width) ** 2), least=0.4 * height, gap=3)
    assert peak.at == pytest.approx(at, abs=0.12)
    assert peak.height == pytest.approx(height, rel=0.15)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the folder shared/real is not beside the checkout")
@pytest.mark.parametrize(("name", "least"), [("motion-stem", 0.05), ("motion-flow", 0.1), ("motion-peaks", 0.1)])
def test_events_of_real_clips_are_found_more_often_than_by_chance(name: str, least: float) -> None:
    """The measure of shared/real/gain.py: F1 at 100 ms less its mean over eight circular shifts, by group."""
    truth: dict[str, list[float]] = json.loads((REAL / "events.json").read_text())
    with (REAL / "manifest.tsv").open(encoding="utf-8") as file:
        about = {row["file"]: row for row in csv.DictReader(file, delimiter="\t")}
    spotter = load(name)
    found = {}
    for clip, events in truth.items():
        length_s = probe(REAL / clip).duration_s
        frames = open_frames(REAL / clip, start_s=Fraction(0), duration_s=length_s, spec=spotter.picture)
        found[clip] = (events, [float(hit.time_s) for hit in spotter.spot(frames)], float(length_s))
    groups: dict[str, Callable[[dict[str, str]], bool]] = {
        "all": lambda row: True,
        "sparse": lambda row: float(row["onsets_per_s"]) <= 2.5,
        "greatest_hits": lambda row: row["greatest_hits"] == "1",
        "rest": lambda row: row["greatest_hits"] != "1",
    }
    gains = {}
    for group, belongs in groups.items():
        some = [found[clip] for clip in found if belongs(about[clip])]
        gains[group] = score(some, 0.1).gain
        print(
            f"{name}, {group}, {len(some)} clips: gain at 100 ms {gains[group]:.3f}, at 50 {score(some, 0.05).gain:.3f}"
        )
    assert gains["all"] >= least
