"""Folds of a cross-validation: whole clips, and all clips of one film together where there are enough films."""

from __future__ import annotations

from collections.abc import Sequence

from avlink.core.errors import InputError
from avlink.training.spotting.footage import TaughtClip

NUM_FOLDS = 4
LEAST_HITS = 20


def check_enough(clips: Sequence[TaughtClip]) -> None:
    """Raise InputError where there are too few clips or hits to hold some back."""
    counted = [clip for clip in clips if clip.true_s]
    hits = sum(len(clip.true_s) for clip in counted)
    if len(counted) < NUM_FOLDS or hits < LEAST_HITS:
        raise InputError(
            f"too little to learn from: {hits} hits in {len(counted)} clips; at least {LEAST_HITS} hits in {NUM_FOLDS} "
            "clips are needed, since some are held back to measure the gain: add clips with sound, or correct the "
            "markers of more, or cut long ones"
        )


def folds_of(clips: Sequence[TaughtClip]) -> tuple[list[int | None], bool]:
    """Return the fold of each clip, None for one without hits, which is always learned from; and whether films count.

    Where there are at least `NUM_FOLDS` films, the clips of one film lie in one fold: they look alike. Folds have
    about the same number of hits.
    """
    films = {clip.source.digest for clip in clips if clip.true_s}
    by_film = len(films) >= NUM_FOLDS
    units: dict[str, list[int]] = {}
    for index, clip in enumerate(clips):
        if clip.true_s:
            units.setdefault(clip.source.digest if by_film else clip.key, []).append(index)
    sizes = {unit: sum(len(clips[index].true_s) for index in members) for unit, members in units.items()}
    filled = [0] * NUM_FOLDS
    folds: list[int | None] = [None] * len(clips)
    # The largest first, each into the emptiest fold: all folds are used, and none is much larger than others.
    for unit in sorted(units, key=lambda unit: (-sizes[unit], unit)):
        fold = filled.index(min(filled))
        filled[fold] += sizes[unit]
        for index in units[unit]:
            folds[index] = fold
    return folds, by_film
