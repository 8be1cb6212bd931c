"""Times of FCPXML: rational seconds, frame rates, and how a clip's own time becomes that of its media."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from xml.etree import ElementTree as xml

_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How time of an element becomes time of its media or contents: `value_s` at `local_s`, then at `speed`."""

    local_s: Fraction = _ZERO
    value_s: Fraction = _ZERO
    speed: Fraction | None = Fraction(1)
    """None for a speed that changes."""

    def at(self, local_s: Fraction) -> Fraction:
        """The moment of the media at a moment of the element's own time."""
        return self.value_s + (local_s - self.local_s) * (1 if self.speed is None else self.speed)


def clock_of(element: xml.Element) -> Clock:
    """The clock of an element, by its `timeMap`."""
    points = [(time_of(point, "time"), time_of(point, "value")) for point in element.findall("timeMap/timept")]
    if len(points) < 2:
        return Clock()
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points) if b[0] != a[0]]
    first = slopes[0] if slopes else Fraction(1)
    # Points lie on frames or samples, so that one speed is not quite one fraction.
    is_one = all(abs(slope - first) < Fraction(1, 1000) for slope in slopes)
    return Clock(local_s=points[0][0], value_s=points[0][1], speed=first if is_one else None)


def rate_of(sequence: xml.Element, known: Mapping[str, xml.Element], otherwise: Fraction = Fraction(24)) -> Fraction:
    """Frames per second of a sequence, by the format that it names."""
    shape = known.get(sequence.get("format", ""))
    frame_s = None if shape is None else time_of(shape, "frameDuration")
    return 1 / frame_s if frame_s else otherwise


def time_of(element: xml.Element | None, name: str, otherwise: Fraction = _ZERO) -> Fraction:
    """Seconds of an attribute such as "1001/24000s" or "5s". Raises ValueError for what is no time."""
    text = None if element is None else element.get(name)
    if text is None:
        return otherwise
    try:
        return Fraction(text.strip().removesuffix("s"))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{name} = '{text}' is no time") from None
