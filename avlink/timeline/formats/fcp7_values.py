"""Values of Final Cut Pro 7 XML: numbers, flags, rates, timecodes and metadata, in the spellings of those who write it.

Hiero writes frames as "14.0", some programs leave elements empty, and placeholders have a rate of 0. Source: Apple,
Final Cut Pro XML Interchange Format, versions 4 and 5.
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from typing import Any
from xml.etree.ElementTree import Element

from avlink.core import clock
from avlink.timeline.timecode import can_drop, frames_of_timecode

_METADATA_DEPTH = 20
_LARGEST = 10**12


def text_of(element: Element | None, path: str) -> str:
    """Return the text at a path below an element, without spaces around it; empty where there is none."""
    found = None if element is None else element.find(path)
    return "" if found is None else (found.text or "").strip()


def number_of(element: Element | None, path: str) -> Fraction | None:
    """Return the number at a path below an element; None where there is none. Raises ValueError for other text."""
    text = text_of(element, path).removesuffix("%").strip()
    if not text:
        return None
    try:
        # Fraction takes forever for a short text such as "1e999999999", which float knows to be too much.
        number = Fraction(text) if len(text) <= 40 and "e" not in text.lower() else Fraction(float(text))
    except (ValueError, OverflowError, ZeroDivisionError):
        raise ValueError(f"{path} = '{text[:40]}' is no number") from None
    if abs(number) > _LARGEST:
        raise ValueError(f"{path} = '{text[:40]}' is too much")
    return number


def flag_of(element: Element, path: str, *, otherwise: bool = False) -> bool:
    """Return the truth of "TRUE" and "FALSE" at a path below an element."""
    text = text_of(element, path).upper()
    return text in {"TRUE", "1", "YES"} if text else otherwise


def rate_of(element: Element | None) -> Fraction | None:
    """Return the frames per second of an element's own `rate`; None where it has none, or 0, as placeholders do."""
    timebase = number_of(element, "rate/timebase")
    if element is None or timebase is None or timebase <= 0:
        return None
    if timebase.denominator != 1:
        return clock.exact_rate(float(timebase))
    if not flag_of(element, "rate/ntsc"):
        return timebase
    # Kdenlive rounds 29.97 and 59.94 down.
    whole = timebase + 1 if timebase in {23, 29, 47, 59, 119} else timebase
    return whole * Fraction(1000, 1001)


def timecode_s(element: Element | None, rate: Fraction) -> Fraction | None:
    """Return the real time from midnight to an element's `timecode`; None where it has none.

    `rate` counts its frames where it states none. Raises ValueError for text that is no timecode.
    """
    timecode = None if element is None else element.find("timecode")
    if timecode is None:
        return None
    rate = rate_of(timecode) or rate
    frame = number_of(timecode, "frame")
    if frame is not None:
        return frame / rate
    text = text_of(timecode, "string")
    if not text:
        return None
    if text_of(timecode, "displayformat").upper() == "DF" and can_drop(rate):
        text = ";".join(text.rsplit(":", 1))
    return frames_of_timecode(text, rate) / rate


def metadata_of(element: Element, left_out: Collection[str], depth: int = _METADATA_DEPTH) -> dict[str, Any]:
    """Return the children of an element as OTIO's own adapter keeps them, without some; attributes begin with "@".

    A tag that occurs more than once becomes a list. What lies deeper than 20 elements is left out.
    """
    found: dict[str, Any] = {f"@{key}": value for key, value in element.attrib.items()}
    seen: dict[str, int] = {}
    for child in element:
        if child.tag in left_out or not isinstance(child.tag, str):
            continue
        value = (metadata_of(child, (), depth - 1) if depth else {}) if len(child) else (child.text or "").strip()
        seen[child.tag] = seen.get(child.tag, 0) + 1
        if seen[child.tag] == 1:
            found[child.tag] = value
        elif seen[child.tag] == 2:
            found[child.tag] = [found[child.tag], value]
        else:
            found[child.tag].append(value)
    return found
