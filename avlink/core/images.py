"""Image sequences: a film as one file for each picture, of which the timeline alone knows the rate."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSequence:
    """Pictures that follow each other at `rate` per second, the first at media time 0.

    `files` has one entry for each picture. None stands for one that is missing: the picture before it is held, or
    black is shown if `black`.
    """

    files: tuple[Path | None, ...]
    rate: Fraction
    black: bool = False

    def __post_init__(self) -> None:
        if not any(self.files) or self.rate <= 0:
            raise ValueError("an image sequence needs at least one picture and a rate above 0")

    @property
    def first(self) -> Path:
        """The first picture that is there."""
        return next(path for path in self.files if path is not None)

    @property
    def duration_s(self) -> Fraction:
        """How long the whole sequence lasts."""
        return len(self.files) / self.rate

    def __str__(self) -> str:
        return str(self.first)
