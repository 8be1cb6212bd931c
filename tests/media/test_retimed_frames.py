"""Retimed picture as it is seen: faster, slower, backwards, held; and image sequences, which are pictures too."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avlink.core.errors import MediaError
from avlink.core.values import FrameSource, ImageSequence, PictureSpec
from avlink.media.frames import open_frames
from avlink.media.images import probe_images

MakeMovie = Callable[..., Path]
SHADES = [(37 * index) % 200 + 20 for index in range(48)]
SPEC = PictureSpec(rate=Fraction(24), width=16, height=12)


def levels(frames: FrameSource) -> np.ndarray:
    return frames.read(0, frames.num_frames).astype(float).mean(axis=(1, 2, 3))


@pytest.fixture
def movie(make_movie: MakeMovie) -> Path:
    return make_movie("a.mp4", SHADES, rate=Fraction(24), size=(32, 24))


def test_twice_as_fast_is_half_as_long_and_blurred(movie: Path) -> None:
    frames = open_frames(movie, start_s=Fraction(8, 24), duration_s=Fraction(16, 24), spec=SPEC, speed=Fraction(2))
    assert np.abs(levels(frames) - np.reshape(SHADES[8:40], (16, 2)).mean(axis=1)).max() < 3


def test_half_as_fast_is_twice_as_long_and_held(movie: Path) -> None:
    frames = open_frames(movie, start_s=Fraction(8, 24), duration_s=Fraction(32, 24), spec=SPEC, speed=Fraction(1, 2))
    assert np.abs(levels(frames) - np.repeat(SHADES[8:24], 2)).max() < 3


@pytest.mark.parametrize("speed", [Fraction(1), Fraction(2), Fraction(1, 2), Fraction(19, 20)])
def test_backwards_is_forwards_read_from_the_end(movie: Path, speed: Fraction) -> None:
    # Long enough in whole frames of the result that both grids are one.
    span = {"start_s": Fraction(4, 24), "duration_s": Fraction(15, 24), "spec": SPEC}
    there = open_frames(movie, **span, speed=speed)
    back = open_frames(movie, **span, speed=-speed)
    assert back.num_frames == there.num_frames == 15
    assert np.array_equal(back.read(0, 15), there.read(0, 15)[::-1])
    assert np.array_equal(np.concatenate([back.read(0, 4), back.read(4, 9), back.read(9, 99)]), back.read(0, 15))
    assert len(back.read(9, 9)) == len(back.read(20, 30)) == 0


def test_backwards_starts_with_the_last_picture_where_the_frames_do_not_come_out_even(movie: Path) -> None:
    frames = open_frames(movie, start_s=Fraction(0), duration_s=Fraction(31, 30), spec=SPEC, speed=Fraction(-1))
    assert frames.num_frames == 25
    seen = levels(frames)
    # One second and 0.8 frames, counted from their end: a frame of the result shows 0.8 of one and 0.2 of the next.
    expected = [0.8 * SHADES[24 - index] + 0.2 * SHADES[max(23 - index, 0)] for index in range(25)]
    assert np.abs(seen - expected).max() < 3


def test_a_freeze_holds_one_picture_however_long(movie: Path) -> None:
    for at in (0, 7, 30, 47):
        frames = open_frames(movie, start_s=Fraction(at, 24), duration_s=Fraction(100), spec=SPEC, speed=Fraction(0))
        assert frames.num_frames == 2400
        some = frames.read(1000, 1003).astype(float)
        assert some.shape == (3, 12, 16, 3) and np.abs(some.mean(axis=(1, 2, 3)) - SHADES[at]).max() < 3


def test_a_freeze_at_an_ntsc_frame_is_that_frame(make_movie: MakeMovie) -> None:
    rate = Fraction(24000, 1001)
    path = make_movie("ntsc.mp4", SHADES, rate=rate, size=(32, 24))
    for at in (1, 2, 3, 29):
        frames = open_frames(path, start_s=at / rate, duration_s=Fraction(1), spec=SPEC, speed=Fraction(0))
        assert abs(levels(frames)[0] - SHADES[at]) < 3


def test_a_fast_clip_may_end_two_of_its_own_frames_late(movie: Path) -> None:
    span = {"start_s": Fraction(0), "spec": SPEC, "speed": Fraction(4)}
    assert open_frames(movie, duration_s=Fraction(14, 24), **span).num_frames == 14
    with pytest.raises(MediaError, match=r"ends at 2\.000 s"):
        open_frames(movie, duration_s=Fraction(15, 24), **span)


@pytest.fixture
def images(tmp_path: Path) -> Callable[..., ImageSequence]:
    def make(*missing: int, suffix: str = ".png", black: bool = False) -> ImageSequence:
        files: list[Path | None] = []
        for index in range(12):
            path = tmp_path / f"shot.{1001 + index}{suffix}"
            if index not in missing:
                Image.new("RGB", (64, 48), (10 * index + 20,) * 3).save(path)
            files.append(None if index in missing else path)
        return ImageSequence(files=tuple(files), rate=Fraction(12), black=black)

    return make


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".tga"])
def test_an_image_sequence_is_a_film(images: Callable[..., ImageSequence], suffix: str) -> None:
    shot = images(suffix=suffix)
    info = probe_images(shot)
    assert info.duration_s == 1 and info.video is not None and (info.video.width, info.video.height) == (64, 48)
    frames = open_frames(shot, start_s=Fraction(1, 4), duration_s=Fraction(1, 2), spec=SPEC)
    assert np.abs(levels(frames) - np.repeat(np.arange(50, 110, 10), 2)).max() < 3
    back = open_frames(shot, start_s=Fraction(1, 4), duration_s=Fraction(1, 2), spec=SPEC, speed=Fraction(-1))
    assert np.array_equal(back.read(0, 12), frames.read(0, 12)[::-1])


def test_missing_images_are_held_or_black(images: Callable[..., ImageSequence]) -> None:
    spec = PictureSpec(rate=Fraction(12), width=16, height=12)
    held = levels(open_frames(images(0, 4, 5), start_s=Fraction(0), duration_s=Fraction(1), spec=spec))
    assert np.abs(held[:7] - [0, 30, 40, 50, 50, 50, 80]).max() < 2
    late = levels(open_frames(images(4, 5), start_s=Fraction(5, 12), duration_s=Fraction(1, 6), spec=spec))
    assert np.abs(late - [50, 80]).max() < 2
    black = levels(open_frames(images(4, 5, black=True), start_s=Fraction(0), duration_s=Fraction(1), spec=spec))
    assert np.abs(black[3:7] - [50, 0, 0, 80]).max() < 2


def test_a_broken_image_is_named(images: Callable[..., ImageSequence]) -> None:
    shot = images()
    assert shot.files[5] is not None
    shot.files[5].write_bytes(b"no picture")
    with pytest.raises(MediaError, match=r"shot\.1006\.png"):
        open_frames(shot, start_s=Fraction(0), duration_s=Fraction(1), spec=SPEC)


def test_a_sequence_that_ends_too_early_is_refused(images: Callable[..., ImageSequence]) -> None:
    with pytest.raises(MediaError, match=r"ends at 1\.000 s"):
        open_frames(images(), start_s=Fraction(0), duration_s=Fraction(3, 2), spec=SPEC)
    with pytest.raises(ValueError, match="at least one picture"):
        ImageSequence(files=(None,), rate=Fraction(24))
