"""What a command gives back. Plugins have commands too, so it lives below: in `avlink.core.answer`."""

from avlink.core.answer import (
    BROKEN,
    DONE,
    FORMAT,
    INTERRUPTED,
    SOME_FAILED,
    WRONG_INPUT,
    Answer,
    Block,
    Grid,
    Line,
    Lines,
)

__all__ = [
    "BROKEN",
    "DONE",
    "FORMAT",
    "INTERRUPTED",
    "SOME_FAILED",
    "WRONG_INPUT",
    "Answer",
    "Block",
    "Grid",
    "Line",
    "Lines",
]
