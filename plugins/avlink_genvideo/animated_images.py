"""Animated WebP, PNG and GIF as pictures with times. They hold no sound: whoever wants some makes a movie of them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from avlink import MediaError
from avlink_genvideo.metadata import ANIMATED

if TYPE_CHECKING:
    from avlink import TimedPicture

# What browsers make of a time that is left out or too short to be meant: a tenth of a second.
_SHORTEST_MS, _INSTEAD_MS = 11, 100


def is_animated(path: Path) -> bool:
    """Whether a file's name is that of an image that may move."""
    return path.suffix.lower() in ANIMATED


def read_pictures(path: Path) -> Iterator[TimedPicture]:
    """The pictures of an animated image in order, RGB over black.

    Raises MediaError if it cannot be read, does not move, or is damaged on the way.
    """
    import numpy as np
    from PIL import Image

    from avlink import TimedPicture

    try:
        with Image.open(path) as image:
            count = getattr(image, "n_frames", 1)
            if count < 2:
                raise MediaError(f"'{path}' is a still picture; only moving pictures can be given a sound")
            for index in range(count):
                image.seek(index)
                image.load()
                shown = image.convert("RGBA")
                black = Image.new("RGBA", shown.size, (0, 0, 0, 255))
                pixels = np.asarray(Image.alpha_composite(black, shown).convert("RGB"))
                yield TimedPicture(pixels=pixels, duration_s=_seconds(image.info.get("duration"), path))
    except FileNotFoundError as error:
        raise MediaError(f"the media file '{path}' does not exist; check the name") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        if isinstance(error, MediaError):
            raise
        why = " ".join(str(error).split()).rstrip(".")
        raise MediaError(f"'{path}' is damaged or no image that can be read here ({why}); save it again") from error


def _seconds(milliseconds: object, path: Path) -> Fraction:
    shown = Fraction(milliseconds).limit_denominator(1000) if isinstance(milliseconds, int | float) else Fraction(0)
    # GIF cannot say less than 1/100 s, and what says so means "as quick as may be".
    shortest = _SHORTEST_MS if path.suffix.lower() == ".gif" else 1
    return (shown if shown >= shortest else Fraction(_INSTEAD_MS)) / 1000
