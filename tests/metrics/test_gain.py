"""The gain over chance: matching is mir_eval's, chance is what shifted times score, intervals hold their mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.metrics.gain import bootstrap_mean, matched_f1, onset_gain
from avlink.metrics.sync import match_onsets

# Whole hundredths: where two times are a window apart to the last digit, rounding may decide either way.
TIMES = st.lists(st.integers(0, 1000).map(lambda hundredth: hundredth / 100), max_size=30)


@given(TIMES, TIMES, st.sampled_from([0.055, 0.105]))
def test_going_through_both_lists_finds_the_largest_matching(
    true: list[float], found: list[float], window_s: float
) -> None:
    assert matched_f1(sorted(true), sorted(found), window_s) == pytest.approx(match_onsets(true, found, window_s).f1)


def test_a_metronome_gains_nothing_and_the_truth_gains_nearly_all() -> None:
    rng = np.random.default_rng(0)
    truth = [sorted(rng.uniform(0, 10, 12).tolist()) for _ in range(200)]
    beat = np.arange(0.1, 10, 0.25).tolist()
    regular = [onset_gain(true, beat, length_s=10, window_s=0.1) for true in truth]
    assert np.mean([one.f1 for one in regular]) > 0.3
    assert abs(np.mean([one.gain for one in regular])) < 0.02
    right = [onset_gain(true, true, length_s=10, window_s=0.05) for true in truth]
    assert all(one.f1 == 1 for one in right)
    assert np.mean([one.gain for one in right]) > 0.8


def test_nine_of_ten_intervals_hold_the_true_mean() -> None:
    rng = np.random.default_rng(1)
    many = [bootstrap_mean(rng.normal(0.1, 0.2, 60), draws=400, seed=seed) for seed in range(300)]
    assert 0.84 <= np.mean([one.low <= 0.1 <= one.high for one in many]) <= 0.95
    few = bootstrap_mean(rng.normal(0.1, 0.2, 6))
    assert few.low < few.mean < few.high and few.high - few.low > 1.5 * (many[0].high - many[0].low)
    with pytest.raises(ValueError, match="no mean"):
        bootstrap_mean([])
