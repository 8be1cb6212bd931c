"""The demands on a benchmark, and one measured figure beside its bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.process import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The sizes and the model of a measurement: a shipped bundle's name, or the folder of one.

    `footage` and `sounds` are folders like shared/real and shared/sounds, which stand in where they are None, but not
    in quick runs.
    """

    quick: bool = False
    model: str = "builtin"
    footage: Path | None = None
    sounds: Path | None = None

    def shared(self, name: str) -> Path | None:
        """Return a folder of shared material beside the checkout; None in quick runs, and where there is none."""
        folder = ROOT.parent / "shared" / name
        return None if self.quick or not folder.is_dir() else folder

    @property
    def overrides(self) -> list[str]:
        """Return the settings of a sonify recipe; a model takes one step where only its path is tried."""
        steps = ["backend.options.steps=1"] if self.quick else []
        return [f'backend.options.model="{self.model}"', *steps]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`value` in `unit`; `baseline` is in the same unit and comes from the same run. `at_most` is the bar, if any."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    baseline_name: str = ""
    at_most: float | None = None

    @property
    def ratio(self) -> float | None:
        """The figure over its baseline; None without one."""
        return self.value / self.baseline if self.baseline else None

    @property
    def held(self) -> bool | None:
        """Return whether the figure is within its bar; None without one."""
        return None if self.at_most is None else self.value <= self.at_most

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"ratio": self.ratio, "held": self.held}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Figure:
        """The figure that `to_json` wrote."""
        return cls(**{key: value for key, value in row.items() if key not in ("ratio", "held")})


def table(figures: Sequence[Figure]) -> str:
    """All figures as aligned lines under a heading."""
    rows = [("name", "figure", "unit", "baseline", "ratio", "bar", "")]
    for figure in figures:
        baseline = "" if figure.baseline is None else _short(figure.baseline)
        ratio = "" if figure.ratio is None else _short(figure.ratio)
        bar = "" if figure.at_most is None else f"{_short(figure.at_most)} {'held' if figure.held else 'MISSED'}"
        rows.append((figure.name, _short(figure.value), figure.unit, baseline, ratio, bar, figure.baseline_name))
    rows[0] = (*rows[0][:-1], "baseline is")
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    numbers = {1, 3, 4}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _short(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
