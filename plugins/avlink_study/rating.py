"""What a rater sees next and may say: the rules of a study, over its ledger.

A rater has a key, which is all that tells who it is, and a seed, from which the order of pairs and their sides are
drawn. Of each pair that was shown there is one showing; its `place` counts what a rater was shown and is all that a
browser learns of it.
"""

from __future__ import annotations

import functools
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from avlink import derive_seed
from avlink_study.database import StudyDatabase
from avlink_study.plan import StudyPlan, is_flipped, order_for

SIDES = ("left", "right")
_SLACK_S = 0.25
"""Players end a clip a little before its length is over, and clocks are not exact."""


class RatingRefused(Exception):
    """What was asked for is not possible now; `code` tells the page, the text tells people."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A pair before a rater. `duration_s`, `played` and `clips` are by side; `clips` are keys of the plan."""

    pair: int
    place: int
    clips: Mapping[str, tuple[int, str]]
    duration_s: Mapping[str, float]
    opened: float
    played: Mapping[str, bool]
    answers: Mapping[str, str]
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a rater is, and how far the study is: pairs with all their raters, and pairs."""

    done: int
    left: int
    answered: int
    wanted: int


class Rating:
    """The rules. `clock` gives seconds since the epoch."""

    def __init__(
        self, ledger: StudyDatabase, plan: StudyPlan, *, raters: int, lease_s: float, clock: Callable[[], float]
    ) -> None:
        self._ledger, self.plan, self._clock = ledger, plan, clock
        self._raters, self._lease_s = raters, lease_s
        self._names = frozenset(question.name for question in plan.questions)

    def join(self) -> tuple[int, str]:
        """A new rater: its number, and the key that only it has."""
        key = secrets.token_urlsafe(16)
        with self._ledger.step() as db:
            number = db.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM raters").fetchone()[0]
            seed = derive_seed("rater", self.plan.seed, number)
            db.execute("INSERT INTO raters VALUES (?, ?, ?, ?, 0)", (number, key, seed, self._clock()))
        return int(number), key

    def keys(self, count: int) -> list[str]:
        """The keys of the first `count` raters, who are made if they are not there yet."""
        while self._ledger.count("raters") < count:
            self.join()
        return [key for (key,) in self._ledger.rows("SELECT key FROM raters ORDER BY number LIMIT ?", count)]

    def rater(self, key: str) -> int | None:
        """Whose key that is."""
        found = self._ledger.rows("SELECT number FROM raters WHERE key = ?", key)
        return int(found[0][0]) if found else None

    def current(self, rater: int) -> Trial | None:
        """The pair that the rater is at; the next one, if it is at none. None if nothing is left for it now."""
        with self._ledger.step() as db:
            taken = self._taken(db, rater)
            for pair, answers in db.execute(
                "SELECT s.pair, (SELECT COUNT(*) FROM answers a WHERE a.rater = s.rater AND a.pair = s.pair) "
                "FROM showings s WHERE s.rater = ? AND s.closed IS NULL",
                (rater,),
            ).fetchall():
                if answers or taken.get(pair, 0) < self._raters:
                    return self._showing(db, rater, pair)
                # It was left alone for so long that others have answered it.
                db.execute("DELETE FROM showings WHERE rater = ? AND pair = ?", (rater, pair))
            seed = db.execute("SELECT seed FROM raters WHERE number = ?", (rater,)).fetchone()[0]
            seen = {pair for (pair,) in db.execute("SELECT pair FROM showings WHERE rater = ?", (rater,))}
            for pair in _order(seed, len(self.plan.pairs)):
                if pair not in seen and taken.get(pair, 0) < self._raters:
                    db.execute("UPDATE raters SET places = places + 1 WHERE number = ?", (rater,))
                    db.execute(
                        "INSERT INTO showings SELECT number, ?, places, ?, ?, NULL, NULL, NULL, NULL FROM raters "
                        "WHERE number = ?",
                        (pair, int(is_flipped(seed, pair)), self._clock(), rater),
                    )
                    return self._showing(db, rater, pair)
        return None

    def shown(self, rater: int, place: int) -> Trial | None:
        """What the rater was shown at that place, if it was."""
        with self._ledger.step() as db:
            found = db.execute("SELECT pair FROM showings WHERE rater = ? AND place = ?", (rater, place)).fetchone()
            return None if found is None else self._showing(db, rater, found[0])

    def played(self, rater: int, place: int, side: str) -> Trial:
        """Note that one side was played to its end. Raises RatingRefused if so much time has not passed yet."""
        with self._ledger.step() as db:
            showing = self._open(db, rater, place)
            sides = [one for one in SIDES if showing.played[one] or one == side]
            # One sound is heard at a time, so the lengths add up.
            needed_s = sum(showing.duration_s[one] - _SLACK_S for one in sides)
            if self._clock() - showing.opened < needed_s:
                raise RatingRefused("too_soon", "both clips have to be played to their ends")
            column = "left_played" if side == "left" else "right_played"
            db.execute(
                f"UPDATE showings SET {column} = COALESCE({column}, ?) WHERE rater = ? AND pair = ?",
                (self._clock(), rater, showing.pair),
            )
            return self._showing(db, rater, showing.pair)

    def answer(self, rater: int, place: int, question: str, choice: str) -> Trial:
        """Keep an answer, in the place of an earlier one. Raises RatingRefused."""
        if question not in self._names or choice not in self.plan.choices:
            raise RatingRefused("unknown", "there is no such question or answer")
        with self._ledger.step() as db:
            showing = self._open(db, rater, place)
            if not all(showing.played.values()):
                raise RatingRefused("not_played", "both clips have to be played to their ends first")
            if not showing.answers and self._taken(db, rater).get(showing.pair, 0) >= self._raters:
                raise RatingRefused("gone", "others have answered this pair in the meantime; here is the next one")
            db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)",
                (rater, showing.pair, question, choice, self._clock()),
            )
            return self._showing(db, rater, showing.pair)

    def trouble(self, rater: int, place: int, words: str) -> Trial:
        """Note that a clip of the pair cannot be played by the rater's browser; the pair may then be left out."""
        with self._ledger.step() as db:
            showing = self._open(db, rater, place)
            db.execute(
                "UPDATE showings SET trouble = ? WHERE rater = ? AND pair = ?", (words[:200], rater, showing.pair)
            )
            return self._showing(db, rater, showing.pair)

    def close(self, rater: int, place: int) -> Trial:
        """The rater is done with a pair: answered, or one that could not be played. Raises RatingRefused."""
        with self._ledger.step() as db:
            showing = self._open(db, rater, place)
            if frozenset(showing.answers) != self._names and showing.trouble is None:
                raise RatingRefused("unanswered", "not all questions are answered yet")
            db.execute(
                "UPDATE showings SET closed = ? WHERE rater = ? AND pair = ?", (self._clock(), rater, showing.pair)
            )
            return showing

    def progress(self, rater: int) -> Progress:
        """How far it is."""
        with self._ledger.step() as db:
            taken = self._taken(db, rater)
            closed = {
                pair for (pair,) in db.execute("SELECT pair FROM showings WHERE rater = ? AND closed > 0", (rater,))
            }
            full = db.execute(
                "SELECT COUNT(*) FROM (SELECT 1 FROM answers GROUP BY rater, pair HAVING COUNT(*) = ?)",
                (len(self._names),),
            ).fetchone()[0]
        pairs = range(len(self.plan.pairs))
        mine = [pair for pair in pairs if pair not in closed and taken.get(pair, 0) < self._raters]
        return Progress(done=len(closed), left=len(mine), answered=int(full), wanted=len(pairs) * self._raters)

    def _taken(self, db: sqlite3.Connection, rater: int) -> dict[int, int]:
        """By how many others each pair was answered, even in part, or is being looked at just now."""
        return dict(
            db.execute(
                "SELECT s.pair, COUNT(*) FROM showings s WHERE s.rater != ? AND ((s.closed IS NULL AND s.opened > ?) "
                "OR EXISTS (SELECT 1 FROM answers a WHERE a.rater = s.rater AND a.pair = s.pair)) GROUP BY s.pair",
                (rater, self._clock() - self._lease_s),
            ).fetchall()
        )

    def _open(self, db: sqlite3.Connection, rater: int, place: int) -> Trial:
        found = db.execute(
            "SELECT pair FROM showings WHERE rater = ? AND place = ? AND closed IS NULL", (rater, place)
        ).fetchone()
        if found is None:
            raise RatingRefused("gone", "this pair is over; here is the next one")
        return self._showing(db, rater, found[0])

    def _showing(self, db: sqlite3.Connection, rater: int, number: int) -> Trial:
        place, flipped, opened, left, right, trouble = db.execute(
            "SELECT place, flipped, opened, left_played, right_played, trouble FROM showings "
            "WHERE rater = ? AND pair = ?",
            (rater, number),
        ).fetchone()
        pair = self.plan.pairs[number]
        methods = (pair.second, pair.first) if flipped else (pair.first, pair.second)
        clips = {side: (method, pair.stem) for side, method in zip(SIDES, methods, strict=True)}
        answers = db.execute("SELECT question, choice FROM answers WHERE rater = ? AND pair = ?", (rater, number))
        return Trial(
            pair=number,
            place=place,
            clips=clips,
            duration_s={side: self.plan.clips[clip].duration_s for side, clip in clips.items()},
            opened=opened,
            played={"left": left is not None, "right": right is not None},
            answers=dict(answers.fetchall()),
            trouble=trouble,
        )


@functools.lru_cache(maxsize=256)
def _order(seed: int, count: int) -> tuple[int, ...]:
    return order_for(seed, count)
