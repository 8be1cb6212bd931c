"""The next batch is decoded while one is generated, and a run is as without: its order, its errors, what is kept."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from avlink.core.errors import OutputError
from avlink.core.events import Event, JobDone, JobStarted
from avlink.core.recipe import SonifyRecipe
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.media.frames import open_frames
from avlink.session import Session


@pytest.fixture
def one_by_one(recipe: SonifyRecipe) -> SonifyRecipe:
    """A recipe with one clip in each batch."""
    return recipe.model_copy(update={"run": recipe.run.model_copy(update={"max_batch_s": 0.01})})


def test_a_clip_is_done_before_the_next_is_told(
    session: Session, one_by_one: SonifyRecipe, cut: Path, told: list[Event]
) -> None:
    sonify(SonifyRequest(input=cut, recipe=one_by_one, device="cpu"), session)
    steps = [(type(event), event.job_id) for event in told if isinstance(event, (JobStarted, JobDone))]
    assert len(steps) == 6
    for (begun, first), (done, second) in zip(steps[::2], steps[1::2], strict=True):
        assert (begun, done) == (JobStarted, JobDone) and first == second


def test_a_disk_that_fills_while_a_batch_is_decoded_ends_the_run_with_the_batches_before_it(
    session: Session, one_by_one: SonifyRecipe, cut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def until_full(*arguments: Any, **named: Any) -> Any:
        threads.append(threading.current_thread())
        if len(threads) == 3:
            raise OutputError("the disk of temporary files is full")
        return open_frames(*arguments, **named)

    monkeypatch.setattr("avlink.edit.sonify.open_frames", until_full)
    with pytest.raises(OutputError, match="temporary files is full"):
        sonify(SonifyRequest(input=cut, recipe=one_by_one, device="cpu"), session)
    # All but the first are decoded beside the work on the one before.
    assert [thread is threading.main_thread() for thread in threads] == [True, False, False]
    assert len([*(cut.parent / "cut.stems").glob("*.wav")]) == 2
    monkeypatch.undo()
    report = sonify(SonifyRequest(input=cut, recipe=one_by_one, device="cpu"), session)
    assert (report.counts["cached"], report.counts["generated"]) == (2, 1)
