"""The terms of a prompt: its words, with how much each tells of the sound, and the concepts that they mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from avlink.library.thesaurus import SOUNDING, concepts_of, joined_words, near_concepts, thesaurus, word_parts
from avlink.library.ucs import categories_of
from avlink.library.words import Phrase, phrases

MOST_TERMS = 16
"""Words of a prompt that count, the first of them."""

_ACTOR, _SETTING = 0.05, 0.1
_KNOWN, _UNKNOWN = 0.6, 0.5
"""Weights of words that UCS alone knows, and of those that nothing knows: names, or another language."""

_IN_PLACE = 0.4
"""Weight of what is named after a word such as "beside": it is near, and need not sound."""

_ON = 0.9
"""Weight of what is named after "on", which may be what is struck, or a place."""

_TOOL = 0.6
"""Weight of what something is done with: named after "with", or before the action where its object is named too."""

_ASIDE = 0.25
"""Weight of what stands in brackets."""

_LATER_CLAUSE = 0.7
"""Weight of each clause after a comma, compared with the one before."""

_PLACES = (
    "in at near beside behind from inside outside under over above below along around across through during while "
    "within between toward towards by next"
)
_OBJECTS = "against into for and or then"
_PARTICLES = "a an the is are was be being been it its that this which of to as off out up down one not no very"
_PLACE_WORDS, _OBJECT_WORDS, _EMPTY = (frozenset(text.split()) for text in (_PLACES, _OBJECTS, _PARTICLES))
_CLOSE_UP = re.compile(r"\b(close|wide|extreme)[\s-]*(up|ups|shot|shots)\b", re.IGNORECASE)
_BRACKETS = re.compile(r"[(\[{][^)\]}]*[)\]}]")
_CLAUSE = re.compile(r"[,;:.!?\n]+\s*")


# Compared by identity, so that what is near to a term can be kept by it.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Term:
    """A word of a prompt, as its letters in a script without spaces.

    `weight` tells how much it says of the sound, from 0 to 1. `concepts` are those that it means, and those near to
    them, with their nearness; `catids` are the categories of UCS that know a word which means no concept. `facets` are
    those of the concepts that it means itself.
    """

    phrase: Phrase
    weight: float
    concepts: Mapping[str, float]
    catids: tuple[str, ...] = ()
    facets: frozenset[str] = frozenset()

    @property
    def meant(self) -> tuple[str, ...]:
        """The concepts that the word means itself."""
        return tuple(name for name, nearness in self.concepts.items() if nearness == 1.0)


def prompt_terms(text: str) -> tuple[Term, ...]:
    """Return the terms of a prompt, each word once with its greatest weight, in the order of the prompt.

    What is done and what it is done to counts in full; less do words for people and places, what is named after "in"
    or "beside", later clauses, and remarks in brackets.
    """
    found: dict[Phrase, Term] = {}
    for phrase, weight in _weighted(text):
        term = _term(phrase, weight)
        before = found.get(phrase)
        if before is None or before.weight < term.weight:
            found[phrase] = term
    return tuple(found.values())[:MOST_TERMS]


def _weighted(text: str) -> Iterator[tuple[Phrase, float]]:
    """Yield the words of a prompt with the weights of their places in it."""
    text = _CLOSE_UP.sub("closeup", text)
    asides = " , ".join(found[0][1:-1] for found in _BRACKETS.finditer(text))
    weight = 1.0
    for clause in _CLAUSE.split(_BRACKETS.sub(" ", text)):
        words = _clause(joined_words(phrases(clause)))
        yield from ((phrase, weight * place) for phrase, place in words)
        # A clause of particles alone is none.
        weight *= _LATER_CLAUSE if words else 1.0
    yield from ((phrase, _ASIDE) for phrase, _ in _clause(list(phrases(asides))))


def _clause(words: list[Phrase]) -> list[tuple[Phrase, float]]:
    """Return the words of a clause that count, with the weights of their places in it."""
    place, found = 1.0, list[tuple[Phrase, float]]()
    for phrase in words:
        word = " ".join(phrase)
        if word in _PLACE_WORDS:
            place = _IN_PLACE
        elif word in ("on", "onto"):
            place = _ON
        elif word == "with":
            place = _TOOL
        elif word in _OBJECT_WORDS:
            place = 1.0
        elif word not in _EMPTY:
            # A place ends with the next thing that is done.
            if found and {thesaurus()[name].facet for name in _meant(phrase)} == {"action"}:
                place = 1.0
            found.append((phrase, place))
    return _with_tools(found)


def _with_tools(words: list[tuple[Phrase, float]]) -> list[tuple[Phrase, float]]:
    """Return words of which those before the action count less, where another is named that it is done to.

    A drumstick that hits metal sounds like metal; a dog that barks sounds like a dog.
    """
    facets = [{thesaurus()[name].facet for name in _meant(phrase)} for phrase, _ in words]
    action = next((number for number, one in enumerate(facets) if number and "action" in one), None)
    if action is None:
        return words
    after = [number for number in range(action + 1, len(words)) if words[number][1] >= _ON]
    if not any(facets[number] & {"material", "source"} for number in after):
        return words
    return [(phrase, place * _TOOL if number < action else place) for number, (phrase, place) in enumerate(words)]


def _meant(phrase: Phrase) -> tuple[str, ...]:
    """Return the concepts that a word means, or that its parts mean."""
    words = (phrase[0], *word_parts(phrase[0])) if len(phrase) == 1 else ()
    return tuple(dict.fromkeys(name for word in words for name in concepts_of(word)))


def _term(phrase: Phrase, place: float) -> Term:
    meant = _meant(phrase)
    facets = {thesaurus()[name].facet for name in meant}
    catids: tuple[str, ...] = ()
    if facets & {*SOUNDING, "unreal"}:
        # In a place, a word that may be a place is one: "in front of a window".
        weight = _SETTING if place < 1 and "setting" in facets else place
    elif facets:
        weight = _SETTING if "setting" in facets else _ACTOR
    else:
        catids = categories_of(phrase[0]) if len(phrase) == 1 else ()
        weight = place * (_KNOWN if catids else _UNKNOWN)
    near: dict[str, float] = {}
    for name in meant:
        if thesaurus()[name].facet in (*SOUNDING, "unreal"):
            for other, nearness in near_concepts(name).items():
                near[other] = max(nearness, near.get(other, 0.0))
    return Term(phrase=phrase, weight=weight, concepts=near, catids=catids, facets=frozenset(facets))
