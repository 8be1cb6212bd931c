"""Speeds of Final Cut Pro 7 XML: the `timeremap` filter of a clip, and still frames.

A retimed clip counts its `in` and `out` in frames of the retimed clip: frame 48 at 200 % shows frame 96 of the media,
and a clip that runs backwards begins with the end of its media. One speed is spelled in two ways: as `speed` in
percent with `variablespeed` 0, or by keyframes on one line. Premiere leaves numbers without meaning in keyframes that
it calls virtual, so that these count only where there are no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from xml.etree.ElementTree import Element

from avlink.timeline.formats.fcp7_values import flag_of, number_of, text_of

_ZERO, _ONE = Fraction(0), Fraction(1)
# Keyframes lie on whole frames, so that those of one speed leave their line by up to half a frame.
_OFF_LINE = Fraction(51, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """The part of its media that a clip plays: the first frame that is seen, and the speed; None for one that changes.

    Frames count from the media's start, at the rate of the clip.
    """

    first: Fraction
    speed: Fraction | None = _ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    when: Fraction
    value: Fraction
    virtual: bool
    curved: bool


def playback_of(item: Element, first: Fraction, length: Fraction, media_length: Fraction | None) -> Playback:
    """Return the part of its media that a clip plays, by its filters.

    The clip is seen from its own frame `first` on, for `length` frames; `media_length` is that of all its media.
    Raises ValueError for numbers that are none, and for a clip that runs backwards from an end that is not stated.
    """
    if flag_of(item, "stillframe"):
        return Playback(first=number_of(item, "stillframeoffset") or first, speed=_ZERO)
    remap = _remap(item)
    if remap is None:
        return Playback(first=first)
    parameters = {
        (text_of(one, "parameterid") or text_of(one, "name")).lower(): one for one in remap.findall("parameter")
    }
    percent = number_of(parameters.get("speed"), "value")
    speed = _ONE if percent is None else percent / 100
    graph = parameters.get("graphdict")
    if number_of(parameters.get("variablespeed"), "value") and graph is not None:
        keys = _keys(graph)
        if len(keys) > 1:
            return _along(keys, first, length)
    reverse = parameters.get("reverse")
    if speed < 0 or (reverse is not None and flag_of(reverse, "value")):
        if media_length is None:
            raise ValueError(f"'{text_of(item, 'name')}' runs backwards, and nothing says how long its media is")
        return Playback(first=media_length - first * abs(speed), speed=-abs(speed))
    return Playback(first=first * speed if speed else first, speed=speed)


def _remap(item: Element) -> Element | None:
    for one in item.findall("filter"):
        if flag_of(one, "enabled", otherwise=True):
            for effect in one.findall("effect"):
                if "timeremap" in (text_of(effect, "effectid") or text_of(effect, "name")).lower().replace(" ", ""):
                    return effect
    return None


def _keys(graph: Element) -> list[_Key]:
    """Return the keyframes of a graph in time order, those that people set where there are at least two."""
    found = []
    for key in graph.findall("keyframe"):
        when, value = number_of(key, "when"), number_of(key, "value")
        if when is not None and value is not None:
            virtual = flag_of(key, "speedvirtualkf")
            curved = any("bez" in child.tag or "scale" in child.tag for child in key)
            found.append(_Key(when=when, value=value, virtual=virtual, curved=curved))
    found.sort(key=lambda key: key.when)
    real = [key for key in found if not key.virtual]
    return real if len(real) > 1 else found


def _along(keys: list[_Key], first: Fraction, length: Fraction) -> Playback:
    """Return the playback by a graph of media frames over clip frames, whose speed is one if it is a line here."""
    last = first + length
    values = {edge: _value_at(keys, edge) for edge in (first, last)}
    if length <= 0:
        return Playback(first=values[first])
    speed = (values[last] - values[first]) / length
    inside = [key for key in keys if first < key.when < last]
    straight = all(abs(values[first] + (key.when - first) * speed - key.value) <= _OFF_LINE for key in inside)
    curved = any(a.curved or b.curved for a, b in pairwise(keys) if a.when < last and first < b.when)
    return Playback(first=values[first], speed=speed if straight and not curved else None)


def _value_at(keys: list[_Key], when: Fraction) -> Fraction:
    """Return the media frame at a frame of the clip, on the line through the keyframes around it, or nearest to it."""
    steps = [(a, b) for a, b in pairwise(keys) if b.when > a.when]
    if not steps:
        return keys[0].value
    a, b = next(((a, b) for a, b in steps if when <= b.when), steps[-1])
    return a.value + (b.value - a.value) * (when - a.when) / (b.when - a.when)
