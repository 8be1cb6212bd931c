"""Pictures with times of their own become a movie with the same times, and without loss the same pixels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avlink.core.errors import MediaError
from avlink.core.values import Frames, PictureSpec
from avlink.media.animation import TimedPicture, write_animation
from avlink.media.frames import fit_frames, open_frames
from avlink.media.probe import probe

DURATIONS_MS = [62, 62, 100, 40, 62, 30, 62, 500]


def pictures(size: tuple[int, int] = (48, 64)) -> list[TimedPicture]:
    rng = np.random.default_rng(0)
    return [
        TimedPicture(
            pixels=rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            if index % 2
            else np.full((*size, 3), 20 * index, np.uint8),
            duration_s=Fraction(milliseconds, 1000),
        )
        for index, milliseconds in enumerate(DURATIONS_MS)
    ]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("size", [(48, 64), (49, 63)])
@pytest.mark.parametrize("lossless", [True, False])
def test_times_and_pixels_come_back(tmp_path: Path, suffix: str, size: tuple[int, int], lossless: bool) -> None:
    path = tmp_path / f"a{suffix}"
    write_animation(path, pictures(size), lossless=lossless)
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
        shown = [frame.to_ndarray(format="rgb24") for frame in decoded]
        begins = [round(1000 * frame.pts * frame.time_base) for frame in decoded]
    assert begins == [sum(DURATIONS_MS[:index]) for index in range(len(DURATIONS_MS))]
    assert probe(path).duration_s == Fraction(sum(DURATIONS_MS), 1000)
    for picture, pixels in zip(pictures(size), shown, strict=True):
        if lossless:
            assert np.array_equal(pixels, picture.pixels)
        elif picture.pixels.std() == 0:
            assert pixels.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
            assert abs(pixels.mean() - picture.pixels.mean()) < 3


def test_what_cannot_be_one_movie_is_said(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no pictures"):
        write_animation(tmp_path / "a.mp4", [], lossless=True)
    with pytest.raises(MediaError, match="change their size"):
        write_animation(tmp_path / "a.mp4", [*pictures(), *pictures((32, 64))], lossless=True)


@pytest.mark.parametrize("rate", [Fraction(16), Fraction(24000, 1001), Fraction(6)])
def test_pictures_in_memory_are_seen_as_the_same_in_a_file(tmp_path: Path, rate: Fraction) -> None:
    rng = np.random.default_rng(1)
    pixels = np.repeat(np.repeat(rng.integers(0, 256, (21, 9, 16, 3), dtype=np.uint8), 20, axis=1), 20, axis=2)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=rate, options={"qp": "0", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "rgb24"
        stream.codec_context.time_base = 1 / rate
        for index, image in enumerate(pixels):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    spec = PictureSpec(rate=Fraction(12), width=64, height=36)
    there = fit_frames(Frames(pixels=pixels, rate=rate), spec=spec)
    read = open_frames(path, start_s=Fraction(0), duration_s=21 / rate, spec=spec)
    assert there.num_frames == read.num_frames == max(1, round(21 / rate * 12))
    # Matroska counts in milliseconds: where a frame shows two pictures, their shares differ a little.
    assert np.abs(there.read(0, 99).astype(int) - read.read(0, 99)).max() <= 3


def test_frames_that_show_nothing_are_said() -> None:
    spec = PictureSpec(rate=Fraction(12), width=64, height=36)
    with pytest.raises(MediaError, match="no pictures"):
        fit_frames(Frames(pixels=np.zeros((0, 64, 64, 3), np.uint8), rate=Fraction(8)), spec=spec)
    with pytest.raises(MediaError, match="4x64 pixels"):
        fit_frames(Frames(pixels=np.zeros((2, 64, 4, 3), np.uint8), rate=Fraction(8)), spec=spec)
