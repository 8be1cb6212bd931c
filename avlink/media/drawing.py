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
    """Return a picture, RGB uint8 (height, width, 3), with marks; those at the edge stand side by side."""
    if not marks:
        return picture
    from PIL import Image, ImageDraw, ImageFont

    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    size = max(8, height // _TALL)
    font = ImageFont.load_default(size)
    line, at_edge = max(1, height // 180), 0
    for mark in marks:
        ring = max(3.0, mark.radius * height)
        if mark.place is None:
            slot = size * 6
            x, y = (size + at_edge * slot) % max(1, width - size), height - 2.0 * size
            ring, at_edge = size / 2, at_edge + 1
        else:
            x, y = mark.place[0] * width, mark.place[1] * height
        for extra, colour in ((line, _EDGE), (0, mark.colour)):
            reach = ring + extra
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), outline=colour, width=line * 2)
        left, _, right, _ = pen.textbbox((0, 0), mark.label, font=font)
        # Beside the ring, on the side with room, and never outside of the picture.
        wide = max(right - left, size * 3)
        text_x = x + ring + size / 2
        if text_x + wide > width:
            text_x = x - ring - size / 2 - wide
        text_x = min(max(0.0, text_x), max(0.0, width - wide))
        text_y = min(max(0.0, y - size), height - 1.7 * size)
        pen.text((text_x, text_y), mark.label, font=font, fill=mark.colour, stroke_width=line, stroke_fill=_EDGE)
        top, bar = text_y + 1.3 * size, size * 3
        pen.rectangle((text_x, top, text_x + bar, top + size / 4), fill=_EDGE)
        filled = bar * min(1.0, max(0.0, mark.share))
        pen.rectangle((text_x, top, text_x + filled, top + size / 4), fill=mark.colour)
    return np.asarray(image)
