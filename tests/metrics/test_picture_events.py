from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from avlink.metrics.picture_events import frame_difference_events
from avlink.metrics.sync import match_onsets


def switched(times_s, rate, seconds=5):
    """A light that goes on and off by turns, over a little noise."""
    frames = np.random.default_rng(0).normal(90, 2.0, (round(seconds * rate), 18, 32, 3))
    for index, time_s in enumerate(times_s):
        frames[round(time_s * rate) :] += 80 if index % 2 == 0 else -80
    return frames.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("rate", [Fraction(6), Fraction(24), Fraction(30000, 1001)])
def test_sudden_changes_are_dated_within_a_frame(rate):
    times_s = [0.5, 1.5, 2.5, 4.0]
    events = frame_difference_events(switched(times_s, rate), rate)
    assert match_onsets(times_s, events, float(1 / rate) + 1e-6).f1 == 1.0


@pytest.mark.parametrize("frames", [0, 1, 2, 40])
def test_a_still_picture_has_no_events(frames):
    assert len(frame_difference_events(np.full((frames, 18, 32, 3), 70, dtype=np.uint8), 24)) == 0


def test_constant_motion_has_no_events():
    columns = (np.arange(96)[None, None, :] - np.arange(72)[:, None, None]) % 24
    frames = np.broadcast_to((columns * 10)[..., None], (72, 18, 96, 3)).astype(np.uint8)
    assert len(frame_difference_events(frames, 24)) == 0


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="height"):
        frame_difference_events(np.zeros((5, 18, 32), dtype=np.uint8), 24)
