"""The rules of a study: the pair that a rater sees next, and the answers that are accepted.

A rater has a key, which is all that identifies them, and a seed, from which the order of the pairs and their sides are
drawn. A pair that is shown to a rater is a trial (table `showings`). Its `place` is its number among the trials of the
rater, and all that a browser learns of it.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from avlink import derive_seed
from avlink_study.database import StudyDatabase
from avlink_study.plan import StudyPlan, is_flipped, order_for

SIDES = ("left", "right")
_SLACK_S = 0.25
"""Players end a clip a little before its length is over, and clocks are not exact."""


class RatingRefused(Exception):
    """A request is not possible now; `code` is for the page, the text for people."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A pair before a rater. `duration_s`, `played` and `clips` are by side; `clips` holds keys of the plan's clips."""

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
    """Progress of a rater, in pairs that are done and left, and of the study, in answered and wanted trials."""

    done: int
    left: int
    answered: int
    wanted: int


class Rating:
    """The rules of one study. `clock` gives seconds since the epoch."""

    def __init__(
        self, database: StudyDatabase, plan: StudyPlan, *, raters: int, lease_s: float, clock: Callable[[], float]
    ) -> None:
        self._database, self.plan, self._clock = database, plan, clock
        self._raters, self._lease_s = raters, lease_s
        self._names = frozenset(question.name for question in plan.questions)

    def join(self) -> tuple[int, str]:
        """Make a new rater; return its number and its secret key."""
        # 128 bits: whoever guesses a key can answer in that rater's name.
        key = secrets.token_urlsafe(16)
        with self._transaction() as db:
            # Not `lastrowid`: the seed is derived from the number and stored in the same row.
            number = db.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM raters").fetchone()[0]
            seed = derive_seed("rater", self.plan.seed, number)
            db.execute("INSERT INTO raters VALUES (?, ?, ?, ?, 0)", (number, key, seed, self._clock()))
        return int(number), key

    def keys(self, count: int) -> list[str]:
        """Return the keys of the first `count` raters, who are made if they do not exist yet."""
        while self._database.count("raters") < count:
            self.join()
        return [key for (key,) in self._database.rows("SELECT key FROM raters ORDER BY number LIMIT ?", count)]

    def rater(self, key: str) -> int | None:
        """Return the number of the rater with that key; None if there is none."""
        found = self._database.rows("SELECT number FROM raters WHERE key = ?", key)
        return int(found[0][0]) if found else None

    def current(self, rater: int) -> Trial | None:
        """Return the rater's open trial, else a new one; None if no pair is left for this rater now."""
        with self._transaction() as db:
            taken = self._taken(db, rater)
            for pair, answers in db.execute(
                "SELECT s.pair, (SELECT COUNT(*) FROM answers a WHERE a.rater = s.rater AND a.pair = s.pair) "
                "FROM showings s WHERE s.rater = ? AND s.closed IS NULL",
                (rater,),
            ).fetchall():
                # A pair that was answered in part stays the rater's own, however long ago that was.
                if answers or taken.get(pair, 0) < self._raters:
                    return self._trial(db, rater, pair)
                # The lease is over, and others have answered the pair meanwhile.
                db.execute("DELETE FROM showings WHERE rater = ? AND pair = ?", (rater, pair))
            seed = db.execute("SELECT seed FROM raters WHERE number = ?", (rater,)).fetchone()[0]
            seen = {pair for (pair,) in db.execute("SELECT pair FROM showings WHERE rater = ?", (rater,))}
            for pair in order_for(seed, len(self.plan.pairs)):
                if pair not in seen and taken.get(pair, 0) < self._raters:
                    # Counted, not the number of trials: a place is never used again, so browsers may cache its clips.
                    db.execute("UPDATE raters SET places = places + 1 WHERE number = ?", (rater,))
                    db.execute(
                        "INSERT INTO showings SELECT number, ?, places, ?, ?, NULL, NULL, NULL, NULL FROM raters "
                        "WHERE number = ?",
                        (pair, int(is_flipped(seed, pair)), self._clock(), rater),
                    )
                    return self._trial(db, rater, pair)
        return None

    def shown(self, rater: int, place: int) -> Trial | None:
        """Return the rater's trial of that place, open or closed; None if there is none."""
        with self._transaction() as db:
            found = db.execute("SELECT pair FROM showings WHERE rater = ? AND place = ?", (rater, place)).fetchone()
            return None if found is None else self._trial(db, rater, found[0])

    def played(self, rater: int, place: int, side: str) -> Trial:
        """Store that one side was played to its end. Raises RatingRefused if less time than that has passed."""
        with self._transaction() as db:
            trial = self._open(db, rater, place)
            sides = [one for one in SIDES if trial.played[one] or one == side]
            # One sound is heard at a time, so the durations add up.
            needed_s = sum(trial.duration_s[one] - _SLACK_S for one in sides)
            if self._clock() - trial.opened < needed_s:
                raise RatingRefused("too_soon", "both clips have to be played to their ends")
            # The name of a column cannot be a parameter of a statement; both are ours.
            column = "left_played" if side == "left" else "right_played"
            db.execute(
                f"UPDATE showings SET {column} = COALESCE({column}, ?) WHERE rater = ? AND pair = ?",
                (self._clock(), rater, trial.pair),
            )
            return self._trial(db, rater, trial.pair)

    def answer(self, rater: int, place: int, question: str, choice: str) -> Trial:
        """Store an answer, which replaces an earlier one. Raises RatingRefused."""
        if question not in self._names or choice not in self.plan.choices:
            raise RatingRefused("unknown", "there is no such question or answer")
        with self._transaction() as db:
            trial = self._open(db, rater, place)
            if not all(trial.played.values()):
                raise RatingRefused("not_played", "both clips have to be played to their ends first")
            if not trial.answers and self._taken(db, rater).get(trial.pair, 0) >= self._raters:
                raise RatingRefused("gone", "others have answered this pair in the meantime; here is the next one")
            db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)",
                (rater, trial.pair, question, choice, self._clock()),
            )
            return self._trial(db, rater, trial.pair)

    def trouble(self, rater: int, place: int, words: str) -> Trial:
        """Store that the rater's browser cannot play a clip of the pair, which may then be closed without answers."""
        with self._transaction() as db:
            trial = self._open(db, rater, place)
            db.execute("UPDATE showings SET trouble = ? WHERE rater = ? AND pair = ?", (words[:200], rater, trial.pair))
            return self._trial(db, rater, trial.pair)

    def close(self, rater: int, place: int) -> Trial:
        """Close a trial that is answered, or could not be played. Raises RatingRefused."""
        with self._transaction() as db:
            trial = self._open(db, rater, place)
            if frozenset(trial.answers) != self._names and trial.trouble is None:
                raise RatingRefused("unanswered", "not all questions are answered yet")
            db.execute(
                "UPDATE showings SET closed = ? WHERE rater = ? AND pair = ?", (self._clock(), rater, trial.pair)
            )
            return trial

    def progress(self, rater: int) -> Progress:
        """Return the progress of a rater and of the study."""
        with self._transaction() as db:
            taken = self._taken(db, rater)
            closed = {
                pair for (pair,) in db.execute("SELECT pair FROM showings WHERE rater = ? AND closed > 0", (rater,))
            }
            # Trials with all questions answered; one that could not be played has none.
            full = db.execute(
                "SELECT COUNT(*) FROM (SELECT 1 FROM answers GROUP BY rater, pair HAVING COUNT(*) = ?)",
                (len(self._names),),
            ).fetchone()[0]
        pairs = range(len(self.plan.pairs))
        mine = [pair for pair in pairs if pair not in closed and taken.get(pair, 0) < self._raters]
        return Progress(done=len(closed), left=len(mine), answered=int(full), wanted=len(pairs) * self._raters)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._database.transaction() as db:
            if not self._database.has_saved_plan():
                # Numbers of pairs mean others in the new one.
                raise RatingRefused("replaced", "this study is over: another one was begun; ask for a new link")
            yield db

    def _taken(self, db: sqlite3.Connection, rater: int) -> dict[int, int]:
        """Return for each pair the number of other raters who answered it, even in part, or are looking at it now."""
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
        return self._trial(db, rater, found[0])

    def _trial(self, db: sqlite3.Connection, rater: int, number: int) -> Trial:
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
