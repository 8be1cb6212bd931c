"""The sounds that fit a prompt: found by its words and the concepts that they mean, and ranked by how much they tell.

`avlink library search` looks for words as they are typed; here they are a description of a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log10

from avlink.library.index import LibraryIndex
from avlink.library.meaning import SoundMeaning
from avlink.library.prompt_terms import Term, prompt_terms
from avlink.library.search import WantedSounds, match_words
from avlink.library.thesaurus import thesaurus
from avlink.library.values import Sound
from avlink.library.words import stem

_MOST_FOUND = 200
"""Sounds that are looked at for each form of a term, and for each pair of terms."""

_PAIRED = 4
"""Terms of the greatest weight, of which pairs are looked for."""

_IN_FULL = 0.75
"""A sound that tells so much of a term has its word, or another one for it, which counts more if few others do."""

_LEAST_TOLD = 0.25
"""A sound must tell as much as this part of one word in full, or it has nothing to do with the prompt."""

_ASKED = 0.4
"""Weight of a term times nearness of a concept from which on the concept is asked for."""

_ALSO = 0.3
"""Weight of the words that choose among the sounds that fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedSound:
    """A sound that fits a prompt; a greater `score` fits better."""

    sound: Sound
    score: float


class SoundRanking:
    """The sounds of an index that fit a prompt. They are looked for once, and ranked for any kind of hit."""

    def __init__(self, index: LibraryIndex, prompt: str, wanted: WantedSounds | None = None) -> None:
        """Look for sounds of which `wanted` holds. Raises LibraryError as `search_sounds` does."""
        self._terms = prompt_terms(prompt)
        numbers = _numbers(index, self._terms, wanted or WantedSounds())
        self._meanings = [SoundMeaning(sound) for sound in index.sounds_by_id(sorted(numbers)).values()]
        tellings = [meaning.tells(self._terms) for meaning in self._meanings]
        counts = [sum(told[place] >= _IN_FULL for told in tellings) for place in range(len(self._terms))]
        rarities = [1 + 0.5 * log10(max(1.0, _MOST_FOUND / max(1, count))) for count in counts]
        self._scores = [
            sum(
                term.weight * part * (rarity if part >= _IN_FULL else 1.0)
                for term, part, rarity in zip(self._terms, told, rarities, strict=True)
            )
            for told in tellings
        ]

    def ranked(self, *, also: str = "", kind: str = "") -> tuple[RankedSound, ...]:
        """Return the sounds, the best first; the same index and words give the same order.

        Each word of the prompt that a sound has, or means, adds to its score: rare words more than common ones, words
        for actions, materials and sources more than those for people and places. A sound of another action scores
        less, and so does one of a source that the words do not name.

        The words of `also` and `kind` choose among these sounds: those of `also` as far as a sound tells them, those
        of `kind`, of which one is enough, as a word of the prompt.
        """
        more, kinds = prompt_terms(also), prompt_terms(kind)
        asked = {
            name
            for term in (*self._terms, *more, *kinds)
            for name, nearness in term.concepts.items()
            if term.weight * nearness >= _ASKED
        }
        actions = any("action" in term.facets for term in self._terms)
        found = []
        for meaning, score in zip(self._meanings, self._scores, strict=True):
            if score < _LEAST_TOLD:
                continue
            told = meaning.tells(more)
            score += _ALSO * sum(term.weight * part for term, part in zip(more, told, strict=True))
            score += max(meaning.tells(kinds), default=0.0)
            found.append(
                RankedSound(sound=meaning.sound, score=score * meaning.fitness(asked, asks_for_action=actions))
            )
        # Sums in another order differ in their last digits.
        found.sort(key=lambda one: (-round(one.score, 6), one.sound.library, one.sound.name))
        return tuple(found)


def _numbers(index: LibraryIndex, terms: Sequence[Term], wanted: WantedSounds) -> set[int]:
    """Return the numbers of the sounds that have a term, a word for the same, or one for what is near."""
    words = [(term, _words_for(term)) for term in terms]
    # The word itself first: of a concept that is found a thousand times it may be the rarest word.
    numbers = {
        number for _, rows in words for row in rows for number in match_words(index, [row], wanted, limit=_MOST_FOUND)
    }
    heavy = sorted(words, key=lambda pair: -pair[0].weight)[:_PAIRED]
    for (_, one), (_, other) in combinations(heavy, 2):
        both = [[word for row in rows for word in row] for rows in (one, other)]
        numbers.update(match_words(index, both, wanted, limit=_MOST_FOUND))
    return numbers


def _words_for(term: Term) -> list[tuple[str, ...]]:
    """Return the word of a term, other words for it, and words for what is near."""
    own = [word for name in term.meant for word in thesaurus()[name].words]
    near = [word for name in term.concepts for word in (*thesaurus()[name].words, *thesaurus()[name].labels)]
    near += [catid.casefold() for catid in term.catids]
    # Each form of a word would count once more in the order of what is found.
    rows = [tuple({stem(word): word for word in row}.values()) for row in (own, near)]
    return [(" ".join(term.phrase),), *(row for row in rows if row)]
