"""The colours of OTIO's markers as red, green and blue, and by the names of Resolve."""

from __future__ import annotations

COLOURS = {
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

RESOLVE = {
    "RED": "Red",
    "ORANGE": "Sand",
    "YELLOW": "Yellow",
    "GREEN": "Green",
    "CYAN": "Cyan",
    "BLUE": "Blue",
    "PURPLE": "Purple",
    "MAGENTA": "Fuchsia",
    "PINK": "Pink",
    "WHITE": "Cream",
    "BLACK": "Cocoa",
}
"""The colours that Resolve has for markers, without the "ResolveColor" before them."""
