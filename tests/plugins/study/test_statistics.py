"""The statistics against closed forms, published examples and tables."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from avlink_study.stats import bootstrap_interval, krippendorff_alpha, sign_test, wilson
from scipy.stats import binom


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", Table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "trials"), [(3, 7), (1, 1), (0, 5), (249, 250), (12.5, 40)])
def test_wilson_inverts_the_score_test(successes: float, trials: int, level: float) -> None:
    z = NormalDist().inv_cdf((1 + level) / 2)
    low, high = wilson(successes, trials, level=level)
    assert 0 <= low <= successes / trials <= high <= 1
    for end in (low, high):
        # At its ends the share lies z standard deviations away, unless that is at 0 or 1.
        away = abs(successes / trials - end) / np.sqrt(max(end * (1 - end), 1e-300) / trials)
        assert away == pytest.approx(z, rel=1e-9) or end in (0.0, 1.0)
    assert wilson(trials - successes, trials, level=level) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_wilson_holds_what_it_promises() -> None:
    trials = 50
    intervals = [wilson(successes, trials) for successes in range(trials + 1)]
    held = []
    for share in np.linspace(0.05, 0.95, 91):
        within = [low <= share <= high for low, high in intervals]
        held.append(binom.pmf(np.arange(trials + 1), trials, share)[within].sum())
    assert np.mean(held) == pytest.approx(0.95, abs=0.006)
    assert min(held) > 0.91


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_what_is_no_share_is_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(successes, trials)


def test_the_sign_test_in_closed_form_and_counted_in_whole_numbers() -> None:
    for count in range(1, 12):
        assert sign_test(count, 0) == sign_test(0, count) == min(1.0, 2.0 ** (1 - count))
        assert sign_test(count, count) == 1.0
    assert sign_test(0, 0) == 1.0
    for wins, losses in [*itertools.product(range(0, 41, 4), range(1, 42, 5)), (470, 530), (0, 800), (2400, 2601)]:
        tail = sum(math.comb(wins + losses, count) for count in range(min(wins, losses) + 1))
        exact = min(Fraction(1), Fraction(2 * tail, 2 ** (wins + losses)))
        assert sign_test(wins, losses) == pytest.approx(float(exact), rel=1e-12)
    # The sign test's table (Dixon and Mood 1946): at 5 % two-sided, 20 signs differ from 5 of the rarer on, not from 6.
    assert sign_test(5, 15) < 0.05 < sign_test(6, 14)
    assert 0 < sign_test(4000, 6000) < 1e-80


def units(*raters: str) -> list[list[str]]:
    """Units of published tables: a row for each rater, a full stop where it said nothing."""
    return [[value for value in column if value != "."] for column in zip(*map(str.split, raters), strict=True)]


def test_agreement_as_published() -> None:
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability": A, binary; B, nominal; C, with missing data.
    assert krippendorff_alpha(units("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")) == pytest.approx(0.095, abs=5e-4)
    ben, gerry = "a a b b d c c c e d d a", "b a b b b c c c e d d d"
    assert krippendorff_alpha(units(ben, gerry)) == pytest.approx(0.692, abs=5e-4)
    four = (
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    )
    assert krippendorff_alpha(units(*four)) == pytest.approx(0.743, abs=5e-4)


def test_agreement_is_one_if_all_agree_none_without_a_second_rater_and_zero_by_chance() -> None:
    assert krippendorff_alpha([["a", "a"], ["b", "b", "b"]]) == 1.0
    assert krippendorff_alpha([["a"], ["b"], []]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    chance = np.random.default_rng(1).integers(0, 2, (4000, 5)).tolist()
    assert krippendorff_alpha(chance) == pytest.approx(0.0, abs=0.015)
    assert krippendorff_alpha([["a", "b"], ["b", "a"]]) < 0


def votes(clips: int, raters: int, share: float, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    credit = (np.random.default_rng(seed).random((clips, raters)) < share).astype(np.float64)
    clip, rater = np.indices((clips, raters))
    return credit.ravel(), clip.ravel(), rater.ravel()


def test_one_vote_a_clip_gives_the_quantiles_of_the_binomial_distribution() -> None:
    credit, clip, rater = votes(40, 1, 0.7)
    share = credit.mean()
    interval = bootstrap_interval(credit, clip, rater, clusters="clips", seed=3)
    assert interval == pytest.approx(tuple(binom.ppf((0.025, 0.975), 40, share) / 40), abs=0.026)


def test_raters_who_repeat_each_other_make_nothing_more_certain() -> None:
    credit, clip, rater = votes(40, 1, 0.7)
    once = bootstrap_interval(credit, clip, rater, clusters="clips", seed=3)
    repeated = (np.repeat(credit, 5), np.repeat(clip, 5), np.tile(np.arange(5), 40))
    assert bootstrap_interval(*repeated, clusters="clips", seed=3) == pytest.approx(once, abs=1e-12)
    low, high = wilson(5 * credit.sum(), 200)
    assert high - low < 0.6 * (once[1] - once[0])


def test_the_same_seed_gives_the_same_interval_and_names_do_not_matter() -> None:
    credit, clip, rater = votes(30, 5, 0.6)
    first = bootstrap_interval(credit, clip, rater, clusters="both", seed=1)
    assert bootstrap_interval(credit, 100 + 7 * clip, rater - 50, clusters="both", seed=1) == pytest.approx(first)
    assert bootstrap_interval(credit, clip, rater, clusters="both", seed=2) != first
    shuffled = np.random.default_rng(5).permutation(len(credit))
    again = bootstrap_interval(credit[shuffled], clip[shuffled], rater[shuffled], clusters="both", seed=1)
    assert again == pytest.approx(first)


def test_drawing_both_is_wider_than_drawing_one_and_one_cluster_says_nothing() -> None:
    credit, clip, rater = votes(40, 6, 0.6)
    width = {
        clusters: np.diff(bootstrap_interval(credit, clip, rater, clusters=clusters, seed=1))[0]
        for clusters in ("clips", "raters", "both")
    }
    assert width["both"] > max(width["clips"], width["raters"])
    alone = np.zeros_like(rater)
    assert bootstrap_interval(credit, clip, alone, clusters="raters", seed=1) is None
    assert bootstrap_interval(credit, clip, alone, clusters="both", seed=1) is None
    assert bootstrap_interval(credit, clip, alone, clusters="clips", seed=1) is not None


def test_it_holds_about_what_it_promises_where_clips_differ() -> None:
    # Clips whose own share is drawn around 0.6: votes on one clip hang together, and Wilson's interval is too narrow.
    generator = np.random.default_rng(2)
    held, held_by_wilson = 0, 0
    for study in range(200):
        shares = generator.beta(1.2, 0.8, 50)
        credit = (generator.random((50, 5)) < shares[:, None]).astype(np.float64).ravel()
        clip, rater = (axis.ravel() for axis in np.indices((50, 5)))
        low, high = bootstrap_interval(credit, clip, rater, clusters="clips", seed=study, resamples=300)
        held += low <= 0.6 <= high
        low, high = wilson(credit.sum(), len(credit))
        held_by_wilson += low <= 0.6 <= high
    assert held / 200 > 0.9
    assert held_by_wilson / 200 < 0.85
