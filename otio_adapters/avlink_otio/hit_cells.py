"""The cell of a cue sheet that lists the hits of a clip: "1.25 step 0.8; 2.5-3.1 slide 0.4"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from avlink import Hit, hit_name
from avlink_otio.sheet import Row

COLUMN = "hits"
_SECONDS = r"\d{1,7}(?:[.,]\d{1,12})?"
_HIT = re.compile(rf"\s*({_SECONDS})(?:\s*[-\u2013]\s*({_SECONDS}))?(?:\s+(\S.*?))?\s*", re.DOTALL)


def write_hits(hits: Sequence[Hit]) -> str:
    """Return the cell of some hits, whose times are rounded to the microsecond."""
    return "; ".join(f"{_span(hit)} {hit_name(hit).replace(';', ',')}" for hit in hits)


def read_hits(row: Row) -> list[list[str]] | None:
    """Return the hits of a row as texts: start and end in seconds, equal for a moment, and name. None without a column.

    Raises `otio.exceptions.OTIOError` that names the row for a hit without a time.
    """
    if COLUMN not in row.cells:
        return None
    found = []
    for text in row.text(COLUMN).split(";"):
        if not text.strip():
            continue
        match = _HIT.fullmatch(text)
        if match is None:
            raise row.wrong(
                COLUMN, "holds a hit without a time; write seconds and a name: 1.25 step 0.8; 2.5-3.1 slide 0.4"
            )
        start, end = match[1].replace(",", "."), (match[2] or match[1]).replace(",", ".")
        if Fraction(end) < Fraction(start):
            raise row.wrong(COLUMN, "holds a range that ends before it starts")
        found.append([start, end, " ".join((match[3] or "hit").split())])
    return found


def _span(hit: Hit) -> str:
    start = _number(hit.time_s)
    return f"{start}-{_number(hit.time_s + hit.duration_s)}" if hit.duration_s else start


def _number(value: Fraction) -> str:
    text = f"{float(value):.6f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text
