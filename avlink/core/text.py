"""Lists in the messages for people: the first items, and the number of the others."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice


def first_names(names: Collection[str], *, most: int = 3, hint: str = "") -> str:
    """Return up to `most` names, and the number of the others: "a, b, c and 4 more".

    `hint` follows where names are left out: "a, b, c and 4 more (--json names all)".
    """
    more = f" and {len(names) - most} more{hint}" if len(names) > most else ""
    return ", ".join(islice(names, most)) + more


def first_reasons(reasons: Collection[str], *, most: int = 3) -> str:
    """Return up to `most` reasons, and the number of the others: "a; b; c (and 4 more)"."""
    more = f" (and {len(reasons) - most} more)" if len(reasons) > most else ""
    return "; ".join(islice(reasons, most)) + more
