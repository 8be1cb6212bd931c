"""The colours of OTIO's markers, for programs and pictures that have numbers for them."""

from __future__ import annotations

_RGB = {
    "RED": (224, 60, 49),
    "ORANGE": (240, 140, 30),
    "YELLOW": (240, 205, 40),
    "GREEN": (90, 180, 70),
    "CYAN": (40, 190, 200),
    "BLUE": (60, 110, 220),
    "PURPLE": (140, 80, 200),
    "MAGENTA": (210, 60, 170),
    "PINK": (240, 130, 180),
    "WHITE": (240, 240, 240),
    "BLACK": (30, 30, 30),
}


def marker_rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of a colour of OTIO's markers; those of RED for other words."""
    return _RGB.get(colour, _RGB["RED"])
