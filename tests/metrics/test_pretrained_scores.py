from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.metrics.pretrained_scores import cosine, inception_score, paired_kl


def test_certain_and_evenly_spread_classes_score_their_number() -> None:
    logits = np.where(np.eye(8, dtype=bool)[np.arange(800) % 8], 1000.0, 0.0)
    score = inception_score(logits, seed=None)
    assert (score.mean, score.std, score.splits) == (pytest.approx(8), pytest.approx(0, abs=1e-9), 10)
    assert inception_score(np.zeros((30, 5))).mean == pytest.approx(1)
    assert inception_score(np.tile([[5.0, 1.0, 2.0]], (20, 1))).mean == pytest.approx(1)


@given(st.integers(0, 2**31), st.integers(1, 40))
def test_it_lies_between_one_and_the_number_of_classes(seed: int, count: int) -> None:
    score = inception_score(np.random.default_rng(seed).standard_normal((count, 6)) * 20)
    assert 1 - 1e-12 <= score.mean <= 6 + 1e-12 and score.splits == min(10, count)


def test_the_split_is_the_published_one() -> None:
    logits = np.random.default_rng(3).standard_normal((47, 9)).astype(np.float32)
    order = np.random.RandomState(2020).permutation(47)
    p = np.exp(logits.astype(np.float64)[order])
    p /= p.sum(axis=1, keepdims=True)
    wanted = []
    for i in range(10):
        chunk = p[i * 47 // 10 : (i + 1) * 47 // 10]
        wanted.append(np.exp((chunk * (np.log(chunk) - np.log(chunk.mean(axis=0)))).sum(axis=1).mean()))
    score = inception_score(logits)
    assert (score.mean, score.std) == (pytest.approx(np.mean(wanted)), pytest.approx(np.std(wanted)))
    assert inception_score(logits, seed=None).mean != score.mean


def test_torchmetrics_finds_the_same_score() -> None:
    module = pytest.importorskip("torchmetrics.image.inception", reason="torchmetrics is not installed")
    import torch

    logits = torch.from_numpy(np.random.default_rng(0).standard_normal((40, 6)))
    with pytest.warns(UserWarning, match="buffer"):
        other = module.InceptionScore(feature=torch.nn.Identity(), splits=4).set_dtype(torch.float64)
    other.features = [logits]
    torch.manual_seed(0)
    order = torch.randperm(40)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        # It did not see its features come.
        warnings.simplefilter("ignore", UserWarning)
        mean, std = other.compute()
    score = inception_score(logits[order].numpy(), splits=4, seed=None)
    # It divides the deviation by the count less one.
    assert (score.mean, score.std * (4 / 3) ** 0.5) == (pytest.approx(float(mean)), pytest.approx(float(std)))


def test_the_divergence_of_two_classes_is_that_of_two_coins() -> None:
    p, q = 0.8, 0.3
    logits = [np.log([[share, 1 - share]]) + 7 for share in (p, q)]
    wanted = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert paired_kl(*logits) == pytest.approx([wanted])
    assert paired_kl(logits[0], logits[0]) == pytest.approx([0])
    assert paired_kl(logits[1], logits[0])[0] != pytest.approx(wanted)
    extreme = np.array([[0.0, -5000.0]])
    assert np.isfinite(paired_kl(extreme, -extreme)).all()
    with pytest.raises(ValueError, match="do not pair up"):
        paired_kl(np.zeros((2, 3)), np.zeros((1, 3)))


def test_cosines() -> None:
    assert cosine(np.array([1.0, 0]), np.array([[3.0, 3.0]])) == pytest.approx(0.5**0.5)
    assert cosine(np.array([1.0, 2]), np.array([-2.0, -4])) == pytest.approx(-1)
    assert cosine(np.zeros(2), np.ones(2)) == 0
    with pytest.raises(ValueError, match="vectors of 2 and 3"):
        cosine(np.zeros(2), np.zeros(3))


@pytest.mark.parametrize("shape", [(0, 3), (3,), (3, 0)])
def test_no_logits_are_refused(shape) -> None:
    with pytest.raises(ValueError, match="at least one of each"):
        inception_score(np.zeros(shape))
