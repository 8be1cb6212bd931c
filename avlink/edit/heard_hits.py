"""One list of hits from what is seen and what is heard of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from avlink.core.hits import Hit

SAME_S = Fraction(60, 1000)
"""A hit that is seen and one that is heard no further apart are one hit."""


def merged(seen: Sequence[Hit], heard: Sequence[Hit], *, covered: tuple[Fraction, Fraction]) -> tuple[Hit, ...]:
    """Return the hits of a clip, in order of time, whose guide covers the times in `covered`.

    Each hit that is heard is one; the nearest seen within `SAME_S` gives it its kind, place and length, and is used
    once. What is seen alone counts only where the guide is not.
    """
    pairs = sorted(
        (abs(one.time_s - other.time_s), here, there)
        for here, one in enumerate(heard)
        for there, other in enumerate(seen)
        if abs(one.time_s - other.time_s) <= SAME_S
    )
    of_heard: dict[int, int] = {}
    for _, here, there in pairs:
        if here not in of_heard and there not in of_heard.values():
            of_heard[here] = there
    hits = [hit if here not in of_heard else _both(seen[of_heard[here]], hit) for here, hit in enumerate(heard)]
    used = set(of_heard.values())
    hits += [hit for index, hit in enumerate(seen) if index not in used and not covered[0] <= hit.time_s < covered[1]]
    return tuple(sorted(hits, key=lambda hit: (hit.time_s, hit.kind)))


def _both(seen: Hit, heard: Hit) -> Hit:
    return replace(
        seen,
        time_s=heard.time_s,
        strength=heard.strength,
        confidence=max(seen.confidence, heard.confidence),
        place=seen.place or heard.place,
        heard=True,
    )
