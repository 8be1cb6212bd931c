"""Markers that are almost cues: sentences that say how they are written to ask for a sound."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import islice

import opentimelineio as otio

from avlink.timeline.cue_text import CUE_TEXT
from avlink.timeline.item import seconds
from avlink.timeline.markers import is_hit

_WORDS = {"FOLEY": ("foley",), "AMB": ("amb", "ambience", "ambiance", "ambient")}
_FIRST_WORD = re.compile(r"[\W_]*([^\W\d_]+)\d*(.*)", re.DOTALL)
_BETWEEN = re.compile(r"[\W_]+")
# With the dashes that word processors and phones put in.
_SIGNS = frozenset({":", ";", "=", "-", "\u2013", "\u2014"})
_EXAMPLES = {"FOLEY": "footsteps on gravel", "AMB": "wind in the trees"}
_MOST_TOLD = 8


def cue_notes(timeline: otio.schema.Timeline) -> list[str]:
    """Return a sentence for each marker of people that is almost a cue, or a cue without words, or lies nowhere."""
    notes = list(dict.fromkeys(note for marker in _markers(timeline) if (note := _note(marker)) is not None))
    more = len(notes) - _MOST_TOLD
    return [*notes[:_MOST_TOLD], f"{more} more markers are almost cues"] if more > 0 else notes


def almost_cue(name: str, comment: str = "") -> str | None:
    """Return the form in which a marker would be a cue with words; None for one that is, and for any other marker.

    "FOLEY footsteps", "Foley - footsteps" and "Folley: footsteps" are almost "FOLEY: footsteps"; "foley:" lacks words.
    """
    for text, more in ((name, comment), (comment, "")):
        exact = CUE_TEXT.fullmatch(text)
        if exact is not None:
            has_words = bool(exact[2].strip() or more.strip())
            return None if has_words else _form("FOLEY" if exact[1].lower() == "foley" else "AMB", "")
    for text, more in ((name, comment), (comment, "")):
        found = _FIRST_WORD.fullmatch(unicodedata.normalize("NFKC", text))
        role = None if found is None else _role(found[1], found[2])
        if found is not None and role is not None:
            return _form(role, _BETWEEN.sub(" ", found[2], count=1) if _BETWEEN.match(found[2]) else found[2] or more)
    return None


def _role(word: str, rest: str) -> str | None:
    """Return the cue that a word stands for: as it is, or misspelled before a colon or a dash."""
    word = word.casefold()
    for role, words in _WORDS.items():
        if word in words[: 2 if role == "AMB" else 1]:
            return role
        if rest.lstrip()[:1] in _SIGNS:
            swapped = any(sorted(word) == sorted(one) for one in words)
            if swapped or any(SequenceMatcher(None, word, one).ratio() > 0.85 for one in words):
                return role
    return None


def _form(role: str, words: str) -> str:
    words = " ".join(words.split()) or _EXAMPLES[role]
    return f"{role}: {words if len(words) <= 60 else f'{words[:57]}...'}"


def _note(marker: otio.schema.Marker) -> str | None:
    name, comment = marker.name or "", marker.comment or ""
    shown = name or comment
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    form = almost_cue(name, comment)
    is_cue = any(CUE_TEXT.fullmatch(text) for text in (name, comment))
    if seconds(marker.marked_range.start_time) is None or seconds(marker.marked_range.duration) is None:
        return f"marker '{shown}' is left out: its place is no time" if is_cue or form is not None else None
    if form is None:
        return None
    lack = "asks for a sound without words" if is_cue else "asks for no sound"
    return f"marker '{shown}' {lack}; write '{form}'"


def _markers(timeline: otio.schema.Timeline) -> Iterator[otio.schema.Marker]:
    items = [timeline.tracks, *timeline.tracks.find_children(descended_from_type=otio.core.Item)]
    for item in items:
        for marker in islice(item.markers, len(item.markers)):
            if not is_hit(marker):
                yield marker
