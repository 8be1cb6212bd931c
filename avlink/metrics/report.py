"""Tables of figures as plain text, aligned, so that they read the same in a terminal, a log and a model card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Cell: TypeAlias = str | int | float | None


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, title: str = "") -> str:
    """Rows under their heads: words to the left, figures to the right, nothing where there is no value.

    Floats show three places. Raises ValueError for a row of another width than the heads.
    """
    for row in rows:
        if len(row) != len(heads):
            raise ValueError(f"a row of {len(row)} cells does not fit under {len(heads)} heads: {list(row)}")
    texts = [[_text(cell) for cell in row] for row in rows]
    numeric = [any(_is_figure(row[i]) for row in rows) for i in range(len(heads))]
    widths = [max(len(line[i]) for line in [list(heads), *texts]) for i in range(len(heads))]
    lines = [_line(line, widths, numeric) for line in [list(heads), ["-" * width for width in widths], *texts]]
    return "\n".join([title, *lines] if title else lines)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    ]
    return "  ".join(parts).rstrip()


def _is_figure(cell: Cell) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)
