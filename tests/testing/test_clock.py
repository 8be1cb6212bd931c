from __future__ import annotations

import pytest

from avlink.testing import FakeClock


def test_it_stands_still_until_it_is_told_to_go_on() -> None:
    clock = FakeClock(10, wall_s=1000)
    assert (clock(), clock(), clock.wall()) == (10, 10, 1000)
    clock.advance(2.5)
    clock.sleep(0.5)
    clock.advance_to(20)
    assert (clock(), clock.wall()) == (20, 1010)


def test_the_wall_may_be_set_and_time_itself_may_not() -> None:
    clock = FakeClock(10, wall_s=1000)
    clock.set_wall(0)
    clock.advance(1)
    assert (clock(), clock.wall()) == (11, 1)
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a clock goes on: it is at 11 s"):
            clock.advance(wrong)
    assert clock() == 11
