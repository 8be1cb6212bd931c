"""Texts for people: lists with the first items and the number of the others, and words as names of files."""

from __future__ import annotations

import re
import unicodedata
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


def slug(text: str, length: int) -> str:
    """Return the letters and digits of a text in ASCII, joined by hyphens, of at most `length` characters."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", ascii_text)[:length].strip("-")
