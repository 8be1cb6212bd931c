"""Scores of a pretrained network's outputs, in float64: inception score, paired KL, DeSync offset, cosine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

SPLITS = 10
SHUFFLE_SEED = 2020


@dataclass(frozen=True, slots=True, kw_only=True)
class InceptionScore:
    """Mean and population standard deviation over the splits; from 1 to the number of classes.

    With one sample per split, the score is 1 whatever the sounds are: read it beside the count.
    """

    mean: float
    std: float
    splits: int


def inception_score(
    logits: NDArray[np.floating], *, splits: int = SPLITS, seed: int | None = SHUFFLE_SEED
) -> InceptionScore:
    """Exponential of the mean KL(p || mean p) in each split (Salimans et al. 2016), of logits (samples, classes).

    As torch-fidelity and audioldm_eval compute it: ten splits of the samples in the order of numpy's
    `RandomState(2020).permutation`, split i from i * n // splits on. `seed` None keeps the order. With fewer samples
    than splits there are as many splits as samples. Raises ValueError for no samples.
    """
    log_p = _log_softmax(logits)
    if seed is not None:
        # RandomState and not default_rng: its permutation is part of the published definition.
        log_p = log_p[np.random.RandomState(seed).permutation(len(log_p))]
    # An empty split would have no mean.
    count, splits = len(log_p), min(splits, len(log_p))
    scores = []
    for index in range(splits):
        chunk = log_p[index * count // splits : (index + 1) * count // splits]
        share = np.exp(chunk)
        # A class of zero probability in all samples adds 0, but its logarithm would be infinite.
        # The mean of probabilities, not of their logarithms: p of the score is the mixture of all samples.
        mean = np.log(np.maximum(share.mean(axis=0), np.finfo(np.float64).tiny))
        divergence = np.where(share > 0, share * (chunk - mean), 0.0).sum(axis=1)
        scores.append(float(np.exp(divergence.mean())))
    return InceptionScore(mean=float(np.mean(scores)), std=float(np.std(scores)), splits=splits)


def paired_kl(reference: NDArray[np.floating], generated: NDArray[np.floating]) -> NDArray[np.float64]:
    """KL(reference || generated) of each pair of logits, in nats, of shape (pairs,).

    Softmax and sum over the classes, as in SpecVQGAN (Iashin and Rahtu 2021) and av-benchmark, whose "KL" is the mean
    over pairs; audioldm_eval adds 1e-6 before the logarithm and gives other numbers. Raises ValueError if the shapes
    differ.
    """
    if reference.shape != generated.shape:
        raise ValueError(f"logits of shape {reference.shape} do not pair up with {generated.shape}")
    true, made = _log_softmax(reference), _log_softmax(generated)
    # 0 log 0 is 0: a class of no probability in the reference adds nothing.
    return np.asarray(np.where(true > -np.inf, np.exp(true) * (true - made), 0.0).sum(axis=1))


def offset_error(logits: NDArray[np.floating], *, widest_s: float = 2.0) -> float:
    """DeSync of one clip in seconds: the mean of |offset| of the most likely class over its windows.

    `logits` are (windows, classes); the classes are evenly spaced offsets from -`widest_s` to `widest_s`. A random
    guess among the 21 classes of Synchformer (Iashin et al. 2024) gives 1.048 s.
    """
    grid = np.linspace(-widest_s, widest_s, logits.shape[1])
    return float(np.abs(grid[np.argmax(logits, axis=1)]).mean())


def cosine(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Cosine of two vectors, -1 to 1; 0 where one of them is 0. Raises ValueError if their widths differ."""
    a, b = (np.asarray(vector, dtype=np.float64).reshape(-1) for vector in (one, other))
    if a.shape != b.shape:
        raise ValueError(f"vectors of {len(a)} and {len(b)} numbers have no angle")
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale else 0.0


def _log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 2 or not logits.size:
        raise ValueError(f"logits are (samples, classes) with at least one of each, not of shape {logits.shape}")
    return np.asarray(log_softmax(logits, axis=1))
