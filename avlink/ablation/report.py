"""The table of an ablation and its plots: F1 of every variant with its error, and F1 over flow times."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from avlink.ablation.measure import VariantScores
from avlink.core.paths import atomic_write, write_text
from avlink.evaluation.section import Cell, Section

_SOUND = ("flow_loss", "blind_loss", "f1_100ms", "error", "chance", "f1_50ms", "onset_acc", "material", "log_mel_db")
_NUMBERS = [
    field.name for field in fields(VariantScores) if field.type in ("float", "float | None") and field.name != "at"
]
_BLUE, _ORANGE, _GREY, _INK = "#3465a4", "#c17d11", "#888a85", "#2e3436"


@dataclass(frozen=True, slots=True, kw_only=True)
class AblateReport:
    """All rows of an ablation, seed by seed, in the recipe's order of variants."""

    compute: str
    clips: int
    rows: tuple[VariantScores, ...]

    @property
    def means(self) -> tuple[VariantScores, ...]:
        """A row per variant, and per flow time of a sweep, averaged over seeds."""
        alike: dict[tuple[str, float | None], list[VariantScores]] = {}
        for row in self.rows:
            alike.setdefault((row.name, row.at), []).append(row)
        return tuple(_mean(rows) for rows in alike.values())

    def to_json(self) -> dict[str, Any]:
        """Return one object, with all scores of every row."""
        return {"compute": self.compute, "clips": self.clips, "rows": [asdict(row) for row in self.rows]}

    def sections(self) -> list[Section]:
        """Return the tables that have rows: cost, sound from pictures, pictures, the sweep."""
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
                "One model, its conditioning side at one flow time after the other",
                ("t", *_SOUND),
                [(r.at, *_sound(r)) for r in means if r.at is not None and r.f1 is not None],
            ),
        ]
        return [section for section in found if section.rows]

    def lines(self) -> list[str]:
        """Return the tables as text."""
        return [section.text() + "\n" for section in self.sections()]

    def write(self, out: Path) -> None:
        """Write `table.txt` and `table.json` into `out`, and `table.png` and `sweep.png` if they have rows."""
        write_text(out / "table.txt", "\n".join(self.lines()))
        write_text(out / "table.json", json.dumps(self.to_json(), indent=1) + "\n")
        with_sound = [row for row in self.means if row.f1 is not None]
        if plain := [row for row in with_sound if row.at is None]:
            _draw_bars(plain, out / "table.png")
        if swept := [row for row in with_sound if row.at is not None]:
            _draw_sweep(swept, out / "sweep.png")


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


def _draw_bars(rows: Sequence[VariantScores], path: Path) -> None:
    """Draw a bar from 0 to 1 per variant, a line of two standard errors, and a tick at chance."""
    from PIL import Image, ImageDraw, ImageFont

    step, left, width = 34, 230, 640
    image = Image.new("RGB", (left + width + 90, 60 + step * len(rows)), "white")
    canvas, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    canvas.text((left, 8), "Onset F1 within 100 ms (line: two standard errors; tick: chance)", _INK, font)
    for number, row in enumerate(rows):
        assert row.f1 is not None
        y = 40 + step * number
        end = left + width * row.f1
        canvas.text((8, y + 2), row.name, _INK, font)
        # The first variant, whose FLOPs are the budget of the others, has another colour.
        canvas.rectangle((left, y, end, y + 20), _BLUE if number else _ORANGE)
        if row.f1_error is not None:
            half = 2 * width * row.f1_error
            canvas.line((end - half, y + 10, end + half, y + 10), _INK, 2)
        if row.chance is not None:
            at = left + width * row.chance
            canvas.line((at, y - 3, at, y + 23), _GREY, 3)
        canvas.text((left + width + 12, y + 2), f"{row.f1:.3f}", _INK, font)
    canvas.line((left, 36, left, 40 + step * len(rows)), _INK)
    with atomic_write(path) as hidden:
        image.save(hidden, "PNG")


def _draw_sweep(rows: Sequence[VariantScores], path: Path) -> None:
    """Draw F1 and chance over the flow time of the conditioning side, as figure 3 of the paper does."""
    from PIL import Image, ImageDraw, ImageFont

    width, height, margin = 720, 420, 60
    image = Image.new("RGB", (width, height), "white")
    canvas, font = ImageDraw.Draw(image), ImageFont.load_default(15)

    def place(at: float, value: float) -> tuple[float, float]:
        return margin + (width - 2 * margin) * at, height - margin - (height - 2 * margin) * value

    for part in range(6):
        value = part / 5
        canvas.line((*place(0, value), *place(1, value)), "#dddddd")
        canvas.text((16, place(0, value)[1] - 9), f"{value:.1f}", _INK, font)
        canvas.text((place(value, 0)[0] - 10, height - margin + 8), f"{value:.1f}", _INK, font)
    canvas.text((margin, 14), "Onset F1 within 100 ms over the flow time of the conditioning picture", _INK, font)
    canvas.text((width // 2 - 40, height - 26), "flow time", _INK, font)
    curves = (("f1", _BLUE, 3), ("chance", _GREY, 2))
    for name, colour, thick in curves:
        points = [(row.at or 0.0, getattr(row, name)) for row in rows if getattr(row, name) is not None]
        if len(points) > 1:
            canvas.line([place(*point) for point in sorted(points)], colour, thick)
        for point in points:
            x, y = place(*point)
            canvas.ellipse((x - 4, y - 4, x + 4, y + 4), colour)
    with atomic_write(path) as hidden:
        image.save(hidden, "PNG")
