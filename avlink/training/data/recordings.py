"""Hits of a sound library for training: cut from its recordings by the index, of one material or of any kind.

Sounds of one folder whose names differ in numbers alone are a family: recordings of one object. Every tenth sound by
name is held out: the foundry's held-out clips sound as recordings that no training has heard.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np

from avlink.core.errors import InputError, LibraryError, MediaError
from avlink.foundry.recordings import RecordedHit, RecordedHits, RecordedObject
from avlink.library.index import open_library_index
from avlink.library.thesaurus import Concept, concepts_of_label, thesaurus, word_parts
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
_SAYS_NOTHING = frozenset(("sounds", "sound", "other", "misc", "mid"))
_CAPTION_WORDS = 5
_FACETS = ("source", "action", "material")
_SYNONYM_CAPTIONS, _CAPTION_CONCEPTS, _BROADER = 6, 3, 0.25
"""Captions of other words for the same, their concepts, and the share of concepts that are named by a broader one."""

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
    """Return the clear hits of a library at `rate` samples a second: by the foundry's materials, and by object.

    Files that cannot be read are left out. Raises InputError where no hit is of a known material.
    """
    families: dict[str, dict[str, list[RecordedHit]]] = {material: {} for material in _WORDS}
    objects: dict[str, dict[str, RecordedObject]] = {}
    for sound in sounds_of(library, split):
        if sound.analysis.kind not in ("one-shot", "hits"):
            continue
        hits = tuple(cut_hits(sound, rate))
        if not hits:
            continue
        family, group = family_of(sound), group_of(sound)
        known = objects.setdefault(group, {}).get(family)
        captions, before = ((), ()) if known is None else (known.captions, known.hits)
        objects[group][family] = RecordedObject(captions=(*captions, *captions_of(sound)), hits=(*before, *hits))
        words = {word.casefold() for word in sound.words}
        materials = [material for material, names in _WORDS.items() if words & names]
        if materials and not words & _INSTRUMENTS:
            families[materials[0]].setdefault(family, []).extend(hits)
    if not any(families.values()):
        known_materials = ", ".join(_WORDS)
        raise InputError(
            f"the sound library '{library}' has no single hits of {known_materials}: its words name no material"
        )
    return RecordedHits(
        rate=rate,
        families={material: list(found.values()) for material, found in families.items()},
        objects=[list(group.values()) for group in objects.values()],
    )


def family_of(sound: Sound) -> str:
    """Return the name that all recordings of one object share: that of the file without its numbers."""
    return re.sub(r"\d+", "", sound.name)


def group_of(sound: Sound) -> str:
    """Return the words of a sound's text and what sounds, such as "animal dog", by which objects are drawn evenly."""
    sources = [concept.name for concept in _concepts_of(sound) if concept.facet == "source"]
    return " ".join([sound.description.text.casefold(), *sources[:1]])


def captions_of(sound: Sound) -> tuple[str, ...]:
    """Return captions of a sound, from its name and its text, and of other words for the same by the thesaurus.

    UCS words count only where its author gave them.
    """
    name = " ".join(_named_words(sound)[:_CAPTION_WORDS])
    text = " ".join(sound.description.text.split()[:_CAPTION_WORDS])
    lines = [name, f"{text} {name}", f"{name} {text}", text]
    if sound.description.catid_from not in ("", "words"):
        # The last is UCS's abbreviation.
        category = " ".join(sound.description.category.split()[:-1])
        lines += [f"{category} {name}", category]
    if concepts := _concepts_of(sound):
        # The same captions whenever they are asked for.
        rng = random.Random(sound.name)
        lines += [_synonyms(concepts, rng) for _ in range(_SYNONYM_CAPTIONS)]
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _synonyms(concepts: Sequence[Concept], rng: random.Random) -> str:
    """Return a word for each of the first concepts, such as "puppy woofs" for a dog that barks."""
    words = []
    for concept in concepts[:_CAPTION_CONCEPTS]:
        broader = [thesaurus()[name] for name in concept.broader]
        named = rng.choice(broader) if broader and rng.random() < _BROADER else concept
        words.append(rng.choice(named.words))
    return " ".join(words)


def _concepts_of(sound: Sound) -> tuple[Concept, ...]:
    """Return the concepts of a sound's name that sound: what, then what it does, then what it is made of."""
    found = {
        name: thesaurus()[name]
        for word in _named_words(sound)
        for part in word_parts(word) or (word,)
        for name in concepts_of_label(part)
    }
    return tuple(concept for facet in _FACETS for concept in found.values() if concept.facet == facet)


def _named_words(sound: Sound) -> list[str]:
    """Return the words of a sound's own name, without those of its folder."""
    folder = set(re.split(r"[^a-z]+", sound.name.rpartition("/")[0].casefold()))
    words = [word.casefold() for word in sound.description.name.split() if len(word) > 2 and word.isalpha()]
    return [word for word in words if word not in folder | _SAYS_NOTHING]


def cut_hits(sound: Sound, rate: int) -> Iterator[RecordedHit]:
    """Yield the clear hits of a sound, each at most 1.5 s and with a peak of 1; none of a file that cannot be read."""
    clear = [hit for hit in sound.analysis.hits if hit.clarity >= _CLEAR]
    if not clear:
        return
    ends = [min(hit.end_s, hit.start_s + _LONGEST_S) for hit in clear]
    first_s = min(hit.start_s for hit in clear)
    try:
        wave = read_audio(sound.path, sample_rate=rate, start_s=first_s, duration_s=max(ends) - first_s)
    except MediaError:
        return
    for hit, end_s in zip(clear, ends, strict=True):
        begin, end = round((hit.start_s - first_s) * rate), round((end_s - first_s) * rate)
        samples = wave.samples[0, begin:end].astype(np.float32)
        peak = float(np.abs(samples).max(initial=0.0))
        if peak < 1e-4:
            continue
        fade = min(len(samples), int(_FADE_S * rate))
        samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        yield RecordedHit(samples=samples / peak, attack=round((hit.transient_s - hit.start_s) * rate))
