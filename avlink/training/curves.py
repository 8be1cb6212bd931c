"""Loss curves and spectrograms as pictures, drawn with Pillow."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

_WIDTH, _HEIGHT, _MARGIN = 960, 480, 56
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")


def draw_curves(log: Path, picture: Path) -> None:
    """Draw the losses in a stage's log (thin: each step; thick: smoothed) and its validation figures (dots)."""
    rows = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.endswith("}")]
    if not rows:
        return
    skip = {"step", "seconds", "grad_norm", "lr", "skipped"}
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in skip]
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    canvas = ImageDraw.Draw(image)
    last = max(row["step"] for row in rows)
    values = [row[name] for row in rows for name in names if name in row and math.isfinite(row[name])]
    top = float(np.quantile(values, 0.99)) * 1.1 + 1e-9
    box = (_MARGIN, 16, _WIDTH - 16, _HEIGHT - 32)

    def place(step: float, value: float) -> tuple[float, float]:
        x = box[0] + (box[2] - box[0]) * step / max(1, last)
        return x, box[3] - (box[3] - box[1]) * min(max(value / top, 0.0), 1.0)

    for part in range(5):
        y = place(0, top * part / 4)[1]
        canvas.line((box[0], y, box[2], y), fill="#dddddd")
        canvas.text((4, y - 6), f"{top * part / 4:.3g}", fill="black")
    canvas.text((box[0], _HEIGHT - 24), f"0 .. {last} steps", fill="black")
    for number, name in enumerate(names):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [(row["step"], row[name]) for row in rows if name in row]
        canvas.text((box[2] - 150, box[1] + 14 * number), f"{name} {points[-1][1]:.4g}", fill=colour)
        if name.startswith("val_"):
            for step, value in points:
                x, y = place(step, value)
                canvas.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
            continue
        window = max(1, len(points) // 40)
        smooth = np.convolve([v for _, v in points], np.ones(window) / window, "valid")
        steps = [step for step, _ in points][window - 1 :]
        track = [place(s, v) for s, v in zip(steps, smooth, strict=True)]
        if len(track) > 1:
            canvas.line(track, fill=colour, width=2)
    picture.parent.mkdir(parents=True, exist_ok=True)
    image.save(picture)


def draw_mels(mels: list[Float[Tensor, "mels frames"]], picture: Path, marks_s: list[list[float]], fps: float) -> None:
    """Spectrograms below each other, low bands at the bottom, with a red tick above each at its `marks_s`."""
    strips = []
    for mel, marks in zip(mels, marks_s, strict=True):
        levels = ((mel.float() + 1) / 2).clamp(0, 1).numpy()[::-1]
        grey = np.repeat(np.repeat((levels * 255).astype(np.uint8), 2, 0), 2, 1)
        strip = np.stack([grey] * 3, axis=-1)
        band = np.full((10, strip.shape[1], 3), 255, np.uint8)
        for mark in marks:
            x = round(mark * fps * 2)
            if 0 <= x < band.shape[1]:
                band[:, max(0, x - 1) : x + 1] = (220, 0, 0)
        strips += [band, strip]
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(strips)).save(picture)
