"""The single hits of recordings, each with how clearly it is heard as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from avlink import Sound, SoundHit, derive_seed, fraction_text

_SOFTEST_DB = 14.0
"""Hits of a file this far below its loudest one are echoes and handling."""

_CLEAR, _CLEAR_ENOUGH, _LEAST_CLEAR = 0.75, 0.65, 3
"""Single hits are used that are as clear as this part of the clearest one, and the clearest three from another part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """A single hit in a recording, from `start_s` to `end_s`, whose transient is at `transient_s`."""

    sound: Sound
    start_s: Fraction
    transient_s: Fraction
    end_s: Fraction
    peak_db: float
    clarity: float = 0.0

    @property
    def id(self) -> int:
        """A number of its content, in [0, 2**60)."""
        return derive_seed(self.sound.digest, fraction_text(self.transient_s)) >> 3


def singles_of(sounds: Sequence[Sound]) -> tuple[Single, ...]:
    """Return the single hits in sounds, from the softest to the loudest of equal content once.

    A one-shot is used whole, with its strongest hit as transient; one without a hit strikes at its start.
    """
    found: dict[tuple[str, Fraction], Single] = {}
    for sound in sounds:
        for single in _singles(sound):
            found.setdefault((sound.digest, single.transient_s), single)
    return tuple(sorted(found.values(), key=lambda one: (one.peak_db, one.id)))


def clear_ones(singles: Sequence[Single]) -> tuple[Single, ...]:
    """Return the single hits that are heard about as clearly as the clearest; three at least, if not too unclear."""
    ranked = sorted(singles, key=lambda one: -one.clarity)
    best = ranked[0].clarity if ranked else 0.0
    kept = {
        id(one)
        for number, one in enumerate(ranked)
        if one.clarity >= (_CLEAR if number >= _LEAST_CLEAR else _CLEAR_ENOUGH) * best
    }
    return tuple(one for one in singles if id(one) in kept)


def _singles(sound: Sound) -> list[Single]:
    analysis, hits = sound.analysis, sound.analysis.hits
    if not hits or analysis.kind not in ("hits", "one-shot"):
        return [
            Single(
                sound=sound,
                start_s=Fraction(0),
                transient_s=Fraction(0),
                end_s=analysis.length_s,
                peak_db=analysis.peak_db,
            )
        ]
    loudest = max(hits, key=lambda hit: hit.peak_db)
    if analysis.kind == "one-shot":
        whole = replace(loudest, start_s=hits[0].start_s, end_s=max(hit.end_s for hit in hits))
        return [_single(sound, whole)]
    return [_single(sound, hit) for hit in hits if hit.peak_db >= loudest.peak_db - _SOFTEST_DB]


def _single(sound: Sound, hit: SoundHit) -> Single:
    return Single(
        sound=sound,
        start_s=hit.start_s,
        transient_s=hit.transient_s,
        end_s=hit.end_s,
        peak_db=hit.peak_db,
        clarity=hit.clarity,
    )
