"""Hits: the sounding events of a clip, seen in its picture, heard in a guide track, or set by a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from avlink.core.values import FrameSource, PictureSpec

HIT_KINDS = ("hit", "step", "drop", "slide", "splash", "flash")
"""Kinds that spotters tell apart: a blow of any sort, a footstep, a falling or bouncing thing that lands, rubbing or
rolling, contact with a liquid, a shot or an explosion. People may write any other word."""

CONTINUOUS_KINDS = ("slide", "drag", "rub")
"""Kinds of sounds that go on for a while, which people mark with a range."""

KNOWN_KINDS = (*HIT_KINDS, *(kind for kind in CONTINUOUS_KINDS if kind not in HIT_KINDS))
"""All kinds that are known by name."""

UNKNOWN_KIND = "hit"

HitSource: TypeAlias = Literal["picture", "guide", "marker"]
"""Origin of a hit: a spotter, a guide track, or a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A sounding event, `time_s` seconds after the start of what is seen of its clip.

    `duration_s` is 0 for a moment, and the length of the range for a continuous sound. `strength` and `confidence` are
    in [0, 1]. `place` is (x, y) in the picture, each in [0, 1] from the upper left corner; None where it is not known.
    `words` describe the sound where a person named it: "door slam". Raises ValueError for values out of range.
    """

    time_s: Fraction
    duration_s: Fraction = Fraction(0)
    strength: float = 0.5
    kind: str = UNKNOWN_KIND
    confidence: float = 1.0
    place: tuple[float, float] | None = None
    words: str = ""
    source: HitSource = "picture"
    heard: bool = False
    """True where a guide track has an onset."""

    def __post_init__(self) -> None:
        if self.duration_s < 0:
            raise ValueError(f"a hit cannot last {self.duration_s} seconds")
        for name in ("strength", "confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"the {name} of a hit is in [0, 1], not {getattr(self, name)}")
        if self.place is not None and not all(0 <= value <= 1 for value in self.place):
            raise ValueError(f"the place of a hit is in [0, 1] twice, not {self.place}")


class HitSpotter(Protocol):
    """A spotter that is loaded: it finds the sounding events that are visible in pictures."""

    picture: PictureSpec

    def spot(self, frames: FrameSource) -> Sequence[Hit]:
        """Return the hits in `frames`, which are at `picture`; times count from the start of the first frame.

        The order does not matter, and the same frames give the same hits.
        """
        ...
