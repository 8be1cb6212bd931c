"""Hits of a sound library for training: cut from its recordings by the index, of one material or of any kind.

Every tenth sound by name is held out: the foundry's held-out clips sound as recordings that no training has heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np

from avlink.core.errors import InputError, LibraryError, MediaError
from avlink.foundry.recordings import RecordedHit, RecordedHits
from avlink.library.index import open_library_index
from avlink.library.values import Sound
from avlink.media.audio import read_audio

_EVERY = 10
_CLEAR = 0.5
_LONGEST_S = Fraction(3, 2)
_FADE_S = 0.05
_WORDS: Mapping[str, frozenset[str]] = {
    "wood": frozenset(("wood", "wooden", "plank", "log")),
    "metal": frozenset(("metal", "metallic", "iron", "steel", "tin")),
    "glass": frozenset(("glass", "bottle")),
    "stone": frozenset(("stone", "rock", "ceramic", "brick", "concrete", "gravel")),
    "rubber": frozenset(("rubber", "plastic", "skin", "flesh", "ball")),
    "water": frozenset(("water", "splash", "drop")),
    "cloth": frozenset(("cloth", "leather", "fabric", "grass", "leaves")),
}
"""Words of a sound that name a material of the foundry; the nearest of its seven stands for the others."""
_INSTRUMENTS = frozenset(("drum", "drums", "kick", "snare", "tom", "hihat", "hat", "cymbal", "crash", "ride"))
"""A struck cymbal is metal, and nobody's picture of metal that is struck."""

Split = Literal["train", "held_out"]


def sounds_of(library: str, split: Split) -> list[Sound]:
    """Return the sounds of a library, without its held-out ones or those alone. Raises InputError if it has none."""
    try:
        with open_library_index() as index:
            index.library(library)
            sounds = index.sounds("l.name = ?", (library,))
    except LibraryError as error:
        raise InputError(f"data names the sound library '{library}': {error}") from None
    chosen = [sound for k, sound in enumerate(sounds) if (k % _EVERY == 0) == (split == "held_out")]
    if not chosen:
        raise InputError(f"the sound library '{library}' has no sounds to train on; see `avlink library list`")
    return chosen


@lru_cache(maxsize=4)
def recorded_hits(library: str, rate: int, split: Split) -> RecordedHits:
    """Return the single hits of a library by the foundry's materials, at `rate` samples a second.

    Sounds of one folder whose names differ in numbers alone are a family. Files that cannot be read are left out.
    Raises InputError where none can be used.
    """
    families: dict[str, dict[str, list[RecordedHit]]] = {material: {} for material in _WORDS}
    for sound in sounds_of(library, split):
        words = {word.casefold() for word in sound.words}
        materials = [material for material, names in _WORDS.items() if words & names]
        if not materials or words & _INSTRUMENTS or sound.analysis.kind not in ("one-shot", "hits"):
            continue
        hits = list(cut_hits(sound, rate))
        if hits:
            families[materials[0]].setdefault(re.sub(r"\d+", "", sound.name), []).extend(hits)
    if not any(families.values()):
        known = ", ".join(_WORDS)
        raise InputError(f"the sound library '{library}' has no single hits of {known}: its words name no material")
    return RecordedHits(rate=rate, families={material: list(found.values()) for material, found in families.items()})


def cut_hits(sound: Sound, rate: int) -> Iterator[RecordedHit]:
    """Yield the clear hits of a sound, each at most 1.5 s and with a peak of 1; none of a file that cannot be read."""
    for hit in sound.analysis.hits:
        if hit.clarity < _CLEAR:
            continue
        length_s = min(hit.end_s - hit.start_s, _LONGEST_S)
        try:
            wave = read_audio(sound.path, sample_rate=rate, start_s=hit.start_s, duration_s=length_s)
        except MediaError:
            return
        samples = wave.samples[0].astype(np.float32)
        peak = float(np.abs(samples).max(initial=0.0))
        if peak < 1e-4:
            continue
        fade = min(len(samples), int(_FADE_S * rate))
        samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        yield RecordedHit(samples=samples / peak, attack=round((hit.transient_s - hit.start_s) * rate))
