"""The rules of a study by themselves: who sees what, which order, how many raters, what may be answered when."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from avlink_study.database import VERSION, StudyDatabase
from avlink_study.plan import StudyPair, draw_pairs, is_flipped, order_for
from avlink_study.questions import QUESTIONS
from avlink_study.rating import Rating, RatingRefused
from avlink_study.table import tabulate
from avlink_study.votes import read_votes

from avlink.core.errors import InputError
from avlink.testing import FakeClock


def whole(rating: Rating, clock: FakeClock, rater: int, choose: Any = lambda trial: "left") -> Any:
    """Rate the pair that the rater is at; the trial, or None if nothing is left."""
    trial = rating.current(rater)
    if trial is None:
        return None
    clock.advance(3)
    for side in ("left", "right"):
        rating.played(rater, trial.place, side)
    for question in rating.plan.questions:
        rating.answer(rater, trial.place, question.name, choose(trial))
    return rating.close(rater, trial.place)


def test_the_paper_asks_four_questions_of_each_task_and_five_in_all() -> None:
    names = {task: [question.name for question in asked] for task, asked in QUESTIONS.items()}
    shared = ["audio_video_quality", "semantic_alignment", "temporal_alignment"]
    assert names == {
        "v2a": ["audio_quality", *shared],
        "a2v": ["video_quality", *shared],
        "av": ["audio_quality", "video_quality", *shared],
    }


@pytest.mark.parametrize("seed", range(2))
def test_no_pair_has_more_raters_than_wanted_and_all_get_them_whoever_comes_when(
    tmp_path: Path, kit: Any, seed: int
) -> None:
    clock, chance = FakeClock(), random.Random(seed)
    rating = kit.rating(tmp_path / "study.db", kit.plan(methods=3, clips=5), clock, raters=3)
    raters = [rating.join()[0] for _ in range(7)]
    seen: dict[int, list[int]] = {rater: [] for rater in raters}
    waiting = set(raters)
    while waiting:
        rater = chance.choice(sorted(waiting))
        if chance.random() < 0.2:
            # Somebody looks at a pair and goes away, for good or for a while.
            rating.current(rater)
            clock.advance(chance.choice([1, 700]))
            continue
        trial = whole(rating, clock, rater)
        if trial is None:
            clock.advance(700)
            if rating.current(rater) is None:
                waiting.discard(rater)
        else:
            seen[rater].append(trial.pair)
    assert all(len(set(pairs)) == len(pairs) for pairs in seen.values())
    assert Counter(pair for pairs in seen.values() for pair in pairs) == dict.fromkeys(range(10), 3)
    assert rating.progress(raters[0]).answered == rating.progress(raters[0]).wanted == 30


def test_order_and_sides_are_drawn_for_each_rater_from_a_seed_that_is_kept(tmp_path: Path, kit: Any) -> None:
    plan = kit.plan(clips=40)
    orders = []
    for name in ("a.db", "b.db"):
        clock = FakeClock()
        rating = kit.rating(tmp_path / name, plan, clock)
        raters = [rating.join()[0] for _ in range(3)]
        orders.append([[whole(rating, clock, rater) for _ in range(3)] for rater in raters])
    first, second = ([[(one.pair, one.clips) for one in of] for of in order] for order in orders)
    assert first == second
    assert len({tuple(pair for pair, _ in of) for of in first}) == 3
    for (seed,) in StudyDatabase(tmp_path / "a.db").rows("SELECT seed FROM raters"):
        assert sorted(order_for(seed, 40)) == list(range(40))
    flips = [is_flipped(seed, pair) for seed in range(100) for pair in range(40)]
    assert sum(flips) / 4000 == pytest.approx(0.5, abs=0.03)
    database = StudyDatabase(tmp_path / "a.db")
    kept = database.rows("SELECT r.seed, s.pair, s.flipped FROM showings s JOIN raters r ON r.number = s.rater")
    assert all(bool(flipped) == is_flipped(seed, pair) for seed, pair, flipped in kept)


def test_nothing_can_be_answered_before_both_were_played_and_playing_takes_its_time(tmp_path: Path, kit: Any) -> None:
    clock = FakeClock()
    rating = kit.rating(tmp_path / "study.db", kit.plan(), clock)
    rater, _ = rating.join()
    place = rating.current(rater).place
    with pytest.raises(RatingRefused, match="to their ends first"):
        rating.answer(rater, place, "audio_quality", "left")
    clock.advance(1)
    assert rating.played(rater, place, "left").played == {"left": True, "right": False}
    clock.advance(0.2)
    with pytest.raises(RatingRefused) as refused:
        rating.played(rater, place, "right")
    assert refused.value.code == "too_soon"
    clock.advance(0.8)
    rating.played(rater, place, "right")
    for question, choice in (("audio_quality", "none"), ("audio_quality", "up"), ("video_quality", "left")):
        with pytest.raises(RatingRefused, match="no such question or answer"):
            rating.answer(rater, place, question, choice)
    rating.answer(rater, place, "audio_quality", "left")
    with pytest.raises(RatingRefused, match="not all questions"):
        rating.close(rater, place)
    assert rating.answer(rater, place, "audio_quality", "right").answers == {"audio_quality": "right"}


def test_a_pair_that_is_left_alone_goes_to_others_but_never_one_that_was_answered_in_part(
    tmp_path: Path, kit: Any
) -> None:
    clock = FakeClock()
    rating = kit.rating(tmp_path / "study.db", kit.plan(clips=1), clock, raters=1, lease_s=100)
    idle, quick = rating.join()[0], rating.join()[0]
    place = rating.current(idle).place
    assert rating.current(quick) is None
    clock.advance(101)
    assert rating.current(quick) is not None
    clock.advance(1)
    for side in ("left", "right"):
        rating.played(idle, place, side)
    with pytest.raises(RatingRefused, match="others have answered"):
        rating.answer(idle, place, "audio_quality", "left")
    assert rating.current(idle) is None
    clock.advance(101)
    # Now the other one was away for long, and the pair is free again; whoever answers first has it for good.
    back = rating.current(idle)
    assert back is not None and back.place != place
    clock.advance(3)
    for side in ("left", "right"):
        rating.played(idle, back.place, side)
    rating.answer(idle, back.place, "audio_quality", "left")
    clock.advance(10_000)
    assert rating.current(quick) is None
    assert rating.current(idle).answers == {"audio_quality": "left"}


def test_a_clip_that_cannot_be_played_is_left_out_and_asked_of_somebody_else(tmp_path: Path, kit: Any) -> None:
    clock = FakeClock()
    rating = kit.rating(tmp_path / "study.db", kit.plan(clips=1), clock, raters=1)
    first, second = rating.join()[0], rating.join()[0]
    place = rating.current(first).place
    with pytest.raises(RatingRefused):
        rating.close(first, place)
    rating.trouble(first, place, "left: no decoder")
    rating.close(first, place)
    assert rating.current(first) is None
    assert whole(rating, clock, second) is not None


def test_votes_are_for_methods_whatever_side_they_were_on(tmp_path: Path, kit: Any) -> None:
    clock = FakeClock()
    rating = kit.rating(tmp_path / "study.db", kit.plan(clips=8, no_preference=True), clock)
    for choose in (
        lambda trial: next(side for side, (method, _) in trial.clips.items() if method == 0),
        lambda trial: "left",
        lambda trial: "none",
    ):
        rater, _ = rating.join()
        while whole(rating, clock, rater, choose) is not None:
            pass
    votes = read_votes(StudyDatabase(tmp_path / "study.db"))
    assert {vote.preferred for vote in votes if vote.rater == 1} == {"first"}
    assert {vote.was_left for vote in votes if vote.rater == 2} == {True}
    assert {vote.preferred for vote in votes if vote.rater == 3} == {"neither"}
    results = tabulate(votes, rating.plan.questions, clusters="clips", seed=1)
    ours_left = sum(vote.left == "first" for vote in votes if vote.rater == 1) // 4
    assert results.left == (8 + ours_left, 16)
    assert [cell.question for cell in results.cells] == [question.name for question in rating.plan.questions]
    for cell in results.cells:
        assert (cell.answers, cell.neither, cell.clips, cell.raters) == (24, 8, 8, 3)
        assert cell.share == (cell.for_first + 4) / 24
        assert cell.interval[0] <= cell.wilson[0] < cell.share < cell.wilson[1] <= cell.interval[1]


def test_one_mind_everywhere_has_an_interval_all_the_same(kit: Any) -> None:
    votes = [kit.vote(f"clip{clip}", rater, "first") for clip in range(10) for rater in range(3)]
    [cell] = tabulate(votes, QUESTIONS["v2a"], clusters="clips", seed=1).cells
    assert cell.resampled == (1.0, 1.0)
    assert cell.interval == (pytest.approx(30 / (30 + 1.959964**2)), 1.0)
    assert cell.p_clips == 2**-9
    assert cell.p_votes == 2**-29


def test_a_clip_counts_once_in_the_sign_test_and_a_draw_not_at_all(kit: Any) -> None:
    sides = {"a": ("first", "first", "second"), "b": ("first", "second"), "c": ("second", "neither"), "d": ("first",)}
    votes = [kit.vote(stem, rater, choice) for stem, of in sides.items() for rater, choice in enumerate(of)]
    [cell] = tabulate(votes, QUESTIONS["v2a"], clusters="clips", seed=1).cells
    assert (cell.for_first, cell.for_second, cell.neither) == (4, 3, 1)
    assert cell.p_clips == 1.0  # two clips for the first, one for the second, one draw
    assert cell.share == 4.5 / 8


def test_pairs_are_drawn_over_the_same_clips_and_what_is_alone_is_named() -> None:
    everything = frozenset(f"clip{number:02}" for number in range(30))
    stems = {"ours": everything, "a": everything | {"more"}, "b": everything - {"clip07"}}
    drawn = draw_pairs(stems, compare="first", samples=10, seed=3)
    of_a, of_b = ({pair.stem for pair in drawn.pairs if pair.second == number} for number in (1, 2))
    assert len(of_a) == len(of_b) == 10
    assert len(of_a & of_b) >= 9
    assert drawn.alone == {0: ("clip07",), 1: ("more",)}
    assert draw_pairs(stems, compare="first", samples=10, seed=3) == drawn
    assert {pair.stem for pair in draw_pairs(stems, compare="first", samples=10, seed=4).pairs if pair.second == 1} != (
        of_a
    )
    every = draw_pairs(stems, compare="all", samples=None, seed=3).pairs
    assert Counter((pair.first, pair.second) for pair in every) == {(0, 1): 30, (0, 2): 29, (1, 2): 29}
    with pytest.raises(InputError, match="'ours' and 'b' have no file name in common"):
        draw_pairs({"ours": frozenset("x"), "b": frozenset("y")}, compare="first", samples=None, seed=1)


def test_answers_are_never_mixed_with_those_to_another_study(tmp_path: Path, kit: Any) -> None:
    path, clock = tmp_path / "study.db", FakeClock()
    rating = kit.rating(path, kit.plan(), clock)
    rater, key = rating.join()
    # Nothing was answered yet, so anything may change.
    rating = kit.rating(path, kit.plan(seed=7), clock)
    whole(rating, clock, rater)
    for other, said in (
        (kit.plan(), "its seed is 7, not 1"),
        (kit.plan(seed=7, methods=3), "it compares method0 and method1, not method0, method1 and method2"),
        (kit.plan(seed=7, no_preference=True), "no_preference is false in it"),
        (kit.plan(seed=7, clips=5), "it is about 4 pairs, of which 0 are missing now and 1 are new"),
    ):
        with pytest.raises(InputError, match=said):
            kit.rating(path, other, clock)
    changed = kit.plan(seed=7)
    changed.clips[1, "clip2"] = changed.clips[0, "clip2"]  # type: ignore[index]
    with pytest.raises(InputError, match="'clip2' of method 'method1' has another content now"):
        kit.rating(path, changed, clock)
    again = kit.rating(path, kit.plan(seed=7), clock, raters=9)
    assert again.rater(key) == rater
    assert again.progress(rater).done == 1
    assert StudyDatabase(path).plan() == kit.plan(seed=7)


def test_files_that_are_no_study_stay_as_they_are(tmp_path: Path, kit: Any) -> None:
    text, foreign, newer = tmp_path / "text.db", tmp_path / "foreign.db", tmp_path / "newer.db"
    text.write_text("this is no database, however long it may go on: " * 40)
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    kit.rating(newer, kit.plan(), FakeClock())
    with sqlite3.connect(newer) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    for path, said in ((text, "is no study"), (foreign, "is no study"), (newer, "by a newer AVLink")):
        before = path.read_bytes()
        with pytest.raises(InputError, match=said):
            StudyDatabase(path)
        assert path.read_bytes() == before
    with pytest.raises(InputError, match="there is no study in"):
        StudyDatabase(tmp_path / "none.db", create=False)
    assert not (tmp_path / "none.db").exists()


def test_pairs_have_an_order() -> None:
    assert sorted([StudyPair(0, 2, "a"), StudyPair(0, 1, "b"), StudyPair(0, 1, "a")]) == [
        StudyPair(0, 1, "a"),
        StudyPair(0, 1, "b"),
        StudyPair(0, 2, "a"),
    ]
