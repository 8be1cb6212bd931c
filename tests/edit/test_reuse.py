"""Which sounds are found again for other cuts of the same media, and that finding them takes no longer for many."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from avlink.core.hashing import digest
from avlink.core.store import Store
from avlink.core.values import Prompt
from avlink.edit import reuse
from avlink.edit.reuse import remember, with_made_sounds
from avlink.timeline.values import ClipRef, Job, Plan, Source

ZERO = Fraction(0)


class CountingStore(Store):
    """Notes what was read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []

    def get_text(self, key: str) -> str | None:
        self.read.append(key)
        return super().get_text(key)


def job(start_s: Fraction, duration_s: Fraction, *, speed: Fraction = Fraction(1), family: str = "a") -> Job:
    clip = ClipRef(
        id="id",
        name="shot",
        track="V1",
        layer=0,
        timeline_start_s=ZERO,
        timeline_duration_s=duration_s / abs(speed),
        source_start_s=start_s,
        media=(),
        speed=speed,
    )
    source = Source(clip=clip, path=Path("a.mp4"), digest="d", start_s=start_s, duration_s=duration_s, speed=speed)
    return Job(
        id="id",
        source=source,
        take=1,
        prompt=Prompt(text=""),
        seed=hash((start_s, duration_s)) % 1000,
        raw_key=digest(["raw", str(start_s), str(duration_s), str(speed), family]),
        family_key=digest(["family", str(speed), family]),
        finish_key="f",
        stem_name="shot",
        head_s=ZERO,
        tail_s=ZERO,
    )


def make(one: Job, store: Store) -> Job:
    store.put_file(one.raw_key, ".wav", lambda path: path.touch())
    remember(one, "an earlier plan", store)
    return one


def spans(dice: random.Random, count: int) -> list[tuple[Fraction, Fraction]]:
    """Stretches of any length from a frame to twenty minutes, at frames of a two-hour film."""
    lengths = [Fraction(round(24 * 1200 ** dice.random() * dice.random()) + 1, 24) for _ in range(count)]
    return [(Fraction(dice.randrange(7200 * 24), 24), length) for length in lengths]


@pytest.mark.parametrize("speed", [Fraction(1), Fraction(-2)])
def test_a_cut_within_what_was_made_is_always_found(tmp_path: Path, speed: Fraction) -> None:
    store, dice = Store(tmp_path), random.Random(1)
    made = {one.raw_key: one for one in (make(job(*span, speed=speed), store) for span in spans(dice, 120))}
    found = 0
    for start_s, duration_s in spans(dice, 300):
        asked = job(start_s, duration_s, speed=speed)
        (answer,) = with_made_sounds(Plan(jobs=(asked,)), store).jobs
        around = [
            one.raw_key
            for one in made.values()
            if one.source.start_s <= start_s and start_s + duration_s <= one.source.start_s + one.source.duration_s
        ]
        if not around:
            assert answer == asked
            continue
        found += 1
        whole = made[answer.raw_key].source
        assert answer.raw_key in around and answer.seed == made[answer.raw_key].seed
        before_s = start_s - whole.start_s
        after_s = whole.start_s + whole.duration_s - start_s - duration_s
        assert (answer.head_s * abs(speed), answer.tail_s * abs(speed)) == (
            (before_s, after_s) if speed > 0 else (after_s, before_s)
        )
    assert found > 20


def test_other_families_the_same_plan_and_what_the_cache_lost_are_not_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    whole, asked = job(ZERO, Fraction(10)), job(Fraction(2), Fraction(3))
    make(whole, store)
    assert with_made_sounds(Plan(jobs=(asked,)), store).jobs[0].raw_key == whole.raw_key
    other = replace(asked, family_key=digest("other"))
    assert with_made_sounds(Plan(jobs=(other,)), store).jobs == (other,)
    remember(whole, reuse.plan_digest(Plan(jobs=(asked,))), store)
    assert with_made_sounds(Plan(jobs=(asked,)), store).jobs == (asked,)
    make(whole, store)
    lost = store.get(whole.raw_key)
    assert lost is not None
    lost.unlink()
    assert with_made_sounds(Plan(jobs=(asked,)), store).jobs == (asked,)


def test_each_note_is_read_once_a_plan_however_many_cuts_there_are(tmp_path: Path) -> None:
    store = CountingStore(tmp_path)
    for index in range(200):
        make(job(Fraction(index, 12), Fraction(1)), store)
    # To remember one more is to read one bucket and the list of levels, not all that there is.
    assert len(store.read) == 400
    store.read.clear()
    asked = [job(Fraction(index, 12), Fraction(3, 4)) for index in range(180)]
    answers = with_made_sounds(Plan(jobs=tuple(asked)), store).jobs
    assert all(answer.raw_key != one.raw_key for answer, one in zip(answers, asked, strict=True))
    assert len(store.read) == len(set(store.read)) < 25


def test_a_full_bucket_forgets_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reuse, "_MAX_IN_BUCKET", 4)
    store = Store(tmp_path)
    made = [make(job(Fraction(index, 24), Fraction(5)), store) for index in range(6)]

    def found(one: Job) -> bool:
        inside = replace(one.source, duration_s=Fraction(5), start_s=one.source.start_s)
        asked = replace(one, raw_key=digest("asked"), source=inside)
        return with_made_sounds(Plan(jobs=(asked,)), store).jobs[0].raw_key == one.raw_key

    assert [found(one) for one in made] == [False, False, True, True, True, True]


def test_broken_notes_are_as_good_as_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    whole, asked = job(ZERO, Fraction(10)), job(Fraction(2), Fraction(3))
    make(whole, store)
    for text in ("[-1, 99999999999, 4", '{"a": 1}', "[[1]]", "[99999999999]"):
        store.put_file(whole.family_key, ".json", lambda target, text=text: target.write_text(text))  # type: ignore[misc]
        assert with_made_sounds(Plan(jobs=(asked,)), store).jobs == (asked,)
        make(whole, store)
        assert with_made_sounds(Plan(jobs=(asked,)), store).jobs[0].raw_key == whole.raw_key
