"""Laws of media time: rates as they are meant, times as they are written."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core import clock


@given(st.integers(-(2**40), 2**40), st.sampled_from([24, 25.0, 30, 48000.0, Fraction(30000, 1001)]))
def test_whole_times_are_exact_however_they_are_written(value: int, rate: float | Fraction) -> None:
    exact = Fraction(value) / Fraction(rate)
    assert clock.exact_time(value, rate) == clock.exact_time(float(value), rate) == exact


@given(st.floats(-1e6, 1e6), st.sampled_from([24.0, 25.0, 60.0]))
def test_other_times_are_within_a_millionth_of_a_frame(value: float, rate: float) -> None:
    assert abs(clock.exact_time(value, rate) * Fraction(rate) - Fraction(value)) <= Fraction(1, 1_000_000)


@pytest.mark.parametrize("written, meant", [(23.976, 24), (23.98, 24), (29.97, 30), (59.94, 60), (24000 / 1001, 24)])
def test_literals_of_broadcast_rates_mean_those(written: float, meant: int) -> None:
    assert clock.exact_rate(written) == Fraction(meant * 1000, 1001)


@pytest.mark.parametrize("rate", [0.0, -24.0, float("inf"), float("-inf"), float("nan")])
def test_what_is_no_rate_is_refused_every_time(rate: float) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="frame rate must be"):
            clock.exact_rate(rate)
