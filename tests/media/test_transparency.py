"""Alpha channels: what is opaque throughout hides what lies under it, all else lets it show through."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from avlink.core.values import ImageSequence
from avlink.media.composite import Segment, composite_frames
from avlink.media.transparency import shows_through

sys.path.insert(0, str(Path(__file__).parent))
from overlays import KINDS, RATE, write_overlay


@pytest.mark.parametrize("name", KINDS)
def test_a_film_with_alpha_shows_what_lies_under_it_unless_it_is_opaque_throughout(tmp_path: Path, name: str) -> None:
    assert shows_through(write_overlay(tmp_path / name, [0] * 12))
    assert not shows_through(write_overlay(tmp_path / name, [255] * 12))
    assert shows_through(write_overlay(tmp_path / name, [255] * 6 + [100] * 6))


def test_an_empty_channel_of_uncompressed_video_is_unused(tmp_path: Path) -> None:
    assert not shows_through(write_overlay(tmp_path / "uncompressed.avi", [None] * 12))
    assert shows_through(write_overlay(tmp_path / "animation.mov", [None] * 12))


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_an_image_sequence_is_looked_at_in_the_same_way(tmp_path: Path, suffix: str) -> None:
    def sequence(name: str, alphas: list[int]) -> ImageSequence:
        files = []
        for index, alpha in enumerate(alphas):
            files.append(tmp_path / f"{name}{index}.{suffix}")
            codec, format = {"png": ("png", "image2"), "tif": ("tiff", "image2"), "webp": ("libwebp", "webp")}[suffix]
            with av.open(str(files[-1]), "w", format=format) as container:
                stream = container.add_stream(codec, rate=1)
                stream.width, stream.height, stream.pix_fmt = 32, 16, "rgba" if suffix != "webp" else "bgra"
                colours = np.full((16, 32, 4), 90, np.uint8)
                colours[:, :, 3] = alpha
                frame = VideoFrame.from_ndarray(colours, format="rgba").reformat(format=stream.pix_fmt)
                container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
        return ImageSequence(files=tuple(files), rate=RATE)

    assert shows_through(sequence("open", [255, 0, 0, 255]))
    assert not shows_through(sequence("solid", [255] * 4))


@pytest.mark.parametrize("speed", ["1", "2", "-1", "0"])
@pytest.mark.parametrize("name", KINDS)
def test_pictures_lie_over_others_by_their_alpha(tmp_path: Path, name: str, speed: str) -> None:
    low, over = tmp_path / "low", write_overlay(tmp_path / name, [100] * 24, grey=200)
    low.mkdir()
    under = write_overlay(low / "animation.mov", [255] * 24, grey=40)
    segments = [
        Segment(path=under, at_s=Fraction(0), duration_s=Fraction(1)),
        Segment(
            path=over,
            at_s=Fraction(1, 4),
            duration_s=Fraction(1, 2),
            speed=Fraction(speed),
            transparent=True,
        ),
    ]
    lost: list[object] = []
    frames = list(
        composite_frames(
            segments,
            duration_s=Fraction(1),
            rate=RATE,
            width=64,
            height=32,
            on_lost=lambda segment, error: lost.append(error),
        )
    )
    assert not lost
    assert len(frames) == 24
    for index, frame in enumerate(frames):
        covered = 6 <= index < 18
        # Colours of codecs with 4:2:0 and video range are a few levels off.
        assert abs(float(frame[8:24, 4:28].mean()) - (40 + (200 - 40) * 100 / 255 if covered else 40)) < 4
        assert abs(float(frame[8:24, 36:60].mean()) - (200 if covered else 40)) < 4
