"""Alternatives of a chosen sound: others that fit as well, from other recordings first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from avlink import Sound
from avlink_library.singles import Single, clear_ones, singles_of


def other_singles(first: Single, sounds: Sequence[Sound], count: int) -> list[Single]:
    """Return up to `count` other single hits in `sounds`, which are ordered from the best.

    Each recording comes once before one comes twice, with the hit that is as loud as the chosen one.
    """
    ranks = _ranks(sounds)
    by_recording: dict[str, list[Single]] = defaultdict(list)
    for single in clear_ones(singles_of(sounds)):
        if (single.sound.digest, single.transient_s) != (first.sound.digest, first.transient_s):
            by_recording[single.sound.digest].append(single)
    turns: list[tuple[int, int, Single]] = []
    for digest, singles in by_recording.items():
        # The recording of the chosen hit has had its first turn.
        begin = 1 if digest == first.sound.digest else 0
        singles.sort(key=lambda one: (abs(one.peak_db - first.peak_db), one.id))
        turns += [(turn, ranks[digest], one) for turn, one in enumerate(singles, start=begin)]
    turns.sort(key=lambda one: one[:2])
    return [single for _, _, single in turns[:count]]


def other_sounds(first: Sound, sounds: Sequence[Sound], count: int) -> list[Sound]:
    """Return up to `count` other recordings, the best first, each content once."""
    others = {sound.digest: sound for sound in reversed(sounds) if sound.digest != first.digest}
    ranks = _ranks(sounds)
    return sorted(others.values(), key=lambda sound: ranks[sound.digest])[:count]


def _ranks(sounds: Sequence[Sound]) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for rank, sound in enumerate(sounds):
        ranks.setdefault(sound.digest, rank)
    return ranks
