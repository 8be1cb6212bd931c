"""The statistics of preferences: intervals of a share, the sign test, and the agreement of raters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from statistics import NormalDist
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

Interval: TypeAlias = tuple[float, float]
Clusters: TypeAlias = Literal["clips", "raters", "both"]

RESAMPLES = 10_000


def wilson(successes: float, trials: int, *, level: float = 0.95) -> Interval:
    """Return the score interval of a share (Wilson 1927, without continuity correction), within [0, 1].

    `successes` need not be whole: where a vote without a preference counts half, the interval errs on the wide side,
    as halves vary less than wholes. Raises ValueError for no trials, or successes outside of [0, trials].
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no share")
    # Not scipy's `proportion_ci`, which takes whole successes only.
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / trials
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    middle, scale = share + z * z / (2 * trials), 1 + z * z / trials
    # Exactly 0 and 1 at the ends, where rounding would leave 1e-17.
    low = 0.0 if successes == 0 else max(0.0, (middle - spread) / scale)
    high = 1.0 if successes == trials else min(1.0, (middle + spread) / scale)
    return low, high


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p value of the exact sign test: the chance that a fair coin is at least as uneven.

    Ties do not enter. 1 where there is neither a win nor a loss. Raises ValueError for negative counts.
    """
    if wins < 0 or losses < 0:
        raise ValueError("counts are not negative")
    # scipy has no test of no trials.
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def bootstrap_interval(
    credit: NDArray[np.float64],
    clips: NDArray[np.int64],
    raters: NDArray[np.int64],
    *,
    clusters: Clusters,
    seed: int,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """Return the percentile interval of the mean credit over `resamples` studies of drawn clips, raters, or both.

    Votes on one clip, or of one rater, are not independent, so whole clips or raters are drawn with replacement, with
    all their votes (Davison and Hinkley 1997, section 3.8); with "both", each is drawn by itself and a vote weighs the
    product (Owen 2007, "The pigeonhole bootstrap"), which errs on the wide side. `credit` is the credit of each vote,
    from 0 to 1; `clips` and `raters` are numbers of its clip and its rater.

    The same seed gives the same interval. None where there are fewer than two to draw from.
    """
    rows, clip = np.unique(clips, return_inverse=True)
    columns, rater = np.unique(raters, return_inverse=True)
    # A weighted sum over this table stands for a drawn study: 10,000 of them are two products of matrices, where
    # scipy.stats.bootstrap, which knows no clusters, would draw the votes themselves.
    table = np.zeros((2, len(rows), len(columns)))
    np.add.at(table[0], (clip, rater), credit)
    np.add.at(table[1], (clip, rater), 1.0)
    drawn = {"clips": (True, False), "raters": (False, True), "both": (True, True)}[clusters]
    if any(draw and size < 2 for draw, size in zip(drawn, table.shape[1:], strict=True)):
        return None
    generator = np.random.default_rng(seed)
    by_clip, by_rater = (
        generator.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.float64)
        if draw
        else np.ones((1, size))
        for draw, size in zip(drawn, table.shape[1:], strict=True)
    )
    credits, votes = ((by_clip @ counts) * by_rater for counts in table)
    credit_sums, vote_sums = credits.sum(axis=1), votes.sum(axis=1)
    # A drawn study may hold no vote at all, if raters saw different clips; it says nothing.
    shares = credit_sums[vote_sums > 0] / vote_sums[vote_sums > 0]
    if len(shares) < 2:
        return None
    low, high = np.quantile(shares, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Return Krippendorff's alpha for nominal values (Krippendorff, Content Analysis, 3rd ed. 2013, section 12.3.3).

    Each unit is the values that it was given, by any number of raters: a unit of one value says nothing and is left
    out. 1 is perfect agreement, 0 that of chance. None where nothing can be said: no unit with two values, or one
    value throughout, when agreement has nothing to be measured against. Fleiss' kappa would want the same number of
    raters everywhere, which a study that is under way does not have.
    """
    totals: Counter[Hashable] = Counter()
    disagreement = 0.0
    for values in units:
        count = len(values)
        if count < 2:
            continue
        here = Counter(values)
        totals.update(here)
        disagreement += (count * count - sum(number * number for number in here.values())) / (count - 1)
    whole = sum(totals.values())
    expected = whole * whole - sum(number * number for number in totals.values())
    return 1 - (whole - 1) * disagreement / expected if expected else None
