"""A small classifier of the material that is struck, fitted to true sounds of the foundry.

Features of each onset are levels in mel bands over five spans after it, from attack to tail, and the decay of the whole
level. Multinomial logistic regression classifies hits, and the hits of a clip vote with their log probabilities. It
serves the score "material right", and is no general sound classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from avlink.metrics.bands import band_power
from avlink.metrics.onsets import detect_onsets

SPANS_S = ((0.0, 0.012), (0.012, 0.04), (0.04, 0.1), (0.1, 0.2), (0.2, 0.35))
NUM_BANDS = 26
RANGE_DB = 45.0
MAX_HITS = 12
WINDOW_S = 0.024
HOP_S = 0.006


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialClassifier:
    """`weights` (features + 1, materials) on features from which `mean` is subtracted and that `scale` divides."""

    sample_rate: int
    materials: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        sounds: Sequence[NDArray[np.float32]],
        sample_rate: int,
        labels: Sequence[str],
        *,
        penalty: float = 1e-3,
    ) -> MaterialClassifier:
        """Fit to mono sounds (samples,) of one known material each; `penalty` is the L2 factor of the weights.

        Raises ValueError if sounds and labels do not pair up, or name fewer than two materials.
        """
        if len(sounds) != len(labels):
            raise ValueError(f"{len(sounds)} sounds do not pair up with {len(labels)} labels")
        materials = tuple(sorted(set(labels)))
        if len(materials) < 2:
            raise ValueError(f"a classifier needs two materials or more, got {', '.join(materials) or 'none'}")
        hits = [hit_features(sound, sample_rate) for sound in sounds]
        targets = np.repeat([materials.index(label) for label in labels], [len(features) for features in hits])
        features = np.concatenate(hits)
        # Plus one decibel: a band that hardly varies must not become the loudest feature.
        mean, scale = features.mean(axis=0), features.std(axis=0) + 1.0
        weights = _regress((features - mean) / scale, targets, len(materials), penalty)
        return cls(sample_rate=sample_rate, materials=materials, mean=mean, scale=scale, weights=weights)

    def scores(self, sound: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean log probability of each material over the hits of a mono sound at the fitted rate."""
        features = (hit_features(sound, self.sample_rate) - self.mean) / self.scale
        # (hits, materials). The mean over hits, not the sum: a clip of many hits must not become certain by their
        # number.
        return np.asarray(log_softmax(_with_one(features) @ self.weights, axis=1).mean(axis=0))

    def predict(self, sound: NDArray[np.float32]) -> str:
        """Return the most likely of `materials` for a mono sound."""
        return self.materials[int(np.argmax(self.scores(sound)))]


def hit_features(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Return features of the strongest onsets, (hits, features); of the loudest moment if there is no onset."""
    onsets = detect_onsets(sound, sample_rate)
    # A drum roll must not take as long as a film; a dozen hits are enough to vote.
    strongest = np.sort(np.argsort(-onsets.strengths, kind="stable")[:MAX_HITS])
    times_s = onsets.times_s[strongest]
    if not len(times_s):
        times_s = np.array([int(np.argmax(np.abs(sound))) / sample_rate])
    # Windows begin shortly before their span, so that the first one holds the attack.
    offsets_s = np.arange(0.0, SPANS_S[-1][1], HOP_S) + WINDOW_S / 4
    # All windows of all hits in one call: (hits * windows, bands).
    power = band_power(
        sound,
        sample_rate,
        centres_s=(times_s[:, None] + offsets_s).reshape(-1),
        window_s=WINDOW_S,
        num_bands=NUM_BANDS,
        low_hz=50.0,
        high_hz=7600.0,
    ).reshape(len(times_s), len(offsets_s), NUM_BANDS)
    # Relative to the loudest band of each hit: how hard something is struck says nothing of its material.
    peak = power.max(axis=(1, 2), keepdims=True) + 1e-12
    level_db = 10.0 * np.log10(power / peak + 10 ** (-RANGE_DB / 10))
    spans = [level_db[:, (offsets_s >= start) & (offsets_s < stop)].mean(axis=1) for start, stop in SPANS_S]
    # The decay of the whole level, coarsely: every fourth frame.
    whole_db = 10.0 * np.log10(power.sum(axis=2) / peak[:, :, 0] + 10 ** (-RANGE_DB / 10))
    return np.concatenate([*spans, whole_db[:, ::4]], axis=1)


def _regress(
    features: NDArray[np.float64], targets: NDArray[np.integer], num_classes: int, penalty: float
) -> NDArray[np.float64]:
    x = _with_one(features)
    one_hot = np.eye(num_classes)[targets]
    # Every material has the same weight, as true sounds have unequal numbers of hits.
    weight = (1.0 / np.maximum(one_hot.sum(axis=0), 1.0))[targets] / num_classes

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat.reshape(x.shape[1], num_classes)
        log_p = log_softmax(x @ w, axis=1)
        value = -(weight * (log_p * one_hot).sum(axis=1)).sum() + 0.5 * penalty * (w[:-1] ** 2).sum()
        # The constant feature, in the last row, is not penalised.
        gradient = x.T @ (weight[:, None] * (np.exp(log_p) - one_hot))
        gradient[:-1] += penalty * w[:-1]
        return float(value), gradient.reshape(-1)

    # The loss is convex: every start ends in the same weights.
    start = np.zeros(x.shape[1] * num_classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return np.asarray(found.x).reshape(x.shape[1], num_classes)


def _with_one(features: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)
