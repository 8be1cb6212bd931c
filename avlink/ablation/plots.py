"""The plots of an ablation: bars of F1, and lines over the flow time of a sweep or the steps of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avlink.ablation.measure import VariantScores
from avlink.core.paths import atomic_write

_BLUE, _ORANGE, _GREY, _INK = "#3465a4", "#c17d11", "#888a85", "#2e3436"
_LINES = (_BLUE, _ORANGE, "#4e9a06", "#a40000", "#75507b")

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points (x, F1) of one line, and of chance below it."""

    points: Points
    chance: Points = ()


def draw_bars(rows: Sequence[VariantScores], path: Path) -> None:
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


def draw_curves(curves: Mapping[str, Curve], path: Path, *, title: str, axis: str, end: float = 1.0) -> None:
    """Draw F1, 0 to 1, over x, 0 to `end`: a line for each curve with its name, and a grey one for its chance."""
    from PIL import Image, ImageDraw, ImageFont

    width, height, margin = 720, 420 + 20 * len(curves), 60
    bottom = 420 - margin
    image = Image.new("RGB", (width, height), "white")
    canvas, font = ImageDraw.Draw(image), ImageFont.load_default(15)

    def place(x: float, y: float) -> tuple[float, float]:
        return margin + (width - 2 * margin) * x / end, bottom - (bottom - margin) * y

    canvas.text((margin, 14), title, _INK, font)
    for part in range(6):
        share = part / 5
        canvas.line((*place(0, share), *place(end, share)), "#dddddd")
        canvas.text((16, place(0, share)[1] - 9), f"{share:.1f}", _INK, font)
        canvas.text((place(share * end, 0)[0] - 10, bottom + 8), f"{share * end:g}", _INK, font)
    canvas.text((width // 2 - 40, bottom + 30), axis, _INK, font)
    for number, (name, curve) in enumerate(curves.items()):
        colour = _LINES[number % len(_LINES)]
        canvas.text((margin, bottom + 54 + 20 * number), name, colour, font)
        for points, shade, thick in ((curve.chance, _GREY, 2), (curve.points, colour, 3)):
            placed = [place(*point) for point in sorted(points)]
            if len(placed) > 1:
                canvas.line(placed, shade, thick)
            for x, y in placed:
                canvas.ellipse((x - 4, y - 4, x + 4, y + 4), shade)
    with atomic_write(path) as hidden:
        image.save(hidden, "PNG")
