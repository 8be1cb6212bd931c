"""CondFoleyGen's onset scores (Du et al. 2023), for comparison with published numbers: counts, detection, AP.

Definitions from XYPB/CondFoleyGen, predict_onset.py. Average precision rewards silence: a clip without any generated
onset has a detection accuracy of 0 and an AP of 1, because misses count as positives of confidence 0. Never read it
alone; `avlink.metrics.sync` has better scores.

Kept: delta 0.3 in peak picking, 0.1 s in matching, the choice of the loudest candidate instead of the nearest, the
gap in the suppression of neighbours, the end of the matching once the generated onsets are used up.
Different: clips are resampled by scipy instead of ffmpeg; the confidence of an onset in the first 50 ms uses a shorter
window, where the script ends with an error; ties in confidence are broken by time. Clips without true onsets, which
the script leaves to scikit-learn, count in the count accuracy only, and their number is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from avlink.metrics.music_onsets import SAMPLE_RATE, music_onsets

PEAK_DELTA = 0.3
MATCH_S = 0.1
NEIGHBOUR_S = 0.05
CONFIDENCE_SAMPLES = int(0.05 * SAMPLE_RATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CondFoleyScore:
    """Scores of one clip: equal onset counts, share of true onsets found, average precision (None: no true onset)."""

    count_match: bool
    detection_accuracy: float | None
    detection_ap: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CondFoleySummary:
    """Means over clips, 0 to 1; `num_excluded` of the `num_clips` have no true onset and count in the first only."""

    count_accuracy: float
    detection_accuracy: float
    detection_ap: float
    num_clips: int
    num_excluded: int


def condfoley_score(
    reference: NDArray[np.float32], estimate: NDArray[np.float32], sample_rate: int, *, duration_s: float | None = 2.0
) -> CondFoleyScore:
    """Score one generated mono sound against the true one, both (samples,) at `sample_rate`.

    The original takes the first two seconds; `duration_s` of None takes all.
    """
    truth, heard = (_prepare(sound, sample_rate, duration_s) for sound in (reference, estimate))
    return score_onsets(music_onsets(truth, delta=PEAK_DELTA), music_onsets(heard, delta=PEAK_DELTA), heard)


def condfoley_summary(
    references: Sequence[NDArray[np.float32]],
    estimates: Sequence[NDArray[np.float32]],
    sample_rate: int,
    *,
    duration_s: float | None = 2.0,
) -> CondFoleySummary:
    """Return the mean of `condfoley_score` over pairs. Raises ValueError if counts differ or there is no pair."""
    if not references or len(references) != len(estimates):
        raise ValueError(f"{len(references)} true sounds do not pair up with {len(estimates)} generated ones")
    scores = [
        condfoley_score(reference, estimate, sample_rate, duration_s=duration_s)
        for reference, estimate in zip(references, estimates, strict=True)
    ]
    accuracies = [score.detection_accuracy for score in scores if score.detection_accuracy is not None]
    precisions = [score.detection_ap for score in scores if score.detection_ap is not None]
    return CondFoleySummary(
        count_accuracy=float(np.mean([score.count_match for score in scores])),
        detection_accuracy=float(np.mean(accuracies)) if accuracies else 0.0,
        detection_ap=float(np.mean(precisions)) if precisions else 0.0,
        num_clips=len(scores),
        num_excluded=len(scores) - len(accuracies),
    )


def score_onsets(truth: NDArray[np.int64], heard: NDArray[np.int64], sound: NDArray[np.floating]) -> CondFoleyScore:
    """Score onsets in samples at 22050 Hz; the amplitude of the generated `sound` gives the confidences."""
    count_match = len(truth) == len(heard)
    if not len(truth):
        return CondFoleyScore(count_match=count_match, detection_accuracy=None, detection_ap=None)
    loudness = np.abs(sound)
    spread = float(loudness.max() - loudness.min())
    # A constant sound has no spread to divide by.
    loudness = (loudness - loudness.min()) / spread if spread else np.zeros_like(loudness)
    candidates = _suppress_neighbours(heard, [_confidence(loudness, onset) for onset in heard])
    labels: list[int] = []
    confidences: list[float] = []
    hits = 0
    for onset in truth:
        # Strictly less than 0.1 s, and in samples: as in the script.
        near = [other for other in candidates if abs(other - onset) < MATCH_S * SAMPLE_RATE]
        labels.append(1)
        if not near:
            confidences.append(0.0)
            continue
        best = max(near, key=lambda other: (float(loudness[min(other, len(loudness) - 1)]), other))
        hits += 1
        confidences.append(_confidence(loudness, best))
        # Each generated onset is used once.
        candidates.remove(best)
        # The script stops here, so later true onsets do not count as misses. Kept for comparable values.
        if not candidates:
            break
    # Unmatched generated onsets are false positives.
    labels += [0] * len(candidates)
    confidences += [_confidence(loudness, onset) for onset in candidates]
    return CondFoleyScore(
        count_match=count_match,
        detection_accuracy=hits / len(truth),
        detection_ap=average_precision(np.array(labels), np.array(confidences)),
    )


def average_precision(labels: NDArray[np.integer], scores: NDArray[np.floating]) -> float:
    """Step-wise area under precision over recall, equal scores taken together, as scikit-learn computes it.

    `labels` are 0 or 1 with at least one 1; raises ValueError otherwise.
    """
    if not labels.sum():
        raise ValueError("average precision needs at least one positive label")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    # Equal scores cannot be ordered, so precision and recall are taken after all of them.
    last_of_equal = np.append(np.diff(scores[order]) != 0, True)
    precision = (hits / np.arange(1, len(hits) + 1))[last_of_equal]
    recall = (hits / hits[-1])[last_of_equal]
    # A sum of steps, not of trapezoids, which would interpolate precision over recalls that no threshold reaches.
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _prepare(sound: NDArray[np.float32], sample_rate: int, duration_s: float | None) -> NDArray[np.float64]:
    ratio = Fraction(SAMPLE_RATE, sample_rate)
    # In float64, which `music_onsets` computes in.
    resampled = resample_poly(np.asarray(sound, dtype=np.float64), ratio.numerator, ratio.denominator)
    return np.asarray(resampled[: None if duration_s is None else round(duration_s * SAMPLE_RATE)])


def _confidence(loudness: NDArray[np.floating], onset: int) -> float:
    around = loudness[max(0, onset - CONFIDENCE_SAMPLES) : onset + CONFIDENCE_SAMPLES]
    return float(around.max(initial=0.0))


def _suppress_neighbours(onsets: NDArray[np.int64], confidences: Sequence[float]) -> list[int]:
    remaining = [int(onset) for onset in onsets]
    kept: list[int] = []
    # From the strongest down: each removes the weaker ones near it.
    for index in np.argsort(confidences, kind="stable")[::-1]:
        strongest = int(onsets[index])
        if strongest not in remaining:
            continue
        kept.append(strongest)
        remaining.remove(strongest)
        position = 0
        while position < len(remaining):
            # As in the original, the onset after a suppressed one is passed over, and may stay.
            if abs(strongest - remaining[position]) < NEIGHBOUR_S * SAMPLE_RATE:
                del remaining[position]
            position += 1
    return sorted(kept)
