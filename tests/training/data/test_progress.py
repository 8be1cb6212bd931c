from __future__ import annotations

import pytest

from avlink.core.events import Event, StepDone
from avlink.training.data.progress import format_duration, step_counter


def test_steps_are_summed_and_nothing_is_left_at_the_end() -> None:
    told: list[Event] = []
    add = step_counter("latents", 10, told.append)
    for count in (1, 4, 5):
        add(count)
    assert [(event.done, event.total) for event in told if isinstance(event, StepDone)] == [(1, 10), (5, 10), (10, 10)]
    assert isinstance(told[-1], StepDone) and told[-1].note == "0 s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "2 h"),
        (47 * 3600, "47 h"),
        (49 * 3600, "2 days"),
    ],
)
def test_a_duration_is_given_in_the_unit_that_people_would_use(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
