from __future__ import annotations

import io

import pytest

from avlink.cli.console import PlainListener, progress, show
from avlink.core.answer import Grid
from avlink.core.events import Event, JobDone, JobFailed, JobStarted, Message, PlanReady, StepDone


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


EVENTS: list[Event] = [
    PlanReady(jobs=2, cached=1),
    JobStarted(job_id="a", name="door [V1]"),
    *(StepDone(job_id="a", done=step, total=50, note="loss 0.1") for step in range(1, 51)),
    JobDone(job_id="a", name="door [V1]"),
    Message(text="no media for x.mov", level="warning"),
    JobStarted(job_id="b", name="steps"),
    JobFailed(job_id="b", name="steps", reason="steps.mov ends early"),
]


def test_plain_lines_name_what_begins_ends_and_fails() -> None:
    stream = io.StringIO()
    with progress(stream) as tell:
        assert isinstance(tell, PlainListener)
        for event in EVENTS:
            tell(event)
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["2 to do, 1 in the cache", "[1/2] door [V1]"]
    assert lines[2] == "  door [V1]: 5/50  loss 0.1"
    assert sum("/50" in line for line in lines) == 9
    assert lines[-4:] == [
        "door [V1]: done",
        "warning: no media for x.mov",
        "[2/2] steps",
        "steps: failed: steps.mov ends early",
    ]


def test_a_terminal_gets_bars_and_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with progress(stream) as tell:
        for event in EVENTS:
            tell(event)
    said = stream.getvalue()
    assert "door [V1]: done" in said
    assert "steps: failed: steps.mov ends early" in said
    assert "2/2" in said


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_tables_hold_every_cell(stream: io.StringIO) -> None:
    show([Grid(heads=("clip", "status"), rows=[("door [V1]", "done"), ("x", "failed")]), "that is all"], stream)
    said = stream.getvalue()
    for word in ("clip", "status", "door [V1]", "done", "failed", "that is all"):
        assert word in said
