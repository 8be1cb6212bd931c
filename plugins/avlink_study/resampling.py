"""A confidence interval that knows that votes on one clip, or of one rater, are not independent."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from avlink_study.statistics import Interval

Clusters: TypeAlias = Literal["clips", "raters", "both"]

RESAMPLES = 10_000


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
    """The percentile interval of the mean credit over `resamples` studies of drawn clips, raters, or both.

    `credit` is what each vote counts, from 0 to 1; `clips` and `raters` say whose it is, by any numbers. Whole clips or
    raters are drawn with replacement, with all their votes (Davison and Hinkley 1997, section 3.8); with "both", each
    is drawn by itself and a vote weighs the product (Owen 2007, "The pigeonhole bootstrap"), which errs on the wide
    side.
    The same seed gives the same interval. None where there are fewer than two to draw from.
    """
    rows, clip = np.unique(clips, return_inverse=True)
    columns, rater = np.unique(raters, return_inverse=True)
    # What each clip got from each rater: the sum of the credit, and the number of votes.
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
    got, given = ((by_clip @ of) * by_rater for of in table)
    got_sums, given_sums = got.sum(axis=1), given.sum(axis=1)
    # Where raters saw different clips, a draw may hold no vote at all; it says nothing.
    shares = got_sums[given_sums > 0] / given_sums[given_sums > 0]
    if len(shares) < 2:
        return None
    low, high = np.quantile(shares, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)
