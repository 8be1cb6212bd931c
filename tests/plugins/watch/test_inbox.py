"""The way of a file into the ledger, moment by moment: no worker and no clock, only answers and when they come."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from avlink_watch.events import WatchEvent
from avlink_watch.folder import WatchedFolder
from avlink_watch.layout import layout_of
from avlink_watch.ledger import WatchLedger
from avlink_watch.recipe import Rules, WatchRecipe
from avlink_watch.task import WorkerTask

from avlink import find_recipe
from avlink.core.errors import InputError
from avlink.hooks import load_registry
from avlink.testing import FakeClock

WHOLE = {"doubt": None, "media": [], "missing": []}


class Desk:
    """A folder, and answers to its tasks at times of one's choice: quiet for 5 s, patient for 60, media for 100."""

    def __init__(self, folder: Path, *settings: str, once: bool = False) -> None:
        self.root = folder / "in"
        self.root.mkdir(exist_ok=True)
        recipe = find_recipe(
            "watch",
            WatchRecipe,
            ["ready.quiet_s=5", "ready.patience_s=60", "ready.media_wait_s=100", *settings],
            registry=load_registry(["avlink_watch"]),
        )
        self.told: list[WatchEvent] = []
        self.clock = FakeClock(wall_s=1000)
        self.ledger = WatchLedger(folder / "state.sqlite3")
        rules = Rules(recipe, load_registry(["avlink_fusion", "avlink_post"]))
        self.folder = WatchedFolder(
            layout_of(self.root, recipe), recipe, rules, self.ledger, self.told.append, once=once
        )

    def file(self, name: str, content: bytes = b"x", *, age_ns: int = 0) -> Path:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(10**18 + age_ns, 10**18 + age_ns))
        return path

    def task(self, now: float) -> WorkerTask | None:
        self.clock.advance_to(now)
        self.folder.scan(now)
        return self.folder.next_task(now, self.clock.wall())

    def answer(self, task: WorkerTask | None, now: float, **answer: Any) -> None:
        assert task is not None
        self.clock.advance_to(now)
        self.folder.on_result(task, {**WHOLE, **answer} if task.kind == "inspect" else answer, now, self.clock.wall())

    def fail(self, task: WorkerTask | None, now: float, fault: Any = "file", reason: str = "broken") -> None:
        assert task is not None
        self.clock.advance_to(now)
        self.folder.on_error(task, fault, reason, now, self.clock.wall())

    def take_in(self, now: float, key: str = "key") -> WorkerTask:
        """Look at and fingerprint the next file; the task of working on it."""
        self.answer(self.task(now), now)
        self.answer(self.task(now), now, unfinished=[], key=key)
        task = self.task(now)
        assert task is not None and task.kind == "sonify"
        return task

    @property
    def last(self) -> tuple[str, str]:
        return (self.told[-1].event, self.told[-1].text)


@pytest.fixture
def desk(tmp_path: Path):
    desk = Desk(tmp_path)
    yield desk
    desk.ledger.close()


def made(*outputs: str, **more: Any) -> dict[str, Any]:
    return {"outputs": list(outputs), "failed": [], "transient": False, "counts": {"generated": 1}, **more}


def test_a_file_is_inspected_fingerprinted_and_sonified(desk: Desk) -> None:
    desk.file("a.mp4")
    assert desk.task(0) is None and desk.folder.next_task_in_s(0, wall=1000) == 5
    inspect = desk.task(5)
    assert inspect is not None and inspect.kind == "inspect"
    desk.answer(inspect, 5.1)
    fingerprint = desk.task(5.1)
    assert fingerprint is not None and fingerprint.kind == "fingerprint"
    assert (fingerprint.message["media"], fingerprint.message["check"]) == ([], [])
    desk.answer(fingerprint, 5.2, unfinished=[], key="content")
    work = desk.task(5.2)
    assert work is not None and work.message["base"] == str(desk.root / "AVLink" / "a")
    assert desk.task(5.2) is None
    desk.answer(work, 7.2, **made(str(desk.root / "AVLink" / "a.foley.mp4")))
    assert desk.last == ("done", "done in 7.2 s: AVLink/a.foley.mp4")
    assert desk.folder.is_idle and desk.task(1000) is None


def test_what_changes_while_it_is_inspected_begins_anew(desk: Desk) -> None:
    desk.file("a.mp4")
    desk.task(0)
    inspect = desk.task(5)
    desk.file("a.mp4", b"more")
    assert desk.task(5.5) is None
    desk.answer(inspect, 6)
    assert desk.task(10) is None
    inspect_later = desk.task(10.5)
    assert inspect_later is not None and inspect_later.kind == "inspect"
    desk.answer(inspect_later, 10.5)
    fingerprint = desk.task(10.5)
    desk.file("a.mp4", b"more and more")
    # Not scanned yet, but the content that was fingerprinted is not there any more.
    desk.answer(fingerprint, 11, unfinished=[], key="old")
    assert desk.ledger.work("old") is None and desk.ledger.pending() == 0


def test_what_changes_while_it_is_worked_on_is_taken_up_again(desk: Desk) -> None:
    desk.file("a.mp4")
    desk.task(0)
    work = desk.take_in(5)
    desk.file("a.mp4", b"appended")
    desk.answer(work, 9, **made("x"))
    assert desk.last == ("removed", "it changed while it was worked on, and is taken up again")
    desk.task(10)
    assert desk.task(15) is not None and desk.folder.outcomes.done == 0


def test_what_was_removed_before_its_turn_is_forgotten(desk: Desk) -> None:
    path = desk.file("a.mp4")
    desk.task(0)
    desk.answer(desk.task(5), 5)
    desk.answer(desk.task(5), 5, unfinished=[], key="key")
    path.unlink()
    assert desk.task(6) is None
    assert desk.last == ("removed", "it was removed or changed before its turn")
    assert desk.folder.is_idle
    # Put there again, it is new again.
    desk.file("a.mp4", age_ns=5)
    desk.task(10)
    assert desk.task(15) is not None


def test_the_other_name_of_content_is_worked_on_when_the_first_is_gone(desk: Desk) -> None:
    first = desk.file("a.mp4")
    desk.file("b.mp4")
    desk.task(0)
    for now in (5, 6):
        desk.answer(desk.folder.inbox.next_task(now), now)
        desk.answer(desk.folder.inbox.next_task(now), now, unfinished=[], key="key")
    assert desk.last == ("duplicate", "the same as a.mp4, still to be done")
    first.unlink()
    work = desk.task(7)
    assert work is not None and work.path == "b.mp4"
    desk.answer(work, 8, **made("x"))
    assert desk.told[-1].event == "done" and desk.told[-1].file == "b.mp4"


def test_broken_files_fail_when_patience_ends(desk: Desk) -> None:
    desk.file("a.mp4")
    desk.task(0)
    now, looks = 5.0, 0
    while now < 65:
        desk.fail(desk.task(now), now)
        looks += 1
        now = desk.folder.inbox.tracker.candidates["a.mp4"].next_check_s
        assert desk.last == ("waiting", "not all there yet: broken")
    assert now == 65 and looks < 10
    desk.fail(desk.task(65), 65)
    desk.answer(desk.task(65), 65, unfinished=[], key="rubbish")
    assert desk.last == ("failed", "failed: broken (see AVLink/a.mp4.error.txt)")
    assert "a.mp4 got no sound" in (desk.root / "AVLink" / "a.mp4.error.txt").read_text()
    assert desk.task(100) is None and desk.folder.outcomes.failed == 1


def test_a_file_that_cannot_even_be_named_fails_too(desk: Desk) -> None:
    desk.file("a.mp4")
    desk.task(0)
    desk.fail(desk.task(65), 65, reason="it may not be read")
    desk.fail(desk.task(65), 65, reason="it may not be read")
    assert desk.last[1].startswith("failed: it may not be read")
    assert desk.task(100) is None and desk.folder.is_idle


def test_what_only_may_be_unfinished_is_taken_when_patience_ends(desk: Desk) -> None:
    desk.file("a.ts")
    desk.task(0)
    desk.answer(desk.task(5), 5, doubt="it ends in the middle of a part")
    assert desk.last == ("waiting", "it ends in the middle of a part: more may be to come") and desk.told[-1].quiet
    desk.answer(desk.task(65), 65, doubt="it ends in the middle of a part")
    fingerprint = desk.task(65)
    assert fingerprint is not None and fingerprint.kind == "fingerprint"


def test_trouble_of_the_machine_has_patience_and_attempts(desk: Desk) -> None:
    desk.file("a.mp4")
    desk.task(0)
    for now in (5, 10, 15, 22.5):
        desk.fail(desk.task(now), now, "machine", "the disk does not answer")
    assert desk.last == ("waiting", "the disk does not answer")
    desk.answer(desk.task(40), 40)
    fingerprint = desk.task(40)
    assert fingerprint is not None and fingerprint.kind == "fingerprint"


def test_attempts_at_work_are_counted_and_wait_longer_each_time(desk: Desk) -> None:
    desk.file("a.mp4")
    desk.task(0)
    desk.fail(desk.take_in(5), 6, "machine", "no memory")
    assert desk.last == ("retry", "no memory; trying again in 30 s")
    assert desk.task(35) is None
    desk.answer(desk.task(36), 37, **made(failed=[["a.mp4", "the model failed"]], transient=True))
    assert desk.last == ("retry", "the model failed; trying again in 60 s")
    assert desk.task(96) is None
    desk.fail(desk.task(97), 98, "machine", "no memory")
    assert desk.last[1].startswith("failed: no memory (tried 3 times)")


def test_what_no_file_is_at_fault_for_ends_it(desk: Desk) -> None:
    desk.file("a.mp4")
    desk.task(0)
    with pytest.raises(InputError, match="device 'cuda' is not on this machine"):
        desk.fail(desk.take_in(5), 6, "setup", "device 'cuda' is not on this machine")
    work = desk.ledger.next_work(0)
    assert work is not None and work.attempts == 0


class TestTimelines:
    @pytest.fixture
    def cut(self, desk: Desk) -> Callable[..., None]:
        desk.file("cut.otio")
        desk.task(0)

        def look(now: float, *media: Path, missing: tuple[str, ...] = ()) -> None:
            missed = [[name, "why"] for name in missing]
            desk.answer(desk.task(now), now, media=[str(path) for path in media], missing=missed)

        return look

    def test_media_is_waited_for_and_then_done_without(self, desk: Desk, cut) -> None:
        cut(5, missing=("a.mov", "b.mov"))
        assert desk.last == ("waiting", "waiting up to 100 s for 2 media files: a.mov, b.mov")
        cut(50, missing=("b.mov",))
        assert desk.last == ("waiting", "waiting up to 100 s for 1 media file: b.mov")
        cut(104, missing=("b.mov",))
        assert desk.folder.inbox.tracker.candidates["cut.otio"].stage == "inspect"
        cut(115, missing=("b.mov",))
        desk.answer(desk.task(115), 115, unfinished=[], key="cut without b")
        work = desk.task(115)
        desk.answer(work, 120, **made("cut.foley.otio", failed=[["b", "its media b.mov is missing"]], counts={"g": 2}))
        assert desk.last[1].startswith("failed: 1 of 2 clips got no sound: b: its media b.mov is missing")
        # When it comes at last, the timeline is new again.
        desk.file("B.MOV")
        assert desk.task(130) is None
        desk.task(131)
        assert set(desk.folder.inbox.tracker.candidates) == {"B.MOV", "cut.otio"}

    def test_media_must_be_quiet_and_whole(self, desk: Desk, cut) -> None:
        here, there = desk.file("media/a.mov"), desk.root.parent / "b.mov"
        there.write_bytes(b"b")
        cut(5, here, there)
        assert desk.task(5) is None
        desk.file("media/a.mov", b"growing")
        assert desk.task(10) is None
        fingerprint = desk.task(15)
        assert fingerprint is not None and fingerprint.kind == "fingerprint"
        assert fingerprint.message["media"] == [str(here), str(there)] and fingerprint.message["check"] == [str(here)]
        desk.answer(fingerprint, 16, unfinished=[[str(here), "cut short"]], key=None)
        assert desk.last[1].endswith("for 1 media file: a.mov, which is there in part")
        # Until the end of the wait; then it is fingerprinted as it is.
        cut(110, here, there)
        fingerprint = desk.task(115)
        assert fingerprint is not None and fingerprint.message["check"] == [str(here)]
        desk.answer(fingerprint, 117, unfinished=[[str(here), "cut short"]], key=None)
        fingerprint = desk.task(117)
        assert fingerprint is not None and (fingerprint.kind, fingerprint.message["check"]) == ("fingerprint", [])
        desk.answer(fingerprint, 118, unfinished=[], key="as it is")
        assert desk.ledger.pending() == 1

    def test_media_that_changes_while_it_is_fingerprinted(self, desk: Desk, cut) -> None:
        here = desk.file("media/a.mov")
        cut(5, here)
        desk.task(5)
        fingerprint = desk.task(10)
        desk.file("media/a.mov", b"changed")
        desk.answer(fingerprint, 11, unfinished=[], key="old")
        assert desk.ledger.pending() == 0
        inspect = desk.task(16)
        assert inspect is not None and inspect.kind == "inspect"


def test_a_run_that_ends_waits_no_longer_than_patience_lasts(tmp_path: Path) -> None:
    desk = Desk(tmp_path, once=True)
    desk.file("cut.otio")
    desk.file("late.mp4")
    desk.file("late.mp4.part")
    desk.task(0)
    desk.answer(desk.task(5), 5, missing=[["a.mov", "why"]])
    assert desk.last == ("waiting", "waiting up to 60 s for 1 media file: a.mov")
    assert desk.task(6) is None
    held = [event.text for event in desk.told if event.file == "late.mp4" and event.event == "waiting"]
    assert held == ["a file beside it says that it is still arriving"]
    desk.answer(desk.task(65), 65, missing=[["a.mov", "why"]])
    late = desk.task(66)
    assert late is not None and (late.kind, late.path) == ("inspect", "late.mp4")
    desk.answer(late, 66)
    fingerprint = desk.task(66)
    assert fingerprint is not None and (fingerprint.kind, fingerprint.path) == ("fingerprint", "cut.otio")
    desk.ledger.close()


def test_originals_are_moved_when_that_is_asked_for_and_only_if_they_are_meant(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "done=move")
    desk.file("a.mp4")
    desk.file("cut.otio")
    desk.task(0)
    for name in ("a.mp4", "cut.otio"):
        desk.answer(desk.task(5), 5)
        desk.answer(desk.task(5), 5, unfinished=[], key=name)
    work = desk.task(6)
    desk.file("b.mp4")
    desk.answer(work, 7, **made(str(desk.root / "AVLink" / "x")))
    assert (desk.root / "done" / "a.mp4").exists() and not (desk.root / "a.mp4").exists()
    desk.answer(desk.task(8), 9, **made(str(desk.root / "AVLink" / "y")))
    # Its media is found from where it lies.
    assert (desk.root / "cut.otio").exists()
    # Ended between the work and the move, and another file of that name since: it stays.
    desk.answer(desk.task(20), 20)
    desk.answer(desk.task(20), 20, unfinished=[], key="b.mp4")
    work = desk.task(21)
    assert work is not None and work.work is not None
    desk.ledger.finish(work.work.key, failed=None, outputs=())
    desk.file("b.mp4", b"another")
    desk.folder.outcomes.report_unreported()
    assert desk.last[0] == "done" and (desk.root / "b.mp4").read_bytes() == b"another"
    desk.ledger.close()
