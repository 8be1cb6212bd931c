"""Conversion of media time to sample and frame indices: the only rounding in the project.

Absolute times are rounded to the nearest index, halves up. Rounded durations are never added up: over 500 clips at
24000/1001 and 44.1 kHz that drifts by 131 samples.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from operator import index

_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,40}/[0-9]{1,40}|(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?)"
)
_GRID = 2**7 * 3**2 * 5**4 * 7**3 * 11 * 13
_NTSC_RATES = tuple(Fraction(base * 1000, 1001) for base in (24, 30, 48, 60, 120))


def to_index(time_s: Fraction, rate: Fraction | int) -> int:
    """Return the index at `rate` per second that is nearest to `time_s`; halves go up."""
    if type(time_s) is not Fraction or type(rate) is not int:
        time_s, rate = _plain_fraction(time_s), _plain_fraction(rate)
    # floor(time_s * rate + 1/2) in whole numbers, a tenth of the time of fractions.
    parts, of = time_s.numerator * rate.numerator, time_s.denominator * rate.denominator
    return (2 * parts + of) // (2 * of)


def _plain_fraction(value: float | Fraction) -> Fraction:
    # NumPy's integers stay what they are in a fraction, and overflow.
    return value if type(value) is Fraction else Fraction(index(value) if hasattr(value, "__index__") else float(value))


def count(start_s: Fraction, duration_s: Fraction, rate: Fraction | int) -> int:
    """Return the number of samples (or frames) between the rounded edges of a span."""
    return to_index(start_s + duration_s, rate) - to_index(start_s, rate)


def exact_rate(rate: float | Fraction) -> Fraction:
    """Return a frame rate as a fraction; literals such as 23.976 and 29.97 become 24000/1001 and 30000/1001.

    Raises ValueError for rates that are not positive and finite.
    """
    return _exact_rate(rate)


# Cached because a walk asks some ten times per clip, and a timeline has one or two rates.
@lru_cache(maxsize=256)
def _exact_rate(rate: float | Fraction) -> Fraction:
    if isinstance(rate, float) and rate != rate:
        raise ValueError("a frame rate must be a number, got nan")
    value = Fraction(rate).limit_denominator(1_000_000) if rate not in (float("inf"), float("-inf")) else Fraction(0)
    if value <= 0:
        raise ValueError(f"a frame rate must be positive, got {rate}")
    for ntsc in _NTSC_RATES:
        # 23.976 and 23.98 are both written for 24000/1001; whole rates lie 0.024 or more away.
        if value != round(value) and abs(value - ntsc) < Fraction(1, 100):
            return ntsc
    return value


def exact_time(value: float, rate: float | Fraction) -> Fraction:
    """Return the rational time `value` at `rate` per second in exact seconds; parts of a frame lie on a fine grid."""
    if isinstance(value, float) and value.is_integer():
        return Fraction(int(value)) / exact_rate(rate)
    return on_grid(Fraction(value)) / exact_rate(rate)


def exact_number(text: str) -> Fraction:
    """Return a number such as "25", "29.97", "1e-3" or "30000/1001" exactly.

    Raises ValueError for other text and for more digits than any time has: the digits of "1e999999999" fill the memory.
    """
    found = _NUMBER.fullmatch(text.strip())
    try:
        if found is not None:
            return Fraction(found[0])
    except ZeroDivisionError:
        pass
    raise ValueError(f"'{text[:40]}' is no number")


def on_grid(value: Fraction) -> Fraction:
    """Return the nearest value on a grid that has all simple parts of a frame or second: thirds, samples, milliseconds.

    Sums over thousands of clips with arbitrary fractions would have numbers of thousands of digits.
    """
    return Fraction(round(value * _GRID), _GRID)
