"""The thesaurus of what sounds: the concepts of a word, and how near one concept is to another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from avlink.core.documents import parse_toml
from avlink.library.ucs import categories_of
from avlink.library.words import Phrase, stem

_NARROWER, _BROADER, _RELATED = 0.85, 0.55, 0.5
"""Nearness of a concept to one of its kinds, to the one it is a kind of, and to one that goes with it."""

_LEAST_COMPOUND, _LEAST_HEAD = 6, 4
_LEAST = 0.3
"""Concepts that are less near have nothing to do with each other."""

SOUNDING = ("action", "material", "source")
"""Facets of words that tell what is heard."""

UNREAL = "unreal"
"""The facet of sounds that were made up: what is filmed does not make them."""


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept with its words. `facet` is "action", "material", "source", "unreal", "actor" or "setting".

    `labels` are words that mean it in the names of sounds only: a ride is a cymbal there, and a trip in a prompt.
    `broader` names concepts that it is a kind of, `related` those that go with it.
    """

    name: str
    facet: str
    words: tuple[str, ...]
    labels: tuple[str, ...]
    broader: tuple[str, ...]
    related: tuple[str, ...]


@lru_cache(maxsize=1)
def thesaurus() -> Mapping[str, Concept]:
    """Return all concepts by name."""
    name = "thesaurus.toml"
    table = parse_toml((files("avlink.library") / name).read_text(encoding="utf-8"), name)
    return {
        name: Concept(
            name=name,
            facet=facet,
            words=tuple(one["words"].split()),
            labels=tuple(one.get("labels", "").split()),
            broader=tuple(one.get("broader", "").split()),
            related=tuple(one.get("related", "").split()),
        )
        for facet, concepts in table.items()
        for name, one in concepts.items()
    }


@lru_cache(maxsize=1 << 14)
def concepts_of(word: str) -> tuple[str, ...]:
    """Return the names of the concepts that a word in lower case may mean, in any of its forms.

    A word that is listed just so means what it is listed for: a can is no cane.
    """
    return _by_word().get(word) or _by_stem().get(stem(word), ())


@lru_cache(maxsize=1 << 14)
def concepts_of_label(word: str) -> tuple[str, ...]:
    """Return the concepts that a word of the name of a sound may mean."""
    return tuple(dict.fromkeys((*concepts_of(word), *_by_label().get(word, ()))))


def joined_words(words: Iterable[Phrase]) -> list[Phrase]:
    """Return words in order, with two that the thesaurus knows as one joined: "machine gun", "hi hat"."""
    made: list[Phrase] = []
    for phrase in words:
        both = "".join((*made[-1], *phrase)) if made else ""
        if both and len(made[-1]) == len(phrase) == 1 and both in _by_word():
            made[-1] = (both,)
        else:
            made.append(phrase)
    return made


@lru_cache(maxsize=1 << 14)
def word_parts(word: str) -> tuple[str, ...]:
    """Return the words of the thesaurus that a compound is made of, none for a word that is known itself.

    Names of sounds have "woodhit" and "sleighbells". Parts of three letters count where they make up the whole; else
    the longest one at an end of the word, from four letters on at its end and five at its start.
    """
    if len(word) < _LEAST_COMPOUND or concepts_of(word) or categories_of(word):
        return ()
    ends = [word[-size:] for size in range(len(word) - 1, _LEAST_HEAD - 1, -1)]
    starts = [word[:size] for size in range(len(word) - 1, _LEAST_HEAD, -1)]
    known = [part for part in (*ends, *starts) if part in _by_word()]
    return _segmented(word) or tuple(sorted(known, key=lambda part: -len(part))[:1])


@lru_cache(maxsize=4096)
def near_concepts(name: str) -> Mapping[str, float]:
    """Return the concepts that are near to one, up to two steps away, with their nearness: itself 1, others less.

    A sound of a narrower concept is what was asked for; one of a broader concept may be; one of a related concept goes
    with it.
    """
    near = {name: 1.0}
    for step in range(2):
        for one, nearness in list(near.items()):
            for other, factor in _neighbours()[one].items():
                # Two loose ties make none: wood and metal both go with hammering.
                if nearness * factor >= _LEAST and not (step and factor == _RELATED):
                    near[other] = max(near.get(other, 0.0), nearness * factor)
    return near


@lru_cache(maxsize=512)
def is_broad(name: str) -> bool:
    """Return whether there are narrower concepts than one."""
    return any(name in one.broader for one in thesaurus().values())


@lru_cache(maxsize=1)
def music_concepts() -> frozenset[str]:
    """Return the concepts of music and its instruments: they are played, and no blow on a thing sounds so."""
    found = {"music"}
    for _ in range(2):
        found |= {one.name for one in thesaurus().values() if found & set(one.broader)}
    return frozenset(found)


@lru_cache(maxsize=1)
def _by_word() -> Mapping[str, tuple[str, ...]]:
    return _grouped((word, one.name) for one in thesaurus().values() for word in one.words)


@lru_cache(maxsize=1)
def _by_stem() -> Mapping[str, tuple[str, ...]]:
    return _grouped((stem(word), one.name) for one in thesaurus().values() for word in one.words)


@lru_cache(maxsize=1)
def _by_label() -> Mapping[str, tuple[str, ...]]:
    return _grouped((word, one.name) for one in thesaurus().values() for word in one.labels)


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """Return the concepts of each word, each once."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for word, name in pairs:
        found[word][name] = None
    return {word: tuple(names) for word, names in found.items()}


@lru_cache(maxsize=1)
def _neighbours() -> Mapping[str, Mapping[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for one in thesaurus().values():
        for other in one.related:
            found[one.name][other] = max(_RELATED, found[one.name].get(other, 0.0))
        for other in one.broader:
            found[one.name][other] = max(_BROADER, found[one.name].get(other, 0.0))
            found[other][one.name] = max(_NARROWER, found[other].get(one.name, 0.0))
    return found


def _segmented(word: str) -> tuple[str, ...]:
    """Return known words of three letters or more that make up a word, the longest first; none if there are none."""
    if word in _by_word():
        return (word,)
    for size in range(len(word) - 3, 2, -1):
        if word[:size] in _by_word() and (rest := _segmented(word[size:])):
            return (word[:size], *rest)
    return ()
