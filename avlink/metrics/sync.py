"""Onsets against true event times, matched one to one, and the score of chance.

Matching is the maximum bipartite matching of mir_eval.onset (Raffel et al. 2014). Means are over clips, not over
events, so that a busy clip counts no more than a quiet one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import mir_eval
import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class OnsetScore:
    """Scores of one clip, 0 to 1; `mean_abs_offset_s` is over matched pairs, None without any."""

    precision: float
    recall: float
    f1: float
    mean_abs_offset_s: float | None
    count_exact: bool
    count_within_one: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OnsetSummary:
    """Means over `num_clips` clips; `num_excluded` clips have no true event and count in none of the means.

    `count_exact` and `count_within_one` are shares of clips. `mean_abs_offset_s` is over clips with a match; random
    guesses within the window give half the window, so read it beside `f1`.
    """

    precision: float
    recall: float
    f1: float
    mean_abs_offset_s: float | None
    count_exact: float
    count_within_one: float
    num_clips: int
    num_excluded: int


def match_onsets(reference_s: ArrayLike, estimate_s: ArrayLike, window_s: float = 0.1) -> OnsetScore:
    """Score estimated against true times, both in seconds, each matched at most once, within +-`window_s`.

    Two empty lists score 1, one empty list scores 0. Raises ValueError for negative windows.
    """
    if window_s < 0:
        raise ValueError(f"the matching window must not be negative, got {window_s} s")
    # Sorted by `_times`: mir_eval refuses times that do not ascend.
    reference, estimate = _times(reference_s), _times(estimate_s)
    difference = abs(len(reference) - len(estimate))
    counts = {"count_exact": difference == 0, "count_within_one": difference <= 1}
    # mir_eval gives 0 for two empty lists, and warns.
    if not len(reference) or not len(estimate):
        share = float(difference == 0)
        return OnsetScore(precision=share, recall=share, f1=share, mean_abs_offset_s=None, **counts)
    f1, precision, recall = mir_eval.onset.f_measure(reference, estimate, window=window_s)
    # The same matching as within f_measure, which does not return its pairs.
    pairs = mir_eval.util.match_events(reference, estimate, window_s)
    offsets = [abs(float(reference[i] - estimate[j])) for i, j in pairs]
    mean_offset = float(np.mean(offsets)) if offsets else None
    return OnsetScore(
        precision=float(precision), recall=float(recall), f1=float(f1), mean_abs_offset_s=mean_offset, **counts
    )


def onset_summary(references_s: Sequence[ArrayLike], estimates_s: Sequence[ArrayLike], window_s: float) -> OnsetSummary:
    """Return the mean score over the clips that have at least one true event.

    Raises ValueError if the two sequences differ in length. Without any such clip all means are 0 over 0 clips.
    """
    if len(references_s) != len(estimates_s):
        raise ValueError(f"{len(references_s)} references do not pair up with {len(estimates_s)} estimates")
    scores = [
        match_onsets(reference, estimate, window_s)
        for reference, estimate in zip(references_s, estimates_s, strict=True)
        if len(_times(reference))
    ]
    return _mean(scores, num_excluded=len(references_s) - len(scores))


def shuffled_chance(
    references_s: Sequence[ArrayLike], estimates_s: Sequence[ArrayLike], window_s: float, *, rounds: int = 8
) -> OnsetSummary | None:
    """Return the score of the same estimates against the events of other clips: chance at this density of events.

    Every clip with a true event is paired with `rounds` other such clips, the same ones each time. None for fewer than
    two such clips.
    """
    eventful = [i for i, reference in enumerate(references_s) if len(_times(reference))]
    if len(eventful) < 2:
        return None
    # A fixed seed: the same clips always have the same chance.
    order = np.random.default_rng(0).permutation(eventful)
    # Rotations of one random order: no clip meets itself, and each is met equally often.
    shifts = np.unique(np.linspace(1, len(order) - 1, min(rounds, len(order) - 1)).round().astype(int))
    scores = [
        match_onsets(references_s[int(own)], estimates_s[int(other)], window_s)
        for shift in shifts
        for own, other in zip(order, np.roll(order, int(shift)), strict=True)
    ]
    mean = _mean(scores, num_excluded=len(references_s) - len(eventful))
    return replace(mean, num_clips=len(eventful))


def _mean(scores: Sequence[OnsetScore], *, num_excluded: int) -> OnsetSummary:
    offsets = [score.mean_abs_offset_s for score in scores if score.mean_abs_offset_s is not None]
    # Sums over no clips are 0, and stay 0.
    count = max(len(scores), 1)
    return OnsetSummary(
        precision=sum(score.precision for score in scores) / count,
        recall=sum(score.recall for score in scores) / count,
        f1=sum(score.f1 for score in scores) / count,
        mean_abs_offset_s=sum(offsets) / len(offsets) if offsets else None,
        count_exact=sum(score.count_exact for score in scores) / count,
        count_within_one=sum(score.count_within_one for score in scores) / count,
        num_clips=len(scores),
        num_excluded=num_excluded,
    )


def _times(times_s: ArrayLike) -> NDArray[np.float64]:
    return np.sort(np.asarray(times_s, dtype=np.float64).reshape(-1))
