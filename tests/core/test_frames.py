"""Frame sources: what was spooled is read, and another rate repeats or drops frames without blending."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.frames import AT_MIDDLE, AT_START, ResampledFrames, SpooledPictures, fit_shorter_side
from avlink.core.values import Frames

rates = st.fractions(min_value=1, max_value=120, max_denominator=1001)


def numbered(count: int, rate: Fraction) -> Frames:
    pixels = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 3), np.uint8)
    return Frames(pixels=pixels, rate=rate)


def shown(frames: ResampledFrames) -> list[int]:
    return frames.read(0, frames.num_frames)[:, 0, 0, 0].tolist()


@given(count=st.integers(1, 60), source=rates, rate=rates, sample_at=st.sampled_from([AT_START, AT_MIDDLE]))
def test_frames_come_in_order_and_are_those_of_their_moment(
    count: int, source: Fraction, rate: Fraction, sample_at: Fraction
) -> None:
    frames = ResampledFrames(numbered(count, source), rate=rate, sample_at=sample_at)
    found = shown(frames)
    assert found == sorted(found) and found[0] >= 0 and found[-1] < count
    for index, number in enumerate(found):
        moment_s = (index + sample_at) / rate
        assert number / source <= moment_s and (moment_s < (number + 1) / source or number == count - 1)


@given(count=st.integers(1, 30), rate=rates)
def test_the_same_rate_changes_nothing(count: int, rate: Fraction) -> None:
    for sample_at in (AT_START, AT_MIDDLE):
        assert shown(ResampledFrames(numbered(count, rate), rate=rate, sample_at=sample_at)) == list(range(count))


@given(count=st.integers(1, 30), edges=st.lists(st.integers(-40, 40), min_size=2, max_size=2))
def test_spans_are_those_of_a_slice(count: int, edges: list[int]) -> None:
    frames = ResampledFrames(numbered(count, Fraction(25)), rate=Fraction(24))
    start, stop = edges
    assert frames.read(start, stop)[:, 0, 0, 0].tolist() == shown(frames)[start:stop]


def test_beyond_its_ends_the_source_is_held() -> None:
    held = ResampledFrames(numbered(2, Fraction(2)), rate=Fraction(2), num_frames=6, first_s=Fraction(-1))
    assert shown(held) == [0, 0, 0, 1, 1, 1]


@given(sizes=st.lists(st.integers(0, 4), max_size=6))
def test_what_was_spooled_is_read(sizes: list[int]) -> None:
    whole = numbered(sum(sizes), Fraction(25)).pixels
    blocks = np.split(whole, np.cumsum(sizes)[:-1]) if sizes else []
    spooled = SpooledPictures(blocks, rate=Fraction(25), height=2, width=3)
    assert spooled.num_frames == len(whole)
    assert np.array_equal(spooled.read(0, spooled.num_frames), whole)
    assert np.array_equal(spooled.read(1, -1), whole[1:-1])


@pytest.mark.parametrize(
    ("size", "side", "fitted"),
    [
        ((1920, 1080), 270, (480, 270)),
        ((1080, 1920), 270, (270, 480)),
        ((64, 36), 100, (64, 36)),
        ((1000, 1), 9, (1000, 1)),
    ],
)
def test_the_shorter_side_fits(size: tuple[int, int], side: int, fitted: tuple[int, int]) -> None:
    assert fit_shorter_side(*size, side) == fitted
