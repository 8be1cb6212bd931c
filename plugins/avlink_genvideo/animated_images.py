"""Animated WebP, PNG and GIF as pictures with durations. These formats hold no sound, so they become movies."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from avlink import MediaError

if TYPE_CHECKING:
    from avlink import TimedPicture

_SUFFIXES = (".webp", ".gif", ".png", ".apng")
# Browsers show a picture of a GIF whose duration is missing or below 11 ms for a tenth of a second.
_SHORTEST_GIF_MS, _DEFAULT_MS = 11, 100


def is_animated(path: Path) -> bool:
    """Return True for the suffix of an image format that may be animated."""
    return path.suffix.lower() in _SUFFIXES


def read_pictures(path: Path) -> Iterator[TimedPicture]:
    """Yield the pictures of an animated image in order, as RGB over black.

    Raises MediaError if the file cannot be read, is a still picture, or is damaged.
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
                # Pillow knows the duration of a picture of a WebP only when it has decoded it.
                image.load()
                rgba = image.convert("RGBA")
                black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
                pixels = np.asarray(Image.alpha_composite(black, rgba).convert("RGB"))
                yield TimedPicture(pixels=pixels, duration_s=_duration_s(image.info.get("duration"), path))
    except FileNotFoundError as error:
        raise MediaError(f"the media file '{path}' does not exist; check the name") from error
    except MediaError:
        raise
    except Exception as error:
        # Nothing is done here but read the file: whatever Pillow raises is the file's.
        why = " ".join(str(error).split()).rstrip(".")
        raise MediaError(f"'{path}' is damaged or no image that can be read here ({why}); save it again") from error


def _duration_s(milliseconds: object, path: Path) -> Fraction:
    given = Fraction(milliseconds).limit_denominator(1000) if isinstance(milliseconds, int | float) else Fraction(0)
    shortest = _SHORTEST_GIF_MS if path.suffix.lower() == ".gif" else 1
    return (given if given >= shortest else Fraction(_DEFAULT_MS)) / 1000
