"""The parts that decide: names, patterns, when a file counts as quiet, and what is remembered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from avlink_watch.ledger import WatchLedger
from avlink_watch.recipe import Rules, WatchRecipe, is_recursive, matches
from avlink_watch.scan import (
    FolderGone,
    SeenFile,
    Signature,
    has_unfinished_sibling,
    is_ignored,
    is_open_for_writing,
    list_files,
    read_signature,
)
from avlink_watch.tracker import Candidate, StabilityTracker, media_stable_at
from avlink_watch.watcher import hold_lock
from hypothesis import given
from hypothesis import strategies as st

from avlink import find_recipe
from avlink.core.errors import InputError
from avlink.hooks import load_registry

NEVER_OURS = [
    ".hidden.mp4",
    "._clip.mp4",
    ".clip.mp4.Xa3f9Q",
    ".syncthing.clip.mp4.tmp",
    "~syncthing~clip.mp4.tmp",
    "clip.mp4.part",
    "clip.mp4.crdownload",
    "clip.mp4.filepart",
    "clip.mp4.aria2",
    "clip.!sync",
    "~$cut.otio",
    "Thumbs.db",
    "@eaDir",
    "clip.foley.mp4",
    "CLIP.FOLEY.MP4",
    "clip.foley_t2.wav",
    "clip.mp4.error.txt",
    "cut.stems",
    ".avlink-tmp-0123.mp4",
]


class TestNames:
    @pytest.mark.parametrize(
        ("glob", "fits", "other"),
        [
            ("*.mp4", ["a.mp4", "A b.MP4", ".mp4"], ["x/a.mp4", "a.mp4.part", "amp4"]),
            ("**/*.mp4", ["a.mp4", "x/a.mp4", "x/y/a.mp4"], ["a.mov"]),
            ("day ?/*.mov", ["day 1/a.mov"], ["day 12/a.mov", "a.mov", "day 1/x/a.mov"]),
            ("x/**", ["x/a", "x/y/a"], ["y/a"]),
            ("[!a-c]*.ts", ["d.ts"], ["a.ts"]),
            ("a[1].mp4", ["a1.mp4"], ["a[1].mp4"]),
            ("(1)+.mp4", ["(1)+.mp4"], ["11.mp4"]),
        ],
    )
    def test_patterns(self, glob: str, fits: list[str], other: list[str]) -> None:
        assert all(matches(path, [glob]) for path in fits)
        assert not any(matches(path, [glob]) for path in other)

    def test_what_reaches_below(self) -> None:
        assert is_recursive(["*.mp4", "a/*.mov"]) and is_recursive(["**"]) and not is_recursive(["*.mp4"])

    @pytest.mark.parametrize(
        "name",
        NEVER_OURS,
    )
    def test_names_that_are_never_ours(self, name: str) -> None:
        assert is_ignored(name)

    @pytest.mark.parametrize(
        "name", ["clip.mp4", "foley.mp4", "my.foley clip.mp4", "part.mp4", "tmp.otio", "a.b.c.mov"]
    )
    def test_names_that_are(self, name: str) -> None:
        assert not is_ignored(name)

    def test_a_file_beside_it_says_that_it_arrives(self) -> None:
        assert has_unfinished_sibling("a.mp4", {"a.mp4", "a.mp4.aria2"}) and not has_unfinished_sibling(
            "a.mp4", {"b.mp4.part"}
        )


def seen(path: str, size: int = 1) -> SeenFile:
    return SeenFile(path=path, signature=Signature(size, 0, 0))


class TestTracker:
    def test_a_file_is_due_when_it_was_quiet_and_not_before(self) -> None:
        tracker = StabilityTracker(quiet_s=5, patience_s=60)
        tracker.update([seen("a")], 100)
        assert tracker.due(104.9) is None
        tracker.update([seen("a", 2)], 104.9)
        assert tracker.due(109.8) is None
        found = tracker.due(109.9)
        assert found is not None and found.path == "a"
        tracker.update([], 110)
        assert tracker.due(200) is None

    @given(st.lists(st.floats(0.01, 20), min_size=1, max_size=30), st.floats(0.1, 10), st.floats(0, 100))
    def test_patience_ends_after_its_time_and_with_a_last_look(
        self, waits: list[float], quiet_s: float, patience_s: float
    ) -> None:
        tracker = StabilityTracker(quiet_s=quiet_s, patience_s=patience_s)
        tracker.update([seen("a")], 0)
        candidate, looks = tracker.candidates["a"], 0
        while not tracker.out_of_patience(candidate, candidate.next_check_s):
            looks += 1
            tracker.postpone(candidate, candidate.next_check_s)
        assert candidate.next_check_s == pytest.approx(quiet_s + patience_s)
        assert looks <= 2 + patience_s / quiet_s

    def test_the_one_that_waited_longest_comes_first(self) -> None:
        tracker = StabilityTracker(quiet_s=1, patience_s=1)
        tracker.update([seen("b")], 0)
        tracker.update([seen("a"), seen("b")], 1)
        first = tracker.due(9)
        assert first is not None and first.path == "b"

    def test_media_is_quiet_when_all_of_it_is(self) -> None:
        candidate = Candidate(seen=seen("cut.otio"), since=0, next_check_s=0)
        one, two = Path("one"), Path("two")
        looks = {one: Signature(1, 1, 1), two: Signature(2, 2, 2)}
        assert media_stable_at(candidate, looks, 10, 5) == 15
        assert media_stable_at(candidate, {**looks, two: Signature(3, 2, 2)}, 13, 5) == 18
        assert media_stable_at(candidate, {**looks, two: Signature(3, 2, 2)}, 18, 5) <= 18
        assert media_stable_at(candidate, {}, 20, 5) <= 20


class TestScan:
    def test_only_what_is_wanted_is_listed(self, tmp_path: Path) -> None:
        for name in ("a.mp4", "b.txt", ".c.mp4", "below/d.mp4", "skip/e.mp4", "f.otiod/content.otio", "f.otiod/m.mp4"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"x" * 10)
        os.mkfifo(tmp_path / "pipe.mp4")
        (tmp_path / "nowhere.mp4").symlink_to(tmp_path / "gone")
        (tmp_path / "round").symlink_to(tmp_path)

        def listed(below: bool) -> dict[str, SeenFile]:
            return list_files(
                tmp_path,
                include=lambda path: matches(path, ["**/*.mp4", "**/*.otiod"]),
                recursive=below,
                skip={tmp_path / "skip"},
            ).files

        assert set(listed(False)) == {"a.mp4", "f.otiod"}
        assert set(listed(True)) == {"a.mp4", "f.otiod", "below/d.mp4"}
        assert listed(False)["f.otiod"].signature.size == 20
        before = read_signature(tmp_path / "f.otiod")
        (tmp_path / "f.otiod" / "m.mp4").write_bytes(b"longer than before")
        assert read_signature(tmp_path / "f.otiod") != before

    def test_a_folder_that_is_gone_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(FolderGone, match="is not there"):
            list_files(tmp_path / "gone", include=lambda path: True, recursive=False)

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems have names of text only")
    def test_names_that_are_no_text_are_told(self, tmp_path: Path) -> None:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")).touch()
        found = list_files(tmp_path, include=lambda path: True, recursive=False)
        assert not found.files and "is no Unicode text" in found.problems[0]

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
    def test_a_file_that_is_written_to_is_known(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.touch()
        assert not is_open_for_writing(path)
        with path.open("rb"):
            assert not is_open_for_writing(path)
        with path.open("ab"):
            assert is_open_for_writing(path)
        assert not is_open_for_writing(path) and not is_open_for_writing(tmp_path / "none")


class TestLedger:
    @pytest.fixture
    def ledger(self, tmp_path: Path):
        ledger = WatchLedger(tmp_path / "state.sqlite3")
        yield ledger
        ledger.close()

    def test_content_is_worked_on_once(self, ledger: WatchLedger) -> None:
        assert ledger.register("a", "s1", "key", "r") is None
        copy = ledger.register("b", "s2", "key", "r")
        assert copy is not None and (copy.path, copy.status) == ("a", "queued")
        work = ledger.next_work(0)
        assert work is not None and ledger.begin(work, "b")
        assert ledger.next_work(0) is None and ledger.pending() == 1
        ledger.finish("key", failed=None, outputs=["x"])
        (done,) = ledger.unreported()
        assert (done.status, done.path, done.outputs) == ("done", "b", ("x",))
        ledger.mark_reported("key")
        assert not ledger.unreported() and ledger.pending() == 0
        assert ledger.paths_of("key") == ["a", "b"]

    def test_what_was_begun_is_begun_again_by_the_next_process(self, tmp_path: Path) -> None:
        for starts in range(11):
            ledger = WatchLedger(tmp_path / "state.sqlite3")
            if not starts:
                ledger.register("a", "s", "key", "r")
            work = ledger.next_work(0)
            assert work is not None and work.starts == starts and work.attempts == 0
            # One that ends the process each time is given up in the end.
            assert ledger.begin(work, "a") == (starts < 10)
            ledger.close()

    def test_failures_wait_and_come_again_when_they_are_put_there_again(self, ledger: WatchLedger) -> None:
        ledger.register("a", "s1", "key", "r")
        ledger.postpone("key", "why", not_before=50, counts=True)
        assert ledger.next_work(49) is None and ledger.next_start() == 50
        work = ledger.next_work(50)
        assert work is not None and work.attempts == 1
        ledger.finish("key", failed="why", outputs=())
        same = ledger.register("b", "s9", "key", "r")
        assert same is not None and same.status == "failed"
        assert ledger.register("a", "s2", "key", "r") is None
        assert ledger.pending() == 1
        ledger.finish("key", failed="why", outputs=())
        assert ledger.retry_failed() == 1 and ledger.pending() == 1

    def test_names_of_results_belong_to_one_file(self, ledger: WatchLedger) -> None:
        assert ledger.claim(["shot", "shot.mp4", "shot.mp4.12"], "shot.mp4") == "shot"
        assert ledger.claim(["SHOT", "SHOT.mov", "SHOT.mov.12"], "SHOT.mov") == "SHOT.mov"
        assert ledger.claim(["shot", "shot.mp4", "shot.mp4.12"], "shot.mp4") == "shot"

    def test_timelines_that_wait_are_found_by_what_they_lack(self, ledger: WatchLedger) -> None:
        ledger.register("cut.otio", "s", "key", "r", missing=["file:///x/Take%201.MOV", "b.mov"])
        assert ledger.timelines_missing("take 1.mov") == ["cut.otio"] and ledger.timelines_missing("c.mov") == []
        ledger.register("cut.otio", "s", "key", "r")
        assert ledger.timelines_missing("take 1.mov") == []


def test_a_lock_is_held_by_one_and_by_none_that_died(tmp_path: Path) -> None:
    lock = tmp_path / "in.lock"
    code = f"""
import sys, time
from pathlib import Path
from avlink_watch.watcher import hold_lock
with hold_lock(Path({str(lock)!r}), Path("in")):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=f"in is watched already by process {other.pid}"),
            hold_lock(lock, Path("in")),
        ):
            pass
        other.kill()
    with hold_lock(lock, Path("in")):
        pass


class TestRecipe:
    def test_the_recipe_that_ships_says_every_default(self) -> None:
        import avlink_watch
        import tomli_w

        shipped = Path(avlink_watch.__file__).with_name("watch.toml")
        recipe = find_recipe(shipped, WatchRecipe)
        assert recipe.model_dump() == WatchRecipe().model_dump()
        text = shipped.read_text()
        for key in tomli_w.dumps(WatchRecipe().model_dump(exclude={"rules"}, exclude_none=True)).splitlines():
            assert not key or key in text or key == "media_root = []"

    def test_recipes_of_rules_lie_beside_it(self, tmp_path: Path) -> None:
        (tmp_path / "loud.toml").write_text('format = 1\nkind = "sonify"\nextends = "foley"\n[run]\nseed = 7\n')
        mine = tmp_path / "mine.toml"
        mine.write_text(
            'format = 1\nkind = "watch"\n[[rules]]\nglob = "x*"\nignore = true\n'
            '[[rules]]\nglob = "*.mov"\nrecipe = "loud.toml"\nset = { run.takes = 3 }\n'
        )
        rules = Rules(find_recipe(mine, WatchRecipe), load_registry(["avlink_fusion", "avlink_post"]))
        rule = rules.find("a.mov")
        assert rule is not None and rule.values is not None and rule.label == str(tmp_path / "loud.toml")
        assert rule.values["run"] == {"seed": 7, "takes": 3}
        assert rules.find("x.mov") is None and rules.find("a.mp4") is None
