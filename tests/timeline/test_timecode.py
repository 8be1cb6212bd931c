"""Timecode round trips, and the time references that sound editors spot by."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.timeline.timecode import frames_of_timecode, nominal_rate, time_reference, timecode_of_frames

NTSC24, NTSC30, NTSC60 = Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)
rates = st.sampled_from([Fraction(24), Fraction(25), Fraction(30), NTSC24, NTSC30, NTSC60, Fraction(50)])


@given(rates, st.booleans(), st.integers(0, 24 * 3600 * 23))
def test_a_frame_survives_its_timecode(rate: Fraction, drop: bool, frames: int) -> None:
    assert frames_of_timecode(timecode_of_frames(frames, rate, drop=drop), rate) == frames


@given(st.sampled_from([NTSC30, NTSC60]), st.integers(0, 143), st.integers(0, 9))
def test_drop_frame_skips_the_first_numbers_of_nine_minutes_in_ten(rate: Fraction, tens: int, minute: int) -> None:
    dropped = 4 if rate == NTSC60 else 2
    hours, rest = divmod(tens * 10 + minute, 60)
    first = f"{hours:02}:{rest:02}:00;{0 if minute == 0 else dropped:02}"
    frames = frames_of_timecode(first, rate)
    assert timecode_of_frames(frames, rate, drop=True) == first
    if frames:
        assert timecode_of_frames(frames - 1, rate, drop=True).endswith(f":59;{29 if dropped == 2 else 59}")


@pytest.mark.parametrize(
    "start, rate, samples",
    [
        ("01:00:00:00", Fraction(24), 172800000),
        ("01:00:00:00", Fraction(25), 172800000),
        # An hour of timecode at 23.976 lasts 3603.6 s.
        ("01:00:00:00", NTSC24, 172972800),
        ("01:00:00:00", NTSC30, 172972800),
        ("01:00:00;00", NTSC30, 172799827),
        ("00:59:58;10", NTSC30, 172719747),
    ],
)
def test_time_references_are_exact(start: str, rate: Fraction, samples: int) -> None:
    origin_s = frames_of_timecode(start, rate) / rate
    assert time_reference(origin_s, Fraction(0), 48000) == samples
    assert time_reference(origin_s, Fraction(1), 48000) in (samples + 48000, samples + 48001)


@pytest.mark.parametrize("text", ["", "1:2:3", "01:00:00:24", "01:60:00:00", "aa:00:00:00"])
def test_what_is_no_timecode_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no timecode"):
        frames_of_timecode(text, Fraction(24))


@given(st.integers(0, 24 * 3600 * 25 - 1), st.sampled_from([Fraction(24), Fraction(25), Fraction(30), NTSC30, NTSC60]))
def test_timecode_is_otios(frames: int, rate: Fraction) -> None:
    drop = rate.denominator != 1
    time = otio.opentime.RationalTime(frames, float(rate))
    shown = otio.opentime.to_timecode(time, float(rate), drop_frame=drop)
    assert timecode_of_frames(frames, rate, drop=drop) == shown


@pytest.mark.parametrize("rate", [Fraction(12), Fraction(15), Fraction(16), Fraction(100), Fraction(120000, 1001)])
def test_rates_of_no_standard_count_frames_per_nominal_second(rate: Fraction) -> None:
    nominal = nominal_rate(rate)
    assert nominal == round(rate)
    assert timecode_of_frames(10 * nominal, rate) == "00:00:10:00"
    assert timecode_of_frames(12 * nominal + 1, rate) == "00:00:12:01"
