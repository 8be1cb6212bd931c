"""Pictures for an edit: at another rate they change on time, and files hold exactly what was put in."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.errors import MediaError
from avlink.core.frames import AT_MIDDLE, ResampledFrames, SpooledPictures
from avlink.core.values import Frames
from avlink.media.frame_file import FrameFile, write_frames
from avlink.media.movie import (
    MOTION_JPEG,
    PRORES,
    Encoding,
    intermediate_encoding,
    supports_timecode,
    write_intermediate,
)
from avlink.media.probe import probe

RATES = (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(15), Fraction(60000, 1001))


def numbered(count: int, rate: Fraction = Fraction(6)) -> Frames:
    """Small frames whose grey is their number."""
    pixels = np.zeros((count, 4, 6, 3), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    return Frames(pixels=pixels, rate=rate)


@given(
    count=st.integers(1, 40),
    rate=st.sampled_from(RATES),
    first_s=st.fractions(-1, 1, max_denominator=48000),
    num_frames=st.integers(1, 200),
)
def test_each_frame_shows_what_is_seen_in_its_middle(
    count: int, rate: Fraction, first_s: Fraction, num_frames: int
) -> None:
    held = ResampledFrames(numbered(count), rate=rate, num_frames=num_frames, first_s=first_s, sample_at=AT_MIDDLE)
    shown = held.read(0, num_frames)[:, 0, 0, 0].astype(int)
    assert held.num_frames == len(shown) == num_frames
    for index, number in enumerate(shown):
        middle_s = first_s + (index + Fraction(1, 2)) / rate
        # The first and the last stand still beyond their ends.
        assert number == 0 or Fraction(int(number), 6) <= middle_s
        assert number == count - 1 or middle_s < Fraction(int(number) + 1, 6)
    for start in range(0, num_frames, 7):
        np.testing.assert_array_equal(held.read(start, start + 5)[:, 0, 0, 0], shown[start : start + 5])


@pytest.mark.parametrize("rate", RATES)
def test_a_picture_begins_on_the_frame_that_is_nearest_to_its_time(rate: Fraction) -> None:
    held = ResampledFrames(numbered(12), rate=rate, num_frames=ceil(2 * rate), sample_at=AT_MIDDLE)
    shown = held.read(0, held.num_frames)[:, 0, 0, 0]
    for number in range(1, 12):
        first = int(np.flatnonzero(shown == number)[0])
        assert abs(first / rate - Fraction(number, 6)) <= 1 / (2 * rate)


@pytest.mark.parametrize("encoding", [PRORES, MOTION_JPEG], ids=lambda one: one.codec)
@pytest.mark.parametrize("rate", RATES)
def test_a_file_has_exactly_the_frames_rate_size_and_timecode(
    tmp_path: Path, rate: Fraction, encoding: Encoding
) -> None:
    pixels = np.random.default_rng(0).integers(30, 220, (9, 5, 7, 3), dtype=np.uint8)
    frames = Frames(pixels=np.repeat(pixels, 3, axis=0), rate=rate)
    path = tmp_path / "picture.mov"
    write_intermediate(path, frames, encoding=encoding, scale=8, timecode="01:00:00:10")
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        decoded = list(container.decode(stream))
        assert stream.average_rate == rate and stream.frames == len(decoded) == 27
        assert [frame.pts * frame.time_base for frame in decoded] == [index / rate for index in range(27)]
        assert all(frame.key_frame for frame in decoded)
        assert (stream.width, stream.height) == (56, 40)
        assert stream.codec_context.name == {"prores_ks": "prores"}.get(encoding.codec, encoding.codec)
        seen = np.stack([frame.to_ndarray(format="rgb24") for frame in decoded])
    # The middle of each square: chroma at half the width is blurred at their edges.
    # Motion JPEG carries no mark of its colour matrix, so only its greys are sure.
    middles = seen[:, 4::8, 3::8].astype(int)
    if encoding is PRORES:
        assert np.abs(middles - frames.pixels).mean() < 4
    else:
        assert np.corrcoef(middles.mean(axis=-1).ravel(), frames.pixels.mean(axis=-1).ravel())[0, 1] > 0.97
    info = probe(path)
    assert info.video is not None and info.duration_s == 27 / rate
    assert info.video.timecode == "01:00:00:10"


def test_equal_pictures_give_equal_bytes_and_the_encoder_is_free(tmp_path: Path) -> None:
    assert intermediate_encoding() in (PRORES, MOTION_JPEG)
    for name in ("a.mov", "b.mov"):
        write_intermediate(tmp_path / name, numbered(6), encoding=PRORES, scale=4, timecode=None)
    assert (tmp_path / "a.mov").read_bytes() == (tmp_path / "b.mov").read_bytes()


def test_timecode_needs_a_rate_that_has_one() -> None:
    assert all(supports_timecode(rate) for rate in RATES)
    assert not supports_timecode(Fraction(25, 2))


def test_frames_on_the_disk_come_back_a_stretch_at_a_time(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (150, 4, 6, 3), dtype=np.uint8)
    spooled = SpooledPictures(np.array_split(pixels, 7), rate=Fraction(6), height=4, width=6)
    path = tmp_path / "frames.npy"
    write_frames(path, spooled)
    np.testing.assert_array_equal(np.load(path), pixels)
    kept = FrameFile(path, rate=Fraction(6))
    assert (kept.num_frames, kept.height, kept.width) == (spooled.num_frames, 4, 6) == (150, 4, 6)
    for start, stop in ((0, 150), (149, 150), (60, 70), (150, 160), (7, 3)):
        for frames in (kept, spooled):
            np.testing.assert_array_equal(frames.read(start, stop), pixels[start:stop])
    path.unlink()
    np.testing.assert_array_equal(kept.read(3, 5), pixels[3:5])


@pytest.mark.parametrize("content", [b"", b"no array", np.lib.format.magic(1, 0)])
def test_a_file_of_something_else_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(MediaError, match="holds no frames"):
        FrameFile(tmp_path / "x.npy", rate=Fraction(6))
    np.save(tmp_path / "y.npy", np.zeros((2, 3)))
    with pytest.raises(MediaError, match="holds no frames"):
        FrameFile(tmp_path / "y.npy", rate=Fraction(6))
