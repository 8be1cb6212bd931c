"""Drop-frame or not, by where a timeline starts: people start at whole seconds of their own count."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.timeline.timecode import can_drop, frames_of_timecode, starts_in_drop_frame, timecode_of_frames

NTSC, TWICE = Fraction(30000, 1001), Fraction(60000, 1001)
rates = st.sampled_from([NTSC, TWICE])


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), rates)
def test_whole_seconds_of_drop_frame_are_drop_frame(hour: int, minute: int, second: int, rate: Fraction) -> None:
    # The first second of nine minutes in ten has no frame 00.
    second = 1 if second == 0 and minute % 10 else second
    frames = frames_of_timecode(f"{hour:02}:{minute:02}:{second:02};00", rate)
    assert starts_in_drop_frame(frames / rate, rate) is (frames > 0)


@given(st.integers(1, 86399), rates)
def test_whole_seconds_of_the_other_count_are_not_unless_they_are_in_both(second: int, rate: Fraction) -> None:
    frames = second * round(rate)
    in_both = timecode_of_frames(frames, rate, drop=True).endswith(";00")
    assert starts_in_drop_frame(frames / rate, rate) is in_both


@pytest.mark.parametrize(
    ("frames", "rate", "drop"),
    [
        (107892, NTSC, True),
        (108000, NTSC, False),
        (107842, NTSC, True),
        (539460, NTSC, True),
        (0, NTSC, False),
        (215784, TWICE, True),
        (216000, TWICE, False),
        (86400, Fraction(24000, 1001), False),
        (90000, Fraction(25), False),
    ],
)
def test_starts_of_real_projects(frames: int, rate: Fraction, drop: bool) -> None:
    assert starts_in_drop_frame(frames / rate, rate) is drop
    assert can_drop(rate) or not drop
