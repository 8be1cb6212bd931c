from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.metrics.frechet import Moments, frechet_distance, moments_distance


def covariance(dice: np.random.Generator, dim: int, rank: int | None = None) -> np.ndarray:
    factor = dice.standard_normal((dim, rank or 2 * dim))
    return factor @ factor.T / factor.shape[1]


@given(st.floats(-9, 9), st.floats(0, 9), st.floats(-9, 9), st.floats(0, 9))
def test_in_one_dimension_it_is_the_difference_of_means_and_of_deviations(m1, s1, m2, s2) -> None:
    found = frechet_distance(np.array([m1]), np.array([[s1**2]]), np.array([m2]), np.array([[s2**2]]))
    assert found == pytest.approx((m1 - m2) ** 2 + (s1 - s2) ** 2, abs=1e-9)


@given(st.integers(0, 2**31), st.integers(1, 8))
def test_covariances_that_commute_have_a_closed_form(seed: int, dim: int) -> None:
    dice = np.random.default_rng(seed)
    axes = np.linalg.qr(dice.standard_normal((dim, dim)))[0]
    first, second = dice.uniform(0, 4, (2, dim))
    means = dice.standard_normal((2, dim))
    found = frechet_distance(means[0], axes * first @ axes.T, means[1], axes * second @ axes.T)
    wanted = ((means[0] - means[1]) ** 2).sum() + ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    assert found == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("rank", [None, 3])
def test_it_is_a_distance_and_does_not_depend_on_the_axes(rank: int | None) -> None:
    dice = np.random.default_rng(5)
    first, second = covariance(dice, 12, rank), covariance(dice, 12, rank)
    zero, one = np.zeros(12), np.ones(12)
    there, back = frechet_distance(zero, first, one, second), frechet_distance(one, second, zero, first)
    assert there == pytest.approx(back, rel=1e-9) and there > 12
    assert frechet_distance(one, first, one, first) == pytest.approx(0, abs=1e-7 * np.trace(first))
    turn = np.linalg.qr(dice.standard_normal((12, 12)))[0]
    turned = frechet_distance(turn @ zero, turn @ first @ turn.T, turn @ one, turn @ second @ turn.T)
    assert turned == pytest.approx(there, rel=1e-9)


def test_flat_covariances_are_as_exact_as_others() -> None:
    # Two needles at a right angle: nothing overlaps, and the root of their product is nothing.
    needles = np.diag([4.0, 0.0]), np.diag([0.0, 9.0])
    assert frechet_distance(np.zeros(2), needles[0], np.zeros(2), needles[1]) == pytest.approx(13)
    # scipy's root agrees where it exists.
    from scipy.linalg import sqrtm

    dice = np.random.default_rng(1)
    a, b = covariance(dice, 20), covariance(dice, 20)
    wanted = np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert frechet_distance(np.zeros(20), a, np.zeros(20), b) == pytest.approx(wanted, rel=1e-9)


@given(st.integers(0, 2**31), st.integers(2, 60), st.integers(1, 7), st.floats(-1e6, 1e6))
def test_moments_of_pieces_are_those_of_the_whole(seed: int, count: int, piece: int, far: float) -> None:
    rows = np.random.default_rng(seed).standard_normal((count, 4)).astype(np.float32).astype(np.float64) + far
    moments = Moments()
    for start in range(0, count, piece):
        moments.add(rows[start : start + piece])
    assert moments.count == count and moments.dim == 4
    assert np.allclose(moments.mean, rows.mean(axis=0), rtol=1e-12)
    assert np.allclose(moments.covariance, np.cov(rows, rowvar=False), rtol=1e-7, atol=1e-9)


def test_many_samples_of_known_gaussians_find_their_distance_and_few_find_more() -> None:
    dice = np.random.default_rng(0)
    shift, scale = 0.5, 2.0
    wanted = 8 * (shift**2 + (scale - 1) ** 2)

    def measured(count: int) -> float:
        one, other = Moments(), Moments()
        one.add(dice.standard_normal((count, 8)))
        other.add(shift + scale * dice.standard_normal((count, 8)))
        return moments_distance(one, other)

    assert measured(100_000) == pytest.approx(wanted, rel=0.02)
    # The bias that the page warns of, also within one and the same set.
    one, other = Moments(), Moments()
    one.add(dice.standard_normal((6, 8)))
    other.add(dice.standard_normal((6, 8)))
    assert moments_distance(one, other) > 2


def test_torchmetrics_finds_the_same() -> None:
    fid = pytest.importorskip("torchmetrics.image.fid", reason="torchmetrics is not installed")
    import torch

    dice = np.random.default_rng(7)
    rows = [dice.standard_normal((50, 12)) * (1 + k) + k for k in range(2)]
    moments = [Moments(), Moments()]
    for one, values in zip(moments, rows, strict=True):
        one.add(values)
    args = [torch.from_numpy(part) for one in moments for part in (one.mean, one.covariance)]
    assert moments_distance(*moments) == pytest.approx(float(fid._compute_fid(*args)), rel=1e-6)


def test_what_does_not_go_together_is_refused() -> None:
    moments = Moments()
    for refused in (np.zeros(3), np.full((1, 2), np.nan)):
        with pytest.raises(ValueError, match="feature vectors"):
            moments.add(refused)
    with pytest.raises(ValueError, match="no mean"):
        _ = moments.mean
    moments.add(np.zeros((1, 2)))
    moments.add(np.zeros((0, 2)))
    with pytest.raises(ValueError, match="two feature vectors at least, not 1"):
        _ = moments.covariance
    with pytest.raises(ValueError, match="3 numbers do not go with others of 2"):
        moments.add(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="do not go together"):
        frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
