"""The tables of an ablation: every variant with its cost and scores, sweeps over flow times, and learning curves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from avlink.ablation.measure import VariantScores
from avlink.ablation.plots import Curve, draw_bars, draw_curves
from avlink.ablation.runs import CurvePoint
from avlink.core.paths import write_text
from avlink.evaluation.section import Cell, Section

_SOUND = ("flow_loss", "blind_loss", "f1_100ms", "error", "chance", "f1_50ms", "onset_acc", "material", "log_mel_db")
_NUMBERS = [
    field.name for field in fields(VariantScores) if field.type in ("float", "float | None") and field.name != "at"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AblateReport:
    """All rows of an ablation, seed by seed, in the recipe's order of variants."""

    compute: str
    clips: int
    rows: tuple[VariantScores, ...]
    curves: tuple[CurvePoint, ...] = ()

    @property
    def means(self) -> tuple[VariantScores, ...]:
        """A row per variant, and per flow time of a sweep, averaged over seeds."""
        alike: dict[tuple[str, float | None], list[VariantScores]] = {}
        for row in self.rows:
            alike.setdefault((row.name, row.at), []).append(row)
        return tuple(_mean(rows) for rows in alike.values())

    def to_json(self) -> dict[str, Any]:
        """Return one object, with all scores of every row."""
        return {
            "compute": self.compute,
            "clips": self.clips,
            "rows": [asdict(row) for row in self.rows],
            "curves": [asdict(point) for point in self.curves],
        }

    def sections(self) -> list[Section]:
        """Return the tables that have rows: cost, sound, pictures, both sweeps, learning curves."""
        means, seeds = self.means, Counter(row.name for row in self.rows if row.at is None)
        plain = [row for row in means if row.at is None]
        found = [
            _section(
                "spent",
                f"Trained with equal {self.compute}",
                ("variant", "makes", "trained_M", "gflops_step", "steps", "seeds", "seconds_step"),
                [
                    (r.name, r.makes, r.parameters / 1e6, r.gflops_step, r.steps, seeds[r.name], r.seconds_step)
                    for r in plain
                ],
            ),
            _section(
                "sound",
                f"Sound for silent pictures without captions, {self.clips} held-out clips",
                ("variant", *_SOUND),
                [(r.name, *_sound(r)) for r in plain if r.f1 is not None],
            ),
            _section(
                "pictures",
                "Changes of pictures against what sounds, within 200 ms",
                ("variant", "makes", "f1_200ms", "chance"),
                [(r.name, r.makes, r.picture_f1, r.picture_chance) for r in plain if r.picture_f1 is not None],
            ),
            _section(
                "sweep",
                "One model, its conditioning pictures at one flow time after the other",
                ("variant", "t", *_SOUND),
                [(r.name, r.at, *_sound(r)) for r in means if r.at is not None and r.f1 is not None],
            ),
            _section(
                "picture_sweep",
                "One model, its conditioning sound at one flow time after the other",
                ("variant", "t", "f1_200ms", "chance"),
                [
                    (r.name, r.at, r.picture_f1, r.picture_chance)
                    for r in means
                    if r.at is not None and r.picture_f1 is not None
                ],
            ),
            _section(
                "curves",
                "F1 on held-out clips while the variants learn",
                ("variant", "step", "f1"),
                [(name, int(step), f1) for name, curve in self._learned().items() for step, f1 in curve.points],
            ),
        ]
        return [section for section in found if section.rows]

    def lines(self) -> list[str]:
        """Return the tables as text."""
        return [section.text() + "\n" for section in self.sections()]

    def write(self, out: Path) -> None:
        """Write `table.txt` and `table.json` into `out`, and the plots that have points."""
        write_text(out / "table.txt", "\n".join(self.lines()))
        write_text(out / "table.json", json.dumps(self.to_json(), indent=1) + "\n")
        if plain := [row for row in self.means if row.f1 is not None and row.at is None]:
            draw_bars(plain, out / "table.png")
        if swept := self._swept():
            draw_curves(swept, out / "sweep.png", title="F1 over the flow time of the condition", axis="flow time")
        if learned := self._learned():
            end = max(point.step for point in self.curves)
            draw_curves(learned, out / "curves.png", title="F1 on held-out clips", axis="steps", end=end)

    def _swept(self) -> dict[str, Curve]:
        """Return F1 and chance over flow time, of each variant and what it makes."""
        found: dict[str, Curve] = {}
        for name in dict.fromkeys(row.name for row in self.means if row.at is not None):
            rows = [row for row in self.means if row.name == name and row.at is not None]
            for made, score, chance in (("sound", "f1", "chance"), ("pictures", "picture_f1", "picture_chance")):
                points, below = (
                    [(row.at or 0.0, getattr(row, key)) for row in rows if getattr(row, key) is not None]
                    for key in (score, chance)
                )
                if points:
                    found[f"{name} ({made})"] = Curve(points=points, chance=below)
        return found

    def _learned(self) -> dict[str, Curve]:
        """Return the mean F1 over seeds by steps, of each variant that was followed."""
        found: dict[str, dict[int, list[float]]] = {}
        for point in self.curves:
            found.setdefault(point.name, {}).setdefault(point.step, []).append(point.f1)
        return {
            name: Curve(points=[(step, float(np.mean(f1))) for step, f1 in sorted(by_step.items())])
            for name, by_step in found.items()
        }


def _mean(rows: Sequence[VariantScores]) -> VariantScores:
    """Return the mean of a variant over its seeds, with the standard error of F1 between seeds instead of clips."""
    if len(rows) == 1:
        return rows[0]
    numbers: dict[str, Any] = {}
    for name in _NUMBERS:
        values = [getattr(row, name) for row in rows]
        # A mean over some of the seeds would not be comparable.
        numbers[name] = None if None in values else float(np.mean(values))
    scores = [row.f1 for row in rows if row.f1 is not None]
    numbers["f1_error"] = float(np.std(scores, ddof=1) / len(scores) ** 0.5) if len(scores) > 1 else None
    return replace(rows[0], **numbers)


def _section(key: str, title: str, heads: tuple[str, ...], rows: Sequence[tuple[Cell, ...]]) -> Section:
    return Section(key=key, title=title, heads=heads, rows=tuple(rows))


def _sound(row: VariantScores) -> tuple[Cell, ...]:
    return (
        row.flow_loss,
        row.blind_loss,
        row.f1,
        row.f1_error,
        row.chance,
        row.f1_50ms,
        row.onset_acc,
        row.material,
        row.log_mel_db,
    )
