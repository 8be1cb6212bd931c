"""How far raters agree beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha for nominal values (Krippendorff, Content Analysis, 3rd ed. 2013, section 12.3.3).

    Each unit is the values that it was given, by any number of raters: a unit of one value says nothing and is left
    out. 1 is perfect agreement, 0 what chance gives. None where nothing can be said: no unit with two values, or one
    value throughout, when agreement has nothing to be measured against. Fleiss' kappa would want the same number of
    raters everywhere, which a study that is under way does not have.
    """
    totals: Counter[Hashable] = Counter()
    disagreement = 0.0
    for values in units:
        count = len(values)
        if count < 2:
            continue
        here = Counter(values)
        totals.update(here)
        disagreement += (count * count - sum(number * number for number in here.values())) / (count - 1)
    whole = sum(totals.values())
    expected = whole * whole - sum(number * number for number in totals.values())
    return 1 - (whole - 1) * disagreement / expected if expected else None
