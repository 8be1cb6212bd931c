"""The choice of a single hit of a recording for each hit of a clip: without repeats, and spread over all that fit."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from avlink import Hit, derive_seed, fraction_text
from avlink_library.singles import Single
from avlink_library.wanted import Wanted

_REACH = 8
"""Hits on each side whose recordings are avoided, as far as there are others."""

_PAIR = 2
"""This many single hits can only alternate, which goes by the order of time."""

_FEW = 6
"""With more single hits than this, strength decides which of them are taken."""


def choose(
    hits: Sequence[Hit],
    wanted: Sequence[Wanted],
    fitting: Mapping[Wanted, Sequence[Single]],
    seed: int,
    *,
    known: Mapping[int, Single] | None = None,
) -> list[Single | None]:
    """Return a single hit for each hit, None where none fits. Hits are in the order of time.

    No two hits in a row get the same one while there is another. Each hit has an order of preference of its own, and
    hits are served in an order of their own too, so that a hit that comes or goes changes the choice of few others;
    where two singles are all that there is, they alternate. `known` are choices that stay, by the number of the hit.
    """
    chosen: list[Single | None] = [None] * len(hits)
    done = [False] * len(hits)
    for number, single in (known or {}).items():
        chosen[number], done[number] = single, True
    ids = {id(row): np.array([one.id for one in row], np.uint64) for row in fitting.values()}
    groups: dict[Wanted, list[int]] = {}
    for number, one in enumerate(wanted):
        groups.setdefault(one, []).append(number)
    places = {number: place for row in groups.values() for place, number in enumerate(row)}
    own = [_seed(seed, hit) for hit in hits]
    for number in _turns(wanted, fitting, own):
        row = fitting.get(wanted[number], ())
        if done[number] or not row:
            continue
        low, high = _of_strength(len(row), hits[number].strength)
        costs = _costs(number, places[number], groups[wanted[number]], chosen, row, low, high)
        order = _mixed(ids[id(row)][low:high], own[number])
        best = np.lexsort((order, costs))[0]
        chosen[number], done[number] = row[low + int(best)], True
    return chosen


def _seed(seed: int, hit: Hit) -> int:
    return derive_seed(seed, fraction_text(hit.time_s), hit.kind, hit.words)


def _turns(wanted: Sequence[Wanted], fitting: Mapping[Wanted, Sequence[Single]], own: Sequence[int]) -> list[int]:
    """Return the numbers of hits in the order in which they choose: by time where there are too few to choose from."""
    heap = [
        ((0, number) if len(fitting.get(one, ())) <= _PAIR else (1, own[number]), number)
        for number, one in enumerate(wanted)
    ]
    heapq.heapify(heap)
    return [heapq.heappop(heap)[1] for _ in range(len(heap))]


def _of_strength(count: int, strength: float) -> tuple[int, int]:
    """Return the span of singles, from soft to loud, that suit a strength."""
    if count <= _FEW:
        return 0, count
    size = max(_FEW, math.ceil(count / 2))
    low = round((count - size) * strength)
    return low, low + size


def _costs(
    number: int,
    place: int,
    group: Sequence[int],
    chosen: Sequence[Single | None],
    row: Sequence[Single],
    low: int,
    high: int,
) -> NDArray[np.float64]:
    """Return how much each single of a span would repeat what is near."""
    near: dict[int, float] = {}

    def note(other: int, weight: float) -> None:
        single = chosen[other] if 0 <= other < len(chosen) else None
        if single is not None and other != number:
            near[id(single)] = near.get(id(single), 0.0) + weight

    for step in range(1, _REACH + 1):
        for at in (place - step, place + step):
            if 0 <= at < len(group):
                note(group[at], 8.0 if step == 1 else 1.0 / step)
    for other in (number - 1, number + 1):
        note(other, 4.0)
    return np.array([near.get(id(single), 0.0) for single in row[low:high]])


def _mixed(ids: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Return numbers that look random, of a seed and each id (the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        mixed = ids ^ np.uint64(seed)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)
