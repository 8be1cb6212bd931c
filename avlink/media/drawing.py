"""Drawing on pictures: rings, bars and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

_TALL = 20
_EDGE = (16, 16, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A ring with a label, and a bar below it that is filled up to `share`, 0 to 1.

    `place` is (x, y), each 0 to 1 from the upper left corner; None puts the mark at the lower edge. `radius` is that of
    the ring as a share of the height of the picture.
    """

    label: str
    share: float
    colour: Colour
    place: tuple[float, float] | None = None
    radius: float = 0.06


def drawn(picture: NDArray[np.uint8], marks: Sequence[Mark]) -> NDArray[np.uint8]:
    """Return a picture, RGB uint8 (height, width, 3), with marks; those at the edge stand side by side.

    Where labels would lie over each other, that of the later mark is seen.
    """
    if not marks:
        return picture
    from PIL import Image, ImageDraw, ImageFont

    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    size = max(8, height // _TALL)
    font = ImageFont.load_default(size)
    line, at_edge = max(1, height // 180), 0
    labels: list[tuple[float, float, float, float]] = []
    for mark in reversed(marks):
        ring = max(3.0, mark.radius * height)
        if mark.place is None:
            x, y = (size + at_edge * 8 * size) % max(1, width - size), height - 2.0 * size
            ring, at_edge = size / 2, at_edge + 1
        else:
            x, y = mark.place[0] * width, mark.place[1] * height
        for extra, colour in ((line, _EDGE), (0, mark.colour)):
            reach = ring + extra
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), outline=colour, width=line * 2)
        wide = max(pen.textlength(mark.label, font=font), size * 3.0)
        # Beside the ring, on the side with room, and never outside of the picture.
        left = x + ring + size / 2
        if left + wide > width:
            left = x - ring - size / 2 - wide
        left, top = min(max(0.0, left), max(0.0, width - wide)), max(0.0, min(y - size, height - 1.7 * size))
        box = (left, top, left + wide, top + 1.6 * size)
        if any(box[0] < x1 and x0 < box[2] and box[1] < y1 and y0 < box[3] for x0, y0, x1, y1 in labels):
            continue
        labels.append(box)
        pen.text((left, top), mark.label, font=font, fill=mark.colour, stroke_width=line, stroke_fill=_EDGE)
        bar, below = size * 3.0, top + 1.3 * size
        pen.rectangle((left, below, left + bar, below + size / 4), fill=_EDGE)
        if mark.share > 0:
            pen.rectangle((left, below, left + bar * min(1.0, mark.share), below + size / 4), fill=mark.colour)
    return np.asarray(image)
