"""What people write on a timeline to direct the sound: modes, markers, and the cues that some markers are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["sync", "ambience"]
Mode: TypeAlias = Literal["sync", "ambience", "off"]
MODES: tuple[Mode, ...] = ("sync", "ambience", "off")
"""Sound to what is seen to move, sound that goes on throughout, or none."""

_CUE = re.compile(r"\s*(foley|amb|ambience)\s*:(.*)", re.IGNORECASE | re.DOTALL)
_POINT_S = Fraction(1, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A marker where it lies on the timeline. `own` when it is the clip's; else it is of something around it."""

    name: str
    colour: str
    comment: str
    start_s: Fraction
    duration_s: Fraction
    own: bool = True

    @property
    def is_point(self) -> bool:
        """Whether it marks a moment and not a range: programs that know no length write one of a frame."""
        return self.duration_s < _POINT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """A sound that a marker asks for. `number` tells apart those of one role over the same stretch."""

    role: Role
    prompt: str | None
    number: int = 0


def read_cue(marker: Marker) -> Cue | None:
    """The cue that a marker's name is, else its comment: "FOLEY: footsteps on gravel", "AMB: wind" in any case.

    A name that ends at its colon has its words in the comment. None for any other marker.
    """
    for text, more in ((marker.name, marker.comment), (marker.comment, "")):
        match = _CUE.fullmatch(text)
        if match is not None:
            role: Role = "sync" if match[1].lower() == "foley" else "ambience"
            return Cue(role=role, prompt=match[2].strip() or more.strip() or None)
    return None
