"""The colours of OTIO's markers by the names of Resolve."""

from __future__ import annotations

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
