"""Decoded pictures: in order, without holes, and the one that is shown at each moment."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import MediaError
from avlink.media.pictures import decode_pictures

GREYS = [20 + 4 * index for index in range(50)]


@pytest.fixture
def film(make_movie: Callable[..., Path]) -> Path:
    """Two seconds at 25 frames per second, each with a grey level of its own."""
    return make_movie("film.mp4", GREYS, gop=12)


@pytest.mark.parametrize("gop", [1, 12, 60])
@pytest.mark.parametrize(("start", "stop"), [(0, 50), (0, 1), (13, 14), (7, 31), (49, 50)])
def test_the_pictures_of_a_span_are_those_shown_in_it(
    make_movie: Callable[..., Path], gop: int, start: int, stop: int
) -> None:
    path = make_movie("film.mp4", GREYS, gop=gop)
    rate = Fraction(25)
    found = list(decode_pictures(path, start_s=start / rate, stop_s=stop / rate, width=16, height=12))
    assert [picture.begin_s for picture in found] == [index / rate for index in range(start, stop)]
    assert all(before.end_s == after.begin_s for before, after in pairwise(found))
    for index, picture in enumerate(found, start=start):
        assert picture.pixels.shape == (12, 16, 3)
        assert np.abs(picture.pixels.astype(int) - GREYS[index]).max() <= 4


def test_the_first_picture_may_begin_before_the_span(film: Path) -> None:
    first = next(decode_pictures(film, start_s=Fraction(101, 1000), stop_s=Fraction(1), width=16, height=12))
    assert (first.begin_s, first.end_s) == (Fraction(2, 25), Fraction(3, 25))


def test_beyond_the_end_the_last_picture_alone_comes(film: Path) -> None:
    (last,) = decode_pictures(film, start_s=Fraction(5), stop_s=Fraction(6), width=16, height=12)
    assert last.end_s == 2


def test_a_file_without_picture_is_told(tmp_path: Path, make_movie: Callable[..., Path]) -> None:
    with pytest.raises(MediaError, match="in which nothing can be seen"):
        next(
            decode_pictures(
                make_movie("dot.mp4", [1], size=(2, 2)), start_s=Fraction(0), stop_s=Fraction(1), width=8, height=8
            )
        )
