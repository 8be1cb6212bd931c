"""The meaning of a sound by its words: how much it tells of a prompt, and what it has that was not asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from avlink.library.prompt_terms import Term
from avlink.library.thesaurus import UNREAL, concepts_of_label, is_broad, music_concepts, thesaurus
from avlink.library.values import Sound
from avlink.library.words import stem

_ALIKE, _ANOTHER_WORD, _CATEGORY = 0.95, 0.8, 0.4
"""Nearness of another word for a material or a broad concept, for any other concept, and of a category of UCS."""

_SHARED = 0.4
"""Part of a word that has told another term already: the cow of a cow bell does not moo."""

_BESIDES = 0.2
"""Part of a second word that tells of the same term: hammers strike, and they strike wood and metal."""

_GUESSED, _OF_FOLDER = 0.7, 0.8
"""Trust in words of a category that was inferred from others, and in those of folders."""

_UNASKED_SOURCE, _UNASKED_MATERIAL, _OTHER_ACTION, _UNASKED_UNREAL = 0.7, 0.8, 0.75, 0.6
"""Weights of sounds with a source, a material or an action that the prompt does not name, and of made-up ones."""


class SoundMeaning:
    """The words of a sound, with how far each can be trusted, and their concepts."""

    def __init__(self, sound: Sound) -> None:
        """Take the words of `sound`."""
        told = sound.description
        guessed = _GUESSED if told.catid_from == "words" else 1.0
        trusted: dict[str, float] = {}
        for text, trust in ((told.name, 1.0), (told.text, 1.0), (told.category, guessed), (told.place, _OF_FOLDER)):
            for word in text.split():
                trusted.setdefault(word, trust)
        self.sound = sound
        self._text = f" {' '.join(trusted)} "
        self._words = [(word, trust, concepts_of_label(word)) for word, trust in trusted.items()]
        # What was guessed may help a sound, and is not held against it.
        self._concepts = {name for _, trust, names in self._words if trust > _GUESSED for name in names}

    def tells(self, terms: Sequence[Term]) -> list[float]:
        """Return how much of each term the sound tells, from 0 for nothing to 1 for the word itself.

        A word of the sound tells one term in full, the one that it is nearest to, and others in part.
        """
        pairs = [
            (-_nearness(term, word) * trust, number, place)
            for number, term in enumerate(terms)
            for place, (word, trust, _) in enumerate(self._words)
        ]
        told, words, used = [0.0] * len(terms), [0] * len(terms), set[int]()
        for lost, number, place in sorted(pair for pair in pairs if pair[0]):
            if not words[number]:
                told[number] = -lost * (_SHARED if place in used else 1.0)
            elif words[number] == 1 and place not in used:
                told[number] = min(1.0, told[number] - lost * _BESIDES)
            else:
                continue
            words[number] += 1
            used.add(place)
        for number, term in enumerate(terms):
            if len(term.phrase) > 1 and f" {' '.join(term.phrase)} " in self._text:
                told[number] = 1.0
            elif self.sound.description.catid in term.catids:
                told[number] = max(told[number], _CATEGORY)
        return told

    def fitness(self, asked: set[str], *, asks_for_action: bool) -> float:
        """Return 1, or less for what the sound has besides the concepts `asked`.

        That is a source, a material, another action or none where one is asked for, music, and what no picture makes.
        """
        weight = self._part("source", asked, _UNASKED_SOURCE) * self._part("material", asked, _UNASKED_MATERIAL)
        if asks_for_action:
            weight *= self._part("action", asked, _OTHER_ACTION, lacking=_OTHER_ACTION)
        weight *= self._part(UNREAL, asked, _UNASKED_UNREAL)
        if self._concepts & music_concepts() and not asked & music_concepts():
            weight *= _UNASKED_UNREAL
        return weight

    def _part(self, facet: str, asked: set[str], weight: float, *, lacking: float = 1.0) -> float:
        """Return the weight of what the sound has of a facet: `lacking` if nothing, `weight` if nothing `asked`.

        If some of it is asked for, it is half as far from 1. A word that may mean what is asked for means that.
        """
        own = [names for _, trust, names in self._words if trust > _GUESSED and facet in _facets(names)]
        wanted = sum(not asked.isdisjoint(names) for names in own)
        if not own:
            return lacking
        return 1.0 if wanted == len(own) else (1 + weight) / 2 if wanted else weight


@lru_cache(maxsize=1 << 15)
def _nearness(term: Term, word: str) -> float:
    """Return how much of a term a word tells, 0 to 1."""
    if len(term.phrase) == 1 and stem(term.phrase[0]) == stem(word):
        return 1.0
    return max((term.concepts.get(name, 0.0) * _factor(name) for name in concepts_of_label(word)), default=0.0)


def _factor(name: str) -> float:
    """Return the nearness of two words of a concept: a blow is any blow, and a hound is not any dog."""
    return _ALIKE if thesaurus()[name].facet == "material" or is_broad(name) else _ANOTHER_WORD


def _facets(names: Sequence[str]) -> set[str]:
    return {thesaurus()[name].facet for name in names}
