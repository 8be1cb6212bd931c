"""Variations of a recording within stated bounds, drawn from the seed of a clip and the hit itself."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from avlink import Hit, derive_seed, fraction_text
from avlink_library.options import LibraryOptions

_SPEEDS, _FILTERS = 5, 3
"""Numbers of different speeds and filters: hits share what was computed, and more cannot be told apart."""

_FINEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """A change of a recording: its speed with its pitch, the level of its treble, and its level."""

    speed: Fraction = Fraction(1)
    treble_db: float = 0.0
    level_db: float = 0.0


UNVARIED = Variation()


def variation_of(hit: Hit, seed: int, options: LibraryOptions) -> Variation:
    """Return the variation of a hit, the same for the same seed, hit and options."""
    if not options.vary:
        return UNVARIED
    drawn = derive_seed("vary", seed, fraction_text(hit.time_s), hit.kind, hit.words)
    drawn, speed = divmod(drawn, _SPEEDS)
    drawn, treble = divmod(drawn, _FILTERS)
    level = drawn % 1000 / 999
    octaves = options.vary_cents / 1200 * _spread(speed, _SPEEDS)
    return Variation(
        speed=_within(2.0**octaves, options.vary_cents),
        treble_db=options.vary_filter_db * _spread(treble, _FILTERS),
        level_db=options.vary_level_db * (2 * level - 1),
    )


def _spread(number: int, count: int) -> float:
    return 2 * number / (count - 1) - 1


@lru_cache(maxsize=64)
def _within(speed: float, cents: float) -> Fraction:
    """Return the nearest ratio of small numbers that is not beyond the bound."""
    near = Fraction(speed).limit_denominator(_FINEST)
    most = 2.0 ** (cents / 1200)
    return near if 1 / most <= near <= most else Fraction(speed)
