"""Laws of media time: rates as they are meant, times as they are written."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core import clock
from avlink.core.clock import exact_number, exact_time


@given(st.integers(-(2**40), 2**40), st.sampled_from([24, 25.0, 30, 48000.0, Fraction(30000, 1001)]))
def test_whole_times_are_exact_however_they_are_written(value: int, rate: float | Fraction) -> None:
    exact = Fraction(value) / Fraction(rate)
    assert clock.exact_time(value, rate) == clock.exact_time(float(value), rate) == exact


@given(st.floats(-1e6, 1e6), st.sampled_from([24.0, 25.0, 60.0]))
def test_other_times_are_within_a_millionth_of_a_frame(value: float, rate: float) -> None:
    assert abs(clock.exact_time(value, rate) * Fraction(rate) - Fraction(value)) <= Fraction(1, 1_000_000)


@given(st.fractions(-(10**6), 10**6), st.sampled_from([24, 48000, Fraction(24000, 1001)]))
def test_an_index_is_the_nearest_one_and_halves_go_up(time_s: Fraction, rate: int | Fraction) -> None:
    index = clock.to_index(time_s, rate)
    assert -Fraction(1, 2) < index - time_s * rate <= Fraction(1, 2)


def test_an_index_is_an_integer_of_any_numbers() -> None:
    for time_s in (Fraction(3, 2), 1.5, np.float64(1.5)):
        for rate in (48000, 48000.0, np.int64(48000), np.int32(48000), Fraction(48000)):
            index = clock.to_index(time_s, rate)
            assert type(index) is int and index == 72000
    assert [clock.to_index(Fraction(half, 2), 1) for half in (-3, -1, 1, 3)] == [-1, 0, 1, 2]


@pytest.mark.parametrize("written, meant", [(23.976, 24), (23.98, 24), (29.97, 30), (59.94, 60), (24000 / 1001, 24)])
def test_literals_of_broadcast_rates_mean_those(written: float, meant: int) -> None:
    assert clock.exact_rate(written) == Fraction(meant * 1000, 1001)


@pytest.mark.parametrize("rate", [0.0, -24.0, float("inf"), float("-inf"), float("nan")])
def test_what_is_no_rate_is_refused_every_time(rate: float) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="frame rate must be"):
            clock.exact_rate(rate)


@pytest.mark.parametrize(
    "text, value",
    [
        ("25", Fraction(25)),
        (" -0.5 ", Fraction(-1, 2)),
        ("30000/1001", Fraction(30000, 1001)),
        ("1e3", Fraction(1000)),
        ("2.5E-3", Fraction(1, 400)),
        (".5", Fraction(1, 2)),
        ("5.", Fraction(5)),
    ],
)
def test_numbers_are_read_exactly(text: str, value: Fraction) -> None:
    assert exact_number(text) == value


@pytest.mark.parametrize(
    "text", ["", "x", "1e999999999", "9" * 41, "1/0", "1/2/3", "1e", "nan", "inf", "1_000", "٣", "1e3/2", "0x10", "."]
)
def test_what_is_no_number_of_a_file_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        exact_number(text)


def test_parts_of_a_frame_are_exact_where_they_are_simple() -> None:
    for part in (Fraction(1, 3), Fraction(1, 7), Fraction(3, 80), Fraction(1, 1000), Fraction(100, 147147)):
        assert exact_time(float(part), 1) == part
        assert exact_time(float(1000 + part), 24) == (1000 + part) / 24


def test_sums_of_any_fractions_stay_short() -> None:
    total = sum((exact_time(1 + number / 9973, 24) for number in range(1, 3000)), Fraction(0))
    assert total.denominator < 10**13
    assert abs(float(total) - sum(1 + number / 9973 for number in range(1, 3000)) / 24) < 1e-6
