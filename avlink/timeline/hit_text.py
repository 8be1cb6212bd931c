"""Hits as text: the name and the note of their markers, which people read and edit and every program keeps.

A name is what is heard and a number, its strength: "hit 0.8", "step 0.45", "door slam 1.0". A note holds the rest:
"confidence 0.91, place 0.41 0.63". Whatever else a person writes into a note stands beside it and changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from avlink.core.clock import exact_number
from avlink.core.hits import KNOWN_KINDS, UNKNOWN_KIND, Hit, HitSource
from avlink.timeline.cue_text import is_cue_text

PREFIX = re.compile(r"\s*hit\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)
"""Matches the text of any marker that a person means as a hit: "HIT: door slam"."""

_DECIMAL = r"(?:0?[.,]\d{1,4}|1[.,]0{1,4}|0[.,]0{1,4})"
_PERCENT = r"(?:100|\d{1,2})\s?%"
_STRENGTH = re.compile(rf"(?:^|(?<=\s))({_DECIMAL}|{_PERCENT}|[01])$")
_UNMISTAKABLE = re.compile(rf"(?:^|(?<=\s))(?:{_DECIMAL}|{_PERCENT})$")
_NOTE = re.compile(r"\s*confidence\s+[01]?\.?\d", re.IGNORECASE)
_FACTS = re.compile(r"\s*[,;\n]\s*")
_NUMBER = r"([01](?:\.\d{1,6})?|\.\d{1,6})"
_CONFIDENCE = re.compile(rf"confidence\s+{_NUMBER}", re.IGNORECASE)
_STRENGTH_FACT = re.compile(rf"(?:strength\s+)?({_DECIMAL}|{_PERCENT})|strength\s+([01])", re.IGNORECASE)
_PLACE = re.compile(rf"place\s+{_NUMBER}\s+{_NUMBER}", re.IGNORECASE)
_LASTS = re.compile(r"lasts\s+(\d{1,6}(?:\.\d{1,9})?)\s*s", re.IGNORECASE)
_KIND = re.compile(r"kind\s+(\S.*)", re.IGNORECASE)
_SOURCES: dict[HitSource, str] = {"guide": "guide", "marker": "by hand"}
_HEARD = "heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class HitNote:
    """The facts of a note; None for those that it does not state."""

    confidence: float | None = None
    strength: float | None = None
    place: tuple[float, float] | None = None
    kind: str | None = None
    duration_s: Fraction | None = None
    source: HitSource | None = None
    heard: bool = False


def hit_name(hit: Hit) -> str:
    """Return the name of a hit: what a person called it, else its kind, and its strength to a hundredth."""
    return f"{' '.join(hit.words.split()) or hit.kind} {_number(hit.strength)}"


def hit_note(hit: Hit, *, with_duration: bool = False) -> str:
    """Return the note of a hit: its confidence, and what its name does not tell.

    `with_duration` is for formats whose markers have no length.
    """
    read = named(hit_name(hit), Hit(time_s=Fraction(0)))
    facts = [
        f"confidence {_number(hit.confidence)}",
        *([f"kind {hit.kind}"] if read.kind != hit.kind else []),
        *([] if hit.place is None else [f"place {_number(hit.place[0])} {_number(hit.place[1])}"]),
        *([f"lasts {float(hit.duration_s):.6f} s"] if with_duration and hit.duration_s else []),
        *([_HEARD] if hit.heard else []),
        *([_SOURCES[hit.source]] if hit.source in _SOURCES else []),
    ]
    return ", ".join(facts)


def is_hit_text(name: str, note: str = "") -> bool:
    """Return whether a marker without metadata of ours is a hit.

    It is one if its name begins with "HIT:", if its note begins with a confidence as ours do, if its name is a known
    kind ("step"), or if its name ends with a strength that cannot be a count: "step 0.8", "door slam .6", "hit 80 %".
    A marker without a name is judged by its note. Cues ("FOLEY: steps") are no hits, and neither is any other comment.
    """
    if is_cue_text(name, note):
        return False
    text = (name or note).strip()
    if PREFIX.fullmatch(text) or _NOTE.match(note):
        return True
    return text.casefold() in KNOWN_KINDS or _UNMISTAKABLE.search(text) is not None


def named(name: str, hit: Hit) -> Hit:
    """Return a hit with the kind, the words and the strength of a name; what a name does not say stays."""
    text = _plain(name)
    found = _STRENGTH.search(text)
    strength = hit.strength if found is None else _share(found[1])
    text = " ".join((text if found is None else text[: found.start()]).split())
    if not text:
        return replace(hit, strength=strength)
    if text.casefold() in KNOWN_KINDS:
        return replace(hit, kind=text.casefold(), words="", strength=strength)
    first = text.split()[0].casefold().rstrip(":,")
    return replace(hit, kind=first if first in KNOWN_KINDS else UNKNOWN_KIND, words=text, strength=strength)


def read_note(note: str) -> HitNote:
    """Return the facts that a note states."""
    said: dict[str, object] = {}
    for fact in _FACTS.split(note.strip()):
        if found := _CONFIDENCE.fullmatch(fact):
            said["confidence"] = float(found[1])
        elif found := _STRENGTH_FACT.fullmatch(fact):
            said["strength"] = _share(found[1] or found[2])
        elif found := _PLACE.fullmatch(fact):
            said["place"] = (min(1.0, float(found[1])), min(1.0, float(found[2])))
        elif found := _LASTS.fullmatch(fact):
            said["duration_s"] = exact_number(found[1])
        elif found := _KIND.fullmatch(fact):
            said["kind"] = " ".join(found[1].split())
        elif fact.casefold() == _HEARD:
            said["heard"] = True
        else:
            source = next((name for name, words in _SOURCES.items() if words == fact.casefold()), None)
            said |= {} if source is None else {"source": source}
    if isinstance(found_confidence := said.get("confidence"), float):
        said["confidence"] = min(1.0, found_confidence)
    return HitNote(**said)  # type: ignore[arg-type]


def noted(note: HitNote, hit: Hit) -> Hit:
    """Return a hit with the facts of a note; what it does not state stays."""
    kind = hit.kind if note.kind is None else note.kind
    return replace(
        hit,
        confidence=hit.confidence if note.confidence is None else note.confidence,
        strength=hit.strength if note.strength is None else note.strength,
        place=hit.place if note.place is None else note.place,
        kind=kind,
        # A name that is the kind itself is no words of a person.
        words="" if hit.words.casefold() == kind.casefold() else hit.words,
        duration_s=hit.duration_s if note.duration_s is None else note.duration_s,
        source=hit.source if note.source is None else note.source,
        heard=note.heard or hit.heard,
    )


def hit_of_text(name: str, note: str = "") -> Hit:
    """Return the hit that a name and a note describe, at time 0; its time is that of the marker.

    A hit without a confidence in its note was set by a person, who is sure of it.
    """
    facts = read_note(note)
    source: HitSource = "marker" if facts.confidence is None else "picture"
    text = name or ("" if _NOTE.match(note) else note)
    if strength_of(text) is not None:
        facts = replace(facts, strength=None)
    return noted(facts, named(text, Hit(time_s=Fraction(0), source=source)))


def strength_of(name: str) -> float | None:
    """Return the strength that a name states, 0 to 1; None where it states none."""
    found = _STRENGTH.search(_plain(name))
    return None if found is None else _share(found[1])


def _plain(name: str) -> str:
    """Return a name without "HIT:"."""
    prefix = PREFIX.fullmatch(name)
    return (name if prefix is None else prefix[1]).strip()


def _number(value: float) -> str:
    """Return a number from 0 to 1 with at most two digits, and always a point, so that it is no count."""
    text = f"{value:.2f}"
    return text[:-1] if text.endswith("0") else text


def _share(text: str) -> float:
    """Return a strength as a share: "0,8", ".8" and "80 %" are 0.8."""
    if text.endswith("%"):
        return int(text[:-1].strip()) / 100
    return float(text.replace(",", "."))
