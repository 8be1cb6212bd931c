"""Table 4 of the paper: for each two methods and each question, the share that preferred the first. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avlink import derive_seed
from avlink_study.questions import Question
from avlink_study.stats import Clusters, Interval, bootstrap_interval, krippendorff_alpha, sign_test, wilson
from avlink_study.votes import Vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One share. A vote without a preference counts half.

    `wilson` is an interval that takes all votes as independent, `resampled` one over drawn clips (or raters), None if
    there are too few. `p_votes` and `p_clips` are two-sided sign tests, over votes and over clips: in the latter each
    clip counts once, for the method that most of its votes preferred.
    """

    first: str
    second: str
    question: str
    for_first: int
    for_second: int
    neither: int
    clips: int
    raters: int
    share: float
    wilson: Interval
    resampled: Interval | None
    p_votes: float
    p_clips: float

    @property
    def answers(self) -> int:
        """The number of votes."""
        return self.for_first + self.for_second + self.neither

    @property
    def interval(self) -> Interval:
        """The interval to show: at each end the farther one of the two.

        Where all raters agree, so do all drawn studies, and the interval of these has no width.
        """
        if self.resampled is None:
            return self.wilson
        return min(self.wilson[0], self.resampled[0]), max(self.wilson[1], self.resampled[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResults:
    """The whole table.

    `agreement` is Krippendorff's alpha by question, None where nothing can be said. `left` is the number of trials with
    most answers for the left side, and the number of trials that leaned to a side: trials are counted since the answers
    of one trial are not independent.
    """

    cells: tuple[Cell, ...]
    agreement: dict[str, float | None]
    left: tuple[int, int]
    raters: int
    clusters: Clusters
    level: float


def tabulate(
    votes: Sequence[Vote], questions: Sequence[Question], *, clusters: Clusters, seed: int, level: float = 0.95
) -> StudyResults:
    """Return the table of votes; cells are in the order of the methods' first votes, then in that of the questions."""
    compared = list(dict.fromkeys((vote.first, vote.second) for vote in votes))
    cells = []
    for first, second in compared:
        for question in questions:
            these = [
                vote for vote in votes if (vote.first, vote.second, vote.question) == (first, second, question.name)
            ]
            if these:
                cells.append(_cell(these, clusters=clusters, seed=seed, level=level))
    return StudyResults(
        cells=tuple(cells),
        agreement={
            question.name: _agreement([vote for vote in votes if vote.question == question.name])
            for question in questions
        },
        left=_leanings(votes),
        raters=len({vote.rater for vote in votes}),
        clusters=clusters,
        level=level,
    )


def _cell(votes: Sequence[Vote], *, clusters: Clusters, seed: int, level: float) -> Cell:
    one = votes[0]
    counts = {kind: sum(vote.preferred == kind for vote in votes) for kind in ("first", "second", "neither")}
    # Sorted, since the bootstrap draws by number: the same votes in any order give the same interval.
    stems = sorted({vote.stem for vote in votes})
    numbers = {stem: number for number, stem in enumerate(stems)}
    credit = np.array([vote.credit for vote in votes])
    clips = np.array([numbers[vote.stem] for vote in votes])
    # Votes for the first method minus those for the second, clip by clip; its sign is the clip's majority.
    balance = np.bincount(clips, weights=2 * credit - 1)
    share = float(credit.mean())
    return Cell(
        first=one.first,
        second=one.second,
        question=one.question,
        for_first=counts["first"],
        for_second=counts["second"],
        neither=counts["neither"],
        clips=len(stems),
        raters=len({vote.rater for vote in votes}),
        share=share,
        wilson=wilson(float(credit.sum()), len(votes), level=level),
        resampled=bootstrap_interval(
            credit,
            clips,
            np.array([vote.rater for vote in votes]),
            clusters=clusters,
            # A seed of its own for each cell: an interval does not depend on which other cells there are.
            seed=derive_seed("resample", seed, one.first, one.second, one.question),
            level=level,
        ),
        p_votes=sign_test(counts["first"], counts["second"]),
        p_clips=sign_test(int((balance > 0).sum()), int((balance < 0).sum())),
    )


def _leanings(votes: Sequence[Vote]) -> tuple[int, int]:
    balance: defaultdict[tuple[int, str, str, str], int] = defaultdict(int)
    for vote in votes:
        if vote.was_left is not None:
            balance[vote.rater, vote.first, vote.second, vote.stem] += 1 if vote.was_left else -1
    leaning = [lean for lean in balance.values() if lean]
    return sum(lean > 0 for lean in leaning), len(leaning)


def _agreement(votes: Sequence[Vote]) -> float | None:
    units: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for vote in votes:
        units[vote.first, vote.second, vote.stem].append(vote.preferred)
    return krippendorff_alpha(units.values())
