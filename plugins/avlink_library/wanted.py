"""The kind of sound that a hit asks for, and how well recordings fit it by their words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from avlink import CONTINUOUS_KINDS, HIT_KINDS, FoundSound, Hit, Sound, SoundWish, categories_of

KIND_WORDS: Mapping[str, str] = {
    "hit": "hit impact thud knock",
    "step": "footstep footsteps step walk",
    "drop": "drop fall impact bounce",
    "slide": "slide scrape drag roll",
    "drag": "drag scrape slide",
    "rub": "rub scrape friction",
    "splash": "splash water drop",
    "flash": "gunshot explosion shot bang",
}
"""Words for hits of which nothing but the kind is known, by the categories of UCS: IMPACTS, FOOTSTEPS, and so on."""

_NEAR_BEST = 0.85
"""Recordings whose words say nearly as much as those of the best one are as good."""

_UNCLEAR = 0.7
"""Weight of a recording without a transient, or with several: it goes after those of one clear hit."""

_LATER = 0.9
"""Weight of a word of a prompt, for each word before it: what sounds is named first."""

_BY_CATEGORY = 3
"""Greatest rank of sounds that have a word, or one of its category."""

_OF_HIT = 3.0
"""Weight of a word that a person gave to a hit, compared with one of the prompt of its clip."""

_NO_SOUND = 0.4
"""Weight of a word that no category of UCS knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A wish for a recording: the words of a hit, those of its clip, and the hit's kind.

    `is_range` asks for a continuous sound. Of an ambience the kind is "".
    """

    words: str
    prompt: str
    kind: str
    is_range: bool = False

    @property
    def queries(self) -> tuple[str, ...]:
        """Texts to search for, the most telling first."""
        texts = [self.words, self.prompt]
        # A blow may be anything: where words tell more, nothing but those words fits.
        if self.kind in KIND_WORDS and (self.kind != "hit" or not any(text.strip() for text in texts)):
            texts.append(KIND_WORDS[self.kind])
        elif self.kind and self.kind not in KIND_WORDS:
            texts.append(self.kind)
        return tuple(dict.fromkeys(text.strip() for text in texts if text.strip()))


def wanted_by(hit: Hit, prompt: str) -> Wanted:
    """Return what a hit of a clip asks for."""
    return Wanted(words=hit.words, prompt=prompt, kind=hit.kind, is_range=hit.duration_s > 0)


def ambience(prompt: str) -> Wanted:
    """Return what the ambience of a clip asks for."""
    return Wanted(words="", prompt=prompt, kind="", is_range=True)


def all_wanted(wish: SoundWish) -> tuple[Wanted, ...]:
    """Return all that a clip may ask for; where its hits are not known yet, a hit of every kind."""
    prompt = wish.prompt.text
    if wish.is_ambience:
        return (ambience(prompt),)
    if wish.hits is None:
        kinds = [Wanted(words="", prompt=prompt, kind=kind) for kind in HIT_KINDS]
        ranges = [Wanted(words="", prompt=prompt, kind=kind, is_range=True) for kind in CONTINUOUS_KINDS]
        return (*kinds, *ranges, ambience(prompt))
    hits = (*wish.hits, *(wish.base_hits or ()))
    return tuple(dict.fromkeys(wanted_by(hit, prompt) for hit in hits))


def as_planned(hit: Hit) -> Hit:
    """Return a hit of a spotter as one of those that `all_wanted` reckons with: of a known kind, without words."""
    lasts = hit.kind in CONTINUOUS_KINDS
    kind = hit.kind if lasts or hit.kind in HIT_KINDS else "hit"
    return replace(hit, kind=kind, words="", duration_s=hit.duration_s if lasts else Fraction(0))


def best_fitting(
    wanted: Wanted,
    found: Mapping[str, Sequence[FoundSound]],
    rarity: Callable[[str], float],
    *,
    most: int,
) -> tuple[Sound, ...]:
    """Return at most `most` sounds that fit, the best first; none if nothing does.

    `found` are the results of a search for each of `wanted.queries`. `rarity(word)` is above 0, and greater for a word
    that few sounds have. Sounds are looked for by the words of the hit, then by those of the clip, then by its kind;
    the first of these that is found decides, and the others choose among its sounds.
    """
    for query in wanted.queries:
        scores: dict[tuple[str, str], float] = {}
        sounds: dict[tuple[str, str], Sound] = {}
        for one in found[query]:
            score = _score(query, one.words, rarity)
            # Known by its category only: better than nothing.
            if not score and one.rank <= _BY_CATEGORY:
                score = 0.01
            if score:
                key = (one.sound.library, one.sound.name)
                sounds[key], scores[key] = one.sound, score * (_OF_HIT if query == wanted.words.strip() else 1.0)
        if not sounds:
            continue
        for other in wanted.queries:
            if other != query:
                for one in found[other]:
                    key = (one.sound.library, one.sound.name)
                    if key in scores:
                        scores[key] += _score(other, one.words, rarity)
        if not wanted.is_range:
            scores = {key: score * (1.0 if _is_clear(sounds[key]) else _UNCLEAR) for key, score in scores.items()}
        best = max(scores.values())
        good = [key for key, score in scores.items() if score >= _NEAR_BEST * best]
        # Sorting is stable: of equals the search's own order holds.
        good.sort(key=lambda key: -round(scores[key], 6))
        return tuple(sounds[key] for key in good[:most])
    return ()


def _is_clear(sound: Sound) -> bool:
    """Return whether what is laid of a recording is heard as one hit; one without a transient or with echoes is not."""
    return sound.analysis.kind == "hits" or len(sound.analysis.hits) == 1


def _score(query: str, words: Sequence[str], rarity: Callable[[str], float]) -> float:
    """Return how much of a query the words of a sound say."""
    text = query.casefold()
    total = 0.0
    for word in words:
        before = len(text[: max(0, text.find(word))].split())
        known = 1.0 if categories_of(word) else _NO_SOUND
        total += rarity(word) * known * _LATER**before
    return total if math.isfinite(total) else 0.0
