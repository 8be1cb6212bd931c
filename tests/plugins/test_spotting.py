"""Hits that the built-in backend spots itself: on film, where its motion stem is unsure, and not on drawings."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from avlink_fusion.spotter_options import FlowOptions, MotionOptions, PeakOptions, StemOptions
from avlink_fusion.spotters import PeakSpotter, load_flow, load_stem
from avlink_fusion.spotting import AveragedFrames, MotionSpotter, SpottingGenerator, load_motion
from numpy.typing import NDArray

from avlink import HitSpotter, PictureSpec
from avlink.core.values import Frames, Prompt, SoundRequest
from avlink.foundry import FRAME_RATE, make_clips
from avlink.media.frames import fit_frames, open_frames
from avlink.media.movie import write_video
from avlink.metrics.gain import matched_count

SEEN = PictureSpec(rate=Fraction(24), width=64, height=36)


class Listener:
    """A generator that keeps its requests, and is silent."""

    sample_rate = 48000
    picture = SEEN

    def __init__(self) -> None:
        self.requests: list[SoundRequest] = []

    def generate(self, requests, *, on_step=None):
        self.requests += requests
        return [None for _ in requests]


def on_film(name: str) -> HitSpotter:
    """Return a spotter for film."""
    return PeakSpotter(PeakOptions()) if name == "peaks" else load_flow(FlowOptions(), "cpu")


def asked(pixels: NDArray[np.uint8], rate: Fraction, spotter: HitSpotter, **changes) -> SoundRequest:
    """Return the request that the generator gets for pictures at `rate`, which divides 120."""
    listener = Listener()
    spotting = SpottingGenerator(listener, MotionSpotter(load_stem(StemOptions(), "cpu"), spotter))
    # Whole multiples of what the model sees, or the same.
    side = 2 if spotter.picture.width == 128 else 1
    assert spotting.picture == PictureSpec(rate=Fraction(120), width=64 * side, height=36 * side)
    held = np.repeat(pixels, int(120 / rate), axis=0).repeat(side, axis=1).repeat(side, axis=2)
    frames = Frames(pixels=held, rate=Fraction(120))
    whole = {"frames": frames, "duration_s": Fraction(len(held), 120), "prompt": Prompt(), "seed": 0} | changes
    spotting.generate([SoundRequest(**whole)])
    (got,) = listener.requests
    return got


@pytest.fixture(scope="module")
def drawing() -> tuple[NDArray[np.uint8], list[float]]:
    batch = make_clips([1_000_001], split="held_out")
    return batch.frames[0].numpy(), [event.time_s for event in batch.clips[0].events]


def film(rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[float]]:
    """A ball that is lifted gently and beaten down, before a rough wall, at 60 pictures a second with grain."""
    times_s = [0.7, 1.6, 2.5, 3.4, 4.3]
    at_s, height = np.arange(300) / 60, np.zeros(300)
    for time_s in times_s:
        lift, blow = np.clip((at_s - time_s + 0.6) / 0.4, 0, 1), np.clip((at_s - time_s + 0.2) / 0.2, 0, 1)
        # It speeds up until it strikes.
        height += 20 * (0.5 - 0.5 * np.cos(np.pi * lift)) - 20 * blow**2
    rows, cols = np.mgrid[:36, :64]
    from_middle = np.hypot(cols - 32, rows - (30 - height)[:, None, None])
    ball, wall = 1 / (1 + np.exp(1.5 * (from_middle - 4))), 70 + 30 * rng.random((36, 64))
    grainy = wall * (1 - ball) + 200 * ball + rng.normal(0, 2, (300, 36, 64))
    return np.repeat(grainy.clip(0, 255).astype(np.uint8)[..., None], 3, axis=-1), times_s


@pytest.mark.parametrize("name", ["peaks", "flow"])
def test_a_drawing_that_the_stem_is_sure_of_is_left_to_it(
    name: str, drawing: tuple[NDArray[np.uint8], list[float]]
) -> None:
    pixels, _ = drawing
    got = asked(pixels, FRAME_RATE, on_film(name))
    assert got.hits is None
    # The model gets the very pictures that it gets without.
    np.testing.assert_array_equal(got.frames.read(0, len(pixels)), pixels)
    assert got.frames.num_frames == len(pixels) and got.frames.rate == 24


@pytest.mark.parametrize(("name", "window_s"), [("peaks", 0.06), ("flow", 0.08)])
def test_on_film_the_hits_are_those_of_the_spotter_for_film(name: str, window_s: float) -> None:
    pixels, times_s = film(np.random.default_rng(0))
    got = asked(pixels, Fraction(60), on_film(name))
    assert got.hits
    found = [float(hit.time_s) for hit in got.hits]
    assert matched_count(times_s, found, window_s) == len(found) == 5
    assert got.frames.rate == 24 and got.frames.num_frames == 120


def test_hits_of_a_drawing_are_the_stems_and_those_of_film_are_not(
    drawing: tuple[NDArray[np.uint8], list[float]],
) -> None:
    motion = load_motion(MotionOptions(late_s=0.01), "cpu")
    for pixels, rate, own, late_s in (
        (drawing[0], FRAME_RATE, load_stem(StemOptions(), "cpu"), Fraction(1, 100)),
        (film(np.random.default_rng(0))[0], Fraction(60), load_flow(FlowOptions(), "cpu"), Fraction(1, 100)),
    ):
        frames = Frames(pixels=pixels, rate=rate)
        wanted = own.spot(fit_frames(frames, spec=own.picture))
        found = motion.spot(fit_frames(frames, spec=motion.picture))
        assert len(found) == len(wanted) > 0
        for one, other in zip(found, wanted, strict=True):
            assert abs(one.time_s - late_s - other.time_s) < Fraction(1, 30)


@pytest.mark.parametrize("changes", [{"hits": ()}, {"is_ambience": True}])
def test_hits_that_are_known_and_ambience_are_left_as_they_are(changes: dict[str, object]) -> None:
    pixels, _ = film(np.random.default_rng(0))
    assert asked(pixels, Fraction(60), on_film("flow"), **changes).hits == changes.get("hits")


@pytest.mark.parametrize("name", ["peaks", "flow"])
def test_a_still_picture_has_no_hits(name: str) -> None:
    assert asked(np.full((120, 36, 64, 3), 90, np.uint8), Fraction(60), on_film(name)).hits is None


@pytest.mark.parametrize("side", [1, 2])
@pytest.mark.parametrize("rate", [24, 30, 60])
def test_averaged_pictures_are_those_of_the_lower_rate_and_size(tmp_path: Path, rate: int, side: int) -> None:
    pixels, _ = film(np.random.default_rng(1))
    write_video(tmp_path / "film.mp4", Frames(pixels=pixels[::2], rate=Fraction(rate)), scale=4)
    spec, whole = SEEN, {"start_s": Fraction(0), "duration_s": Fraction(2)}
    fine = open_frames(
        tmp_path / "film.mp4", spec=PictureSpec(rate=Fraction(120), width=64 * side, height=36 * side), **whole
    )
    wanted, made = open_frames(tmp_path / "film.mp4", spec=spec, **whole), AveragedFrames(fine, 5, side)
    assert made.num_frames == wanted.num_frames and made.rate == wanted.rate
    low, high = made.read(0, 1000).astype(int), wanted.read(0, 1000).astype(int)
    assert np.abs(low - high).max() <= 1
    np.testing.assert_array_equal(made.read(7, 9), made.read(0, 1000)[7:9])


class Counted:
    """Pictures of noise that count how many of them are read."""

    rate, num_frames, height, width = Fraction(120), 1203, 8, 12

    def __init__(self) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (1203, 8, 12, 3), np.uint8)
        self.count = 0

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        self.count += stop - start
        return self.pixels[start:stop]


def test_pictures_are_averaged_once_however_they_are_read() -> None:
    source = Counted()
    averaged = AveragedFrames(source, 5, 2)
    whole = averaged.read(0, 10_000)
    assert whole.shape == (241, 4, 6, 3) and averaged.num_frames == 241
    blocks = source.pixels[:1200].reshape(240, 5, 4, 2, 6, 2, 3).mean(axis=(1, 3, 5))
    assert np.abs(whole[:240] - blocks).max() <= 0.5 + 1e-6
    read = source.count
    for start, stop in ((0, 1), (31, 33), (5, 5), (200, 241), (-3, 241), (9, 4), (0, 241)):
        np.testing.assert_array_equal(averaged.read(start, stop), whole[start:stop])
    assert source.count == read
