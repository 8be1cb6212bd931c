"""The answers of a study as votes for methods, whatever side they were on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from avlink_study.database import StudyDatabase

Preferred: TypeAlias = Literal["first", "second", "neither"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One answer. `first` and `second` are methods, `left` is the one on the left; `at` is in seconds of the epoch."""

    rater: int
    stem: str
    first: str
    second: str
    question: str
    preferred: Preferred
    left: Literal["first", "second"]
    at: float

    @property
    def credit(self) -> float:
        """The credit of the first method: 1, 0, or a half without a preference."""
        return {"first": 1.0, "second": 0.0, "neither": 0.5}[self.preferred]

    @property
    def was_left(self) -> bool | None:
        """True if the left side was preferred; None without a preference."""
        return None if self.preferred == "neither" else self.preferred == self.left


def read_votes(database: StudyDatabase) -> tuple[Vote, ...]:
    """Return all answers, by rater and in the order of the pairs."""
    found = database.rows(
        "SELECT a.rater, p.stem, f.name, s.name, a.question, a.choice, w.flipped, a.at FROM answers a "
        "JOIN showings w ON w.rater = a.rater AND w.pair = a.pair JOIN pairs p ON p.number = a.pair "
        "JOIN methods f ON f.number = p.first JOIN methods s ON s.number = p.second "
        "ORDER BY a.rater, a.pair, a.question"
    )
    return tuple(
        Vote(
            rater=rater,
            stem=stem,
            first=first,
            second=second,
            question=question,
            preferred=_preferred(choice, flipped=bool(flipped)),
            left="second" if flipped else "first",
            at=at,
        )
        for rater, stem, first, second, question, choice, flipped, at in found
    )


def _preferred(choice: str, *, flipped: bool) -> Preferred:
    if choice == "none":
        return "neither"
    # The first method is on the left unless the trial is flipped.
    return "first" if (choice == "left") != flipped else "second"
