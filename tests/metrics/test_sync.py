from __future__ import annotations

import warnings

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlink.metrics.sync import match_onsets, onset_summary, shuffled_chance

TIMES = st.lists(st.floats(0, 5).map(lambda t: round(t, 3)), max_size=10).map(sorted)


@given(TIMES, TIMES, st.sampled_from([0.05, 0.1]))
@settings(max_examples=60, deadline=None)
def test_scores_are_those_of_mir_eval(reference, estimate, window_s):
    score = match_onsets(reference, estimate, window_s)
    if reference or estimate:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = mir_eval.onset.f_measure(np.array(reference), np.array(estimate), window=window_s)
        assert (score.f1, score.precision, score.recall) == pytest.approx(expected)


@given(TIMES, TIMES)
@settings(max_examples=60, deadline=None)
def test_exchanging_the_two_exchanges_precision_and_recall(a, b):
    one, other = match_onsets(a, b, 0.1), match_onsets(b, a, 0.1)
    assert (one.precision, one.recall) == pytest.approx((other.recall, other.precision))
    assert one.f1 == pytest.approx(other.f1)
    assert one.count_exact == other.count_exact


@given(TIMES)
@settings(max_examples=30, deadline=None)
def test_a_perfect_match_is_1(times):
    score = match_onsets(times, times, 0.05)
    assert (score.precision, score.recall, score.f1, score.count_exact) == (1.0, 1.0, 1.0, True)
    assert score.mean_abs_offset_s in (0.0, None)


@given(st.floats(0.001, 0.049), st.floats(0.051, 0.2))
@settings(max_examples=30, deadline=None)
def test_a_shift_counts_within_the_window_and_not_beyond(inside_s, outside_s):
    times = np.array([0.5, 1.0, 2.0, 3.7])
    near = match_onsets(times, times + inside_s, 0.05)
    assert near.f1 == 1.0
    assert near.mean_abs_offset_s == pytest.approx(inside_s)
    assert match_onsets(times, times + outside_s, 0.05).f1 == 0.0


def test_an_onset_is_used_once():
    score = match_onsets([1.0, 1.05], [1.02], 0.1)
    assert (score.precision, score.recall, score.count_exact, score.count_within_one) == (1.0, 0.5, False, True)


def test_silence_is_right_where_nothing_happens_and_wrong_elsewhere():
    assert match_onsets([], []).f1 == 1.0
    assert match_onsets([1.0], []).f1 == 0.0
    assert match_onsets([], [1.0]).f1 == 0.0


def test_clips_without_events_are_left_out_and_counted():
    summary = onset_summary([[1.0], [], [2.0]], [[1.0], [3.0], []], 0.1)
    assert (summary.f1, summary.num_clips, summary.num_excluded) == (0.5, 2, 1)
    assert onset_summary([[]], [[]], 0.1).num_clips == 0


def test_chance_is_low_for_random_events_and_does_not_vary():
    rng = np.random.default_rng(0)
    clips = [np.sort(rng.uniform(0, 5, 6)) for _ in range(40)]
    chance = shuffled_chance(clips, clips, 0.1)
    assert chance is not None
    assert 0.1 < chance.f1 < 0.35
    assert chance == shuffled_chance(clips, clips, 0.1)
    assert chance.num_clips == 40


def test_no_clip_meets_itself_by_chance():
    apart = [[0.5], [1.5], [2.5], [3.5], []]
    chance = shuffled_chance(apart, apart, 0.1)
    assert chance is not None and chance.f1 == 0.0
    assert shuffled_chance([[1.0], []], [[1.0], []], 0.1) is None


def test_mismatched_lists_and_windows_are_refused():
    with pytest.raises(ValueError, match="pair up"):
        onset_summary([[1.0]], [], 0.1)
    with pytest.raises(ValueError, match="negative"):
        match_onsets([1.0], [1.0], -0.1)
