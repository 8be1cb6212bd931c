"""The next of several things is worked on while the one before is used, and order and errors are as without."""

from __future__ import annotations

import threading

import pytest

from avlink.core.ahead import one_ahead


def test_results_come_in_order_and_the_next_is_under_way_meanwhile() -> None:
    begun = [threading.Event() for _ in range(4)]
    waited: list[int] = []

    def work(number: int) -> int:
        begun[number].set()
        return number * number

    results = []
    for number, made in one_ahead(work, range(4), on_wait=waited.append):
        results.append((number, made))
        assert waited == list(range(number + 1))
        assert number == 3 or begun[number + 1].wait(10)
        # One ahead, and no more.
        assert not any(event.is_set() for event in begun[number + 2 :])
    assert results == [(0, 0), (1, 1), (2, 4), (3, 9)]
    assert list(one_ahead(work, [])) == []


def test_an_error_comes_where_its_result_would() -> None:
    def work(number: int) -> float:
        return 1 / (2 - number)

    seen = []
    with pytest.raises(ZeroDivisionError):
        for number, _ in one_ahead(work, range(4)):
            seen.append(number)
    assert seen == [0, 1]


def test_work_that_is_not_waited_for_does_not_keep_a_process_alive() -> None:
    hold, before = threading.Event(), set(threading.enumerate())
    for number, _ in one_ahead(lambda number: number and hold.wait(60), [0, 1]):
        assert number == 0
        break
    alive = set(threading.enumerate()) - before
    assert alive and all(thread.daemon for thread in alive)
    hold.set()
