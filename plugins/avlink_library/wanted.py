"""The kind of sound that a hit asks for, and how well recordings fit it by their words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

from avlink import CONTINUOUS_KINDS, HIT_KINDS, Hit, RankedSound, Sound, SoundWish
from avlink_library.singles import singles_of

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

_UNCLEAR = 0.5
"""Weight of a recording without a transient, or with several, compared with one of a clear hit."""


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

    @property
    def has_kind(self) -> bool:
        """Return whether the last of `queries` is that of the kind."""
        return bool(self.kind) and self.kind != "hit"


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
    wanted: Wanted, found: Sequence[RankedSound], *, most: int, usable: Callable[[Sound], bool]
) -> tuple[Sound, ...]:
    """Return at most `most` of the sounds that were found and can be used: those that fit nearly as well as the best.

    For a moment, those of one clear hit come first. `found` begins with the best.
    """
    best = next((one.score for one in found if usable(one.sound)), 0.0)
    good = [one for one in found if one.score >= _NEAR_BEST * best]
    if not wanted.is_range:
        # Sorting is stable: of equals the order of the search holds.
        good.sort(key=lambda one: -round(one.score * (_UNCLEAR + (1 - _UNCLEAR) * clarity(one.sound)), 6))
    return tuple(islice((one.sound for one in good if usable(one.sound)), most)) if best else ()


def clarity(sound: Sound) -> float:
    """Return how clearly the clearest hit of a sound is heard as one, 0 to 1."""
    return max((single.clarity for single in singles_of([sound])), default=0.0)
