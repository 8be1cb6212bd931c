"""Times, rates and speeds of FCPXML: formats by name, rate conforming, and time maps.

Source: Apple, FCPXML Reference: `format`, `conform-rate`, `timeMap`; DTD 1.13. A clip whose rate is conformed keeps
`start` and all that is in it in its own time, while `offset` and `duration` are those of what holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from xml.etree.ElementTree import Element

from avlink.core import clock
from avlink.core.limits import TIME_S

_ZERO, _ONE = Fraction(0), Fraction(1)
# Without exponents: "1e999999999" is short, and its digits fill the memory.
_TIME = re.compile(r"([+-]?(?:\d{1,40}/0*[1-9]\d{0,39}|\d{1,40}(?:\.\d{0,40})?|\.\d{1,40}))s?")
# "FFVideoFormat1080p2398", "FFVideoFormatDV720x480i5994_16x9".
_NAMED_RATE = re.compile(r"\d([pi])(\d{2,5})(?!\d)")
_MULTIPLES = tuple(map(Fraction, ("1", "2", "1/2", "4", "1/4")))
_PULLDOWNS = tuple(map(Fraction, ("2/5", "5/2", "4/5", "5/4")))
# Half a frame at 24 per second: points of a time map lie on frames or samples.
_OFF_LINE_S = Fraction(1, 48)


def time_of(element: Element | None, name: str, otherwise: Fraction = _ZERO) -> Fraction:
    """Return the seconds of an attribute such as "1001/24000s" or "5s". Raises ValueError for any other text."""
    text = None if element is None else element.get(name)
    if text is None:
        return otherwise
    found = _TIME.fullmatch(text.strip())
    seconds = None if found is None else Fraction(found[1])
    if seconds is None or abs(seconds) > TIME_S.most:
        raise ValueError(f"{name} = '{text[:40]}' is no time")
    return seconds


def rate_of_format(shape: Element | None) -> Fraction | None:
    """Return the frames per second of a `format`, by its duration of a frame, else by its name; None without either."""
    frame_s = time_of(shape, "frameDuration")
    if frame_s > 0:
        return 1 / frame_s
    found = None if shape is None else _NAMED_RATE.search(shape.get("name", ""))
    if found is None:
        return None
    # Names of interlaced formats count fields: 1080i5994 has 29.97 frames per second.
    rate = clock.exact_rate(int(found[2]) / 100 if int(found[2]) > 999 else float(found[2]))
    return rate / 2 if found[1] == "i" and rate > 40 else rate


def rate_of_sequence(sequence: Element, known: Mapping[str, Element], otherwise: Fraction | None = None) -> Fraction:
    """Return the frames per second of a sequence: of its format, else of the first media in it that has a rate."""
    rate = rate_of_format(known.get(sequence.get("format", ""))) or otherwise
    if rate is not None:
        return rate
    inside = (one for element in sequence.iter() for one in (element, known.get(element.get("ref", ""))))
    rates = (rate_of_format(known.get(one.get("format", ""))) for one in inside if one is not None)
    return next((rate for rate in rates if rate is not None), Fraction(24))


def conform_speed(element: Element, media_rate: Fraction | None, timeline_rate: Fraction) -> Fraction:
    """Return the speed at which a clip's own time passes on the timeline, 1 where its rate is not conformed.

    Final Cut plays each frame once where the rates, or multiples of them, lie close: 24 in a timeline of 25 runs at
    25/24. Media of any other rate keeps its speed, with frames left out or repeated.
    """
    conform = element.find("conform-rate")
    if conform is None or conform.get("scaleEnabled", "1") == "0":
        return _ONE
    stated = conform.get("srcFrameRate")
    try:
        rate = media_rate if stated is None else clock.exact_rate(float(stated))
    except (ValueError, OverflowError):
        raise ValueError(f"srcFrameRate = '{stated}' is no rate") from None
    if rate is None:
        return _ONE
    for factors, most in ((_MULTIPLES, Fraction(1, 20)), (_PULLDOWNS, Fraction(1, 500))):
        speed = min((timeline_rate * factor / rate for factor in factors), key=lambda speed: abs(speed - 1))
        if abs(speed - 1) <= most:
            return speed
    return _ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeMap:
    """Map from the time of an element to that of its media or contents: `value_s` at `local_s`, then at `speed`."""

    local_s: Fraction = _ZERO
    value_s: Fraction = _ZERO
    speed: Fraction | None = _ONE
    """None for a speed that changes."""

    def at(self, local_s: Fraction) -> Fraction:
        """Return the moment of the media at a moment of the element's own time."""
        return self.value_s + (local_s - self.local_s) * (1 if self.speed is None else self.speed)


def time_map_of(element: Element, start_s: Fraction, end_s: Fraction) -> TimeMap:
    """Return the time map of an element over a span of its own time; the identity where it has no `timeMap`."""
    points = sorted(_points(element))
    steps = [(a, b) for a, b in pairwise(points) if b[0] > a[0]]
    if not steps:
        return TimeMap()
    seen = [(a, b) for a, b in steps if a[0] < end_s and start_s < b[0]]
    # Outside of its points a map goes on as it does at the nearest.
    seen = seen or [steps[0] if end_s <= steps[0][0][0] else steps[-1]]
    (first_s, first_value_s), (last_s, last_value_s) = seen[0][0], seen[-1][1]
    speed = (last_value_s - first_value_s) / (last_s - first_s)
    straight = all(abs(first_value_s + (a[0] - first_s) * speed - a[1]) <= _OFF_LINE_S for a, _ in seen)
    return TimeMap(local_s=first_s, value_s=first_value_s, speed=speed if straight else None)


def _points(element: Element) -> Iterator[tuple[Fraction, Fraction]]:
    for point in element.findall("timeMap/timept"):
        yield time_of(point, "time"), time_of(point, "value")
