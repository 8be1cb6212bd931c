"""A share of votes with its confidence interval, and whether it differs from a half."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TypeAlias

Interval: TypeAlias = tuple[float, float]


def wilson(successes: float, trials: int, *, level: float = 0.95) -> Interval:
    """The score interval of a share (Wilson 1927, without continuity correction), within [0, 1].

    `successes` need not be whole: where a vote without a preference counts half, the interval errs on the wide side,
    as halves vary less than wholes. Raises ValueError for no trials, or successes outside of [0, trials].
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no share")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / trials
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    middle, scale = share + z * z / (2 * trials), 1 + z * z / trials
    # Exactly 0 and 1 at the ends, where rounding would leave 1e-17.
    low = 0.0 if successes == 0 else max(0.0, (middle - spread) / scale)
    high = 1.0 if successes == trials else min(1.0, (middle + spread) / scale)
    return low, high


def sign_test(wins: int, losses: int) -> float:
    """The two-sided p value of the exact sign test: how often a fair coin is as uneven or more. Ties do not enter.

    1 where there is neither a win nor a loss. Raises ValueError for negative counts.
    """
    if wins < 0 or losses < 0:
        raise ValueError("counts are not negative")
    flips = wins + losses
    # Whole numbers until the end: a thousand flips are beyond what a float holds.
    ways = tail = 1
    for count in range(min(wins, losses)):
        ways = ways * (flips - count) // (count + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**flips) if flips else 1.0
