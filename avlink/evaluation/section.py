"""A table of scores, as plain text and as JSON, and its rows of onset scores.

Plain text is aligned, so that it reads the same in a terminal, a log and a model card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from avlink.metrics.sync import onset_summary, shuffled_chance

Cell: TypeAlias = str | int | float | None
Times: TypeAlias = Sequence[NDArray[np.float64]]
"""Times in seconds, one array per clip."""

WIDE_S, NARROW_S = 0.1, 0.05
"""Windows for onsets of sounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table: `key` names it in JSON, `heads` name its columns."""

    key: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the title, and each row as an object."""
        return {"title": self.title, "rows": [dict(zip(self.heads, row, strict=True)) for row in self.rows]}

    def text(self) -> str:
        """Return the table as plain text under its title."""
        return plain_table(self.heads, self.rows, title=self.title)


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, title: str = "") -> str:
    """Return rows under their heads: text left-aligned, numbers right-aligned, None as blank.

    Floats show three decimals. Raises ValueError for a row of another width than the heads.
    """
    for row in rows:
        if len(row) != len(heads):
            raise ValueError(f"a row of {len(row)} cells does not fit under {len(heads)} heads: {list(row)}")
    texts = [[_text(cell) for cell in row] for row in rows]
    # A column is a column of numbers if one row has one: blanks align with them.
    numeric = [any(_is_number(row[i]) for row in rows) for i in range(len(heads))]
    widths = [max(len(line[i]) for line in [list(heads), *texts]) for i in range(len(heads))]
    lines = [_line(line, widths, numeric) for line in [list(heads), ["-" * width for width in widths], *texts]]
    return "\n".join([title, *lines] if title else lines)


def onset_heads(windows_s: Sequence[float] = (WIDE_S, NARROW_S)) -> tuple[str, ...]:
    """Return the columns of `onset_row`; precision, recall, counts and offset belong to the first window."""
    wide, *narrower = (f"{1000 * window_s:.0f}ms" for window_s in windows_s)
    more = [name for window in narrower for name in (f"f1_{window}", f"chance_{window}")]
    first = ("what", f"precision_{wide}", f"recall_{wide}", f"f1_{wide}", f"chance_{wide}")
    return (*first, *more, "offset_ms", "count_exact", "count_within_1", "clips", "excluded")


def onset_row(
    name: str, truth: Times, found: Times, windows_s: Sequence[float] = (WIDE_S, NARROW_S)
) -> tuple[Cell, ...]:
    """Return scores of `found` against `truth`, with shuffled pairs of the same clips as chance; see `onset_heads`."""
    scores = [onset_summary(truth, found, window_s) for window_s in windows_s]
    chance = [shuffled_chance(truth, found, window_s) for window_s in windows_s]
    by_window = [
        value
        for score, other in zip(scores, chance, strict=True)
        for value in (score.f1, None if other is None else other.f1)
    ]
    wide = scores[0]
    return (
        name,
        wide.precision,
        wide.recall,
        *by_window,
        None if wide.mean_abs_offset_s is None else 1000 * wide.mean_abs_offset_s,
        wide.count_exact,
        wide.count_within_one,
        wide.num_clips,
        wide.num_excluded,
    )


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    ]
    return "  ".join(parts).rstrip()


def _is_number(cell: Cell) -> bool:
    # bool is an int to Python, and a word to a reader.
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)
