"""The sounds that fit a prompt: found by its words and by the concepts that they mean, and weighed by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log10

from avlink.library.index import LibraryIndex
from avlink.library.prompt_terms import Term, prompt_terms
from avlink.library.search import WantedSounds, match_words
from avlink.library.thesaurus import UNREAL, concepts_of_label, is_broad, music_concepts, thesaurus
from avlink.library.values import Sound
from avlink.library.words import stem

_MOST_FOUND = 200
"""Sounds that are looked at for each term, and for each pair of terms."""

_PAIRED = 4
"""Terms of the greatest weight, of which pairs are looked for."""

_SHARED = 0.4
"""Part of a word that has told another term already: the cow of a cow bell does not moo."""

_BESIDES = 0.2
"""Part of a second word of the sound that tells of the same term: hammers strike, and they strike wood and metal."""

_GUESSED, _OF_FOLDER = 0.7, 0.8
"""Trust in words of a category that was inferred from others, and in those of folders."""

_ALSO = 0.3
"""Weight of words that only choose among the sounds that fit."""

_IN_FULL = 0.75
"""A sound that tells so much of a word has it, or another word for it, which counts more if few others do."""

_ALIKE, _ANOTHER_WORD, _CATEGORY = 0.95, 0.8, 0.4
"""Nearness of a sound that has another word of the same concept, or a category of UCS that knows the word."""

_LEAST_TOLD = 0.2
"""A sound must tell as much as this part of a word in full, or it has nothing to do with the prompt."""

_UNASKED_SOURCE, _UNASKED_MATERIAL, _OTHER_ACTION, _UNASKED_UNREAL = 0.7, 0.9, 0.75, 0.6
"""Weights of sounds of something else besides, of another action, and of made-up ones that the prompt does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittingSound:
    """A sound that fits a prompt; a greater `score` fits better."""

    sound: Sound
    score: float


def fitting_sounds(
    index: LibraryIndex, text: str, wanted: WantedSounds | None = None, *, also: str = ""
) -> tuple[FittingSound, ...]:
    """Return the sounds that fit the words of `text`, the best first; those of `also` choose among them only.

    Each word of `text` that a sound has, or means, adds to its score: rare words more than common ones, words for
    actions, materials and sources more than those for people and places. A sound of another action, or of a source that
    the words do not name, scores less. The same index and words give the same order.

    Raises LibraryError as `search_sounds` does.
    """
    wanted = wanted or WantedSounds()
    terms, others = prompt_terms(text), prompt_terms(also)
    if not terms:
        return ()
    words = {term.phrase: _words_for(term) for term in terms}
    numbers: set[int] = set()
    for rows in words.values():
        for row in rows:
            numbers.update(match_words(index, [row], wanted, limit=_MOST_FOUND))
    heavy = sorted(terms, key=lambda term: -term.weight)[:_PAIRED]
    for one, other in combinations(heavy, 2):
        pair = [[word for row in words[term.phrase] for word in row] for term in (one, other)]
        numbers.update(match_words(index, pair, wanted, limit=_MOST_FOUND))
    asked = {name for term in (*terms, *others) for name in term.concepts}
    actions = {name for term in terms if term.weight > _LEAST_TOLD for name in term.meant if _facet(name) == "action"}
    meanings = [_Meaning(sound) for sound in index.sounds_by_id(sorted(numbers)).values()]
    tellings = [meaning.tells(terms) for meaning in meanings]
    counts = [sum(told[place] >= _IN_FULL for told in tellings) for place in range(len(terms))]
    rarities = [1 + 0.5 * log10(max(1.0, _MOST_FOUND / max(1, count))) for count in counts]
    scored = []
    for meaning, told in zip(meanings, tellings, strict=True):
        score = sum(
            term.weight * tell * (rarity if tell >= _IN_FULL else 1.0)
            for term, tell, rarity in zip(terms, told, rarities, strict=True)
        )
        if score < _LEAST_TOLD:
            continue
        score += _ALSO * sum(term.weight * tell for term, tell in zip(others, meaning.tells(others), strict=True))
        scored.append(FittingSound(sound=meaning.sound, score=score * meaning.fitness(asked, actions)))
    scored.sort(key=lambda one: (-round(one.score, 6), one.sound.library, one.sound.name))
    return tuple(scored)


class _Meaning:
    """The words of a sound, with how far each can be trusted, and their concepts."""

    def __init__(self, sound: Sound) -> None:
        told, self._catid, self.sound = sound.description, sound.description.catid, sound
        guessed = _GUESSED if told.catid_from == "words" else 1.0
        trusted: dict[str, float] = {}
        for text, trust in ((told.name, 1.0), (told.text, 1.0), (told.category, guessed), (told.place, _OF_FOLDER)):
            for word in text.split():
                trusted.setdefault(word, trust)
        self._text = f" {' '.join(trusted)} "
        self._words = [(stem(word), trust, concepts_of_label(word)) for word, trust in trusted.items()]
        self.concepts = frozenset(name for _, trust, names in self._words if trust > _GUESSED for name in names)

    def tells(self, terms: Sequence[Term]) -> list[float]:
        """Return how much of each term the sound tells, 0 to 1; one word of it tells one term, and others in part."""
        pairs = sorted(
            (
                (-self._nearness(term, *word), number, place)
                for number, term in enumerate(terms)
                for place, word in enumerate(self._words)
            ),
        )
        told = [0.0] * len(terms)
        best: dict[int, int] = {}
        more: dict[int, float] = {}
        used: dict[int, int] = {}
        for nearness, number, place in pairs:
            if not nearness:
                break
            shared = used.get(place, number) != number
            value = -nearness * (_SHARED if shared else 1.0)
            if not told[number]:
                used.setdefault(place, number)
                best[number] = place
            elif place != best[number] and not shared:
                more.setdefault(number, value)
            told[number] = max(told[number], value)
        told = [value + _BESIDES * more.get(number, 0.0) for number, value in enumerate(told)]
        for number, term in enumerate(terms):
            if len(term.phrase) > 1 and f" {' '.join(term.phrase)} " in self._text:
                told[number] = 1.0
            elif self._catid in term.catids:
                told[number] = max(told[number], _CATEGORY)
        return told

    def fitness(self, asked: set[str], actions: set[str]) -> float:
        """Return a weight of 1, or less for what the sound has and the prompt does not ask for."""
        weight = _unasked({name for name in self.concepts if _facet(name) == "source"}, asked, _UNASKED_SOURCE)
        weight *= _unasked({name for name in self.concepts if _facet(name) == "material"}, asked, _UNASKED_MATERIAL)
        if actions:
            own = {name for name in self.concepts if _facet(name) == "action"}
            weight *= _unasked(own, asked, _OTHER_ACTION) if own else _OTHER_ACTION
        if any(_facet(name) == UNREAL and name not in asked for name in self.concepts):
            weight *= _UNASKED_UNREAL
        if not asked & music_concepts() and self.concepts & music_concepts():
            weight *= _UNASKED_UNREAL
        return weight

    @staticmethod
    def _nearness(term: Term, word: str, trust: float, concepts: Sequence[str]) -> float:
        if len(term.phrase) == 1 and stem(term.phrase[0]) == word:
            return trust
        return max((term.concepts.get(name, 0.0) * _factor(name) for name in concepts), default=0.0) * trust


def _unasked(own: set[str], asked: set[str], weight: float) -> float:
    """Return the weight of a sound that has nothing but what was not asked for, half as far from 1 for some of it."""
    if not own or own <= asked:
        return 1.0
    return (1 + weight) / 2 if own & asked else weight


def _words_for(term: Term) -> tuple[tuple[str, ...], ...]:
    """Return the words that sounds are looked for by: the term, other words for it, and words for what is near."""
    own = [word for name in term.meant for word in thesaurus()[name].words]
    near = [word for name in term.concepts for word in thesaurus()[name].words]
    catids = [catid.casefold() for catid in term.catids]
    # Each form of a word would count once more in the order of what is found.
    distinct = ({stem(word): word for word in row} for row in (own, [*near, *catids]))
    return tuple(filter(None, ((" ".join(term.phrase),), *(tuple(row.values()) for row in distinct))))


def _factor(name: str) -> float:
    """Return the nearness of two words of a concept: a blow is any blow, and a hound is not any dog."""
    return _ALIKE if _facet(name) == "material" or is_broad(name) else _ANOTHER_WORD


def _facet(name: str) -> str:
    return thesaurus()[name].facet
