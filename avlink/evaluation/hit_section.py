"""Scores of a model that is told the hits: does it follow them where the picture shows others?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from avlink.core.hits import UNKNOWN_KIND, Hit
from avlink.evaluation.section import NARROW_S, WIDE_S, Cell, Section, Times
from avlink.metrics.sync import onset_summary

_APART_S = 0.2
"""Least time between an added hit and every other one: what sounds there is then heard alone."""
_EDGE_S = 0.3
_ATTACK_S = (-0.005, 0.06)
"""Stretch about a hit, in which its level is measured."""
_FEWEST_RANKED = 4
"""A rank correlation of fewer hits says little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedHits:
    """Hits after the edits of a person: one deleted, one added, every strength set anew.

    `deleted_s` is None for a clip of fewer than two hits, `added_s` for one without room.
    """

    hits: tuple[Hit, ...]
    deleted_s: float | None
    added_s: float | None


def edit_hits(hits: Sequence[Hit], duration_s: float, rng: np.random.Generator) -> EditedHits:
    """Return edited hits, ascending."""
    new, deleted_s, added_s = list(hits), None, None
    free = [
        moment
        for moment in np.arange(_EDGE_S, duration_s - _EDGE_S, 0.05).tolist()
        if all(abs(moment - float(hit.time_s)) > _APART_S for hit in hits)
    ]
    if len(new) >= 2:
        deleted_s = float(new.pop(int(rng.integers(len(new)))).time_s)
    if free:
        added_s = float(free[int(rng.integers(len(free)))])
        new.append(Hit(time_s=Fraction(added_s), kind=hits[0].kind if hits else UNKNOWN_KIND))
    new.sort(key=lambda hit: hit.time_s)
    drawn = tuple(replace(hit, strength=float(rng.uniform(0.1, 1.0))) for hit in new)
    return EditedHits(hits=drawn, deleted_s=deleted_s, added_s=added_s)


def hit_section(
    split: str, edits: Sequence[EditedHits], sounds: NDArray[np.float32], onsets_s: Times, sample_rate: int
) -> Section:
    """Return how well sounds follow edited hits: F1, deleted hits that are silent, added ones that are heard, loudness.

    Windows are those of onsets; a deleted or added hit is looked for within 50 ms. The rank correlation is between the
    strengths of a clip's hits and the peaks at them, averaged over clips of four or more.
    """
    truth = [np.array([float(hit.time_s) for hit in edit.hits]) for edit in edits]
    deleted = [not _near(found, edit.deleted_s) for edit, found in zip(edits, onsets_s, strict=True) if edit.deleted_s]
    added = [_near(found, edit.added_s) for edit, found in zip(edits, onsets_s, strict=True) if edit.added_s]
    ranks = [
        _rank_correlation(edit.hits, sound, sample_rate)
        for edit, sound in zip(edits, sounds, strict=True)
        if len(edit.hits) >= _FEWEST_RANKED
    ]
    row: tuple[Cell, ...] = (
        "model with edited hits",
        onset_summary(truth, onsets_s, WIDE_S).f1,
        onset_summary(truth, onsets_s, NARROW_S).f1,
        float(np.mean(deleted)) if deleted else None,
        float(np.mean(added)) if added else None,
        float(np.mean(ranks)) if ranks else None,
        len(edits),
    )
    heads = ("what", "f1_100ms", "f1_50ms", "deleted_is_silent", "added_is_heard", "strength_rank", "clips")
    return Section(key=f"{split}.hits", title=f"Edited hits, against the picture, {split}", heads=heads, rows=(row,))


def _near(found: NDArray[np.float64], moment_s: float | None) -> bool:
    return moment_s is not None and bool(np.any(np.abs(found - moment_s) <= NARROW_S))


def _rank_correlation(hits: Sequence[Hit], sound: NDArray[np.float32], sample_rate: int) -> float:
    peaks = []
    for hit in hits:
        first, last = (max(0, round((float(hit.time_s) + edge) * sample_rate)) for edge in _ATTACK_S)
        peaks.append(float(np.abs(sound[first:last]).max(initial=0.0)))
    found = float(spearmanr([hit.strength for hit in hits], peaks).statistic)
    # Equal peaks have no ranks: the strength is not followed.
    return found if np.isfinite(found) else 0.0
