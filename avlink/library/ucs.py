"""The Universal Category System: categories of sounds by ID, by file name, and by the words of a description.

`ucs.json` holds the IDs, categories, subcategories and synonyms of UCS 8.2.1 (CC0-1.0; its source stands in the file).
File names are `CatID[-UserCategory]_FXName_CreatorID_SourceID[_UserData]`.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from math import log

from avlink.library.words import split_words, stem

MISC = "MISC"
"""The subcategory of what fits no other one of its category."""

_SUBCATEGORY, _CATEGORY, _SYNONYM = 2.0, 2.5, 1.0
_LEAST_SCORE = 4.0
"""Below it, words say too little for a category: a single synonym that many categories share."""

_MOST_EXPANDED = 40
"""A word that is a synonym of more categories says nothing of the category: "misc", "ambience"."""

_ADDED = {
    "FOOTSTEPS": (4.0, ("footstep", "footfall", "step", "walk", "stomp", "tread")),
    "DOORS": (_SYNONYM, ("close", "open", "slam")),
}
"""Words of ours for all of a category, with their weight: "walk on grass" is a footstep, though few categories know the
word grass, and UCS has "close" for vehicles only."""

# Words of names and folders that describe a file and no sound.
_OF_FILES = (
    "a an and at by edit fast file files final for from fx in left loop loud low mid high mono new of off old on or "
    "project right rr sample samples sfx short slow small soft sound sounds stereo take the to vel vol wav with long "
    "big large medium hard light single multiple various misc miscellaneous"
)
_EMPTY = frozenset(_OF_FILES.split())


@dataclass(frozen=True, slots=True)
class UcsCategory:
    """A category of UCS; `synonyms` are words in lower case."""

    catid: str
    category: str
    subcategory: str
    synonyms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UcsName:
    """The parts of a file name in the form of UCS; those that it does not have are empty."""

    catid: str
    user_category: str = ""
    fx_name: str = ""
    creator: str = ""
    source: str = ""
    user_data: str = ""


@lru_cache(maxsize=1)
def vocabulary() -> Mapping[str, UcsCategory]:
    """Return all categories by CatID."""
    table = json.loads((files("avlink.library") / "ucs.json").read_text(encoding="utf-8"))
    return {
        catid: UcsCategory(catid, category, subcategory, tuple(synonyms))
        for catid, category, subcategory, synonyms in table["categories"]
    }


def find_category(text: str) -> UcsCategory | None:
    """Return the category of a CatID in any case, or of "CATEGORY-SUBCATEGORY" or "CATEGORY"; None if there is none."""
    return vocabulary().get(text) or _by_folded_name().get(_folded(text))


def parse_name(name: str) -> UcsName | None:
    """Return the parts of a file name without its suffix; None where it does not begin with a CatID.

    A CatID in another case counts where the name has all four parts: "wood_rain_x_y" is no use of UCS by chance.
    """
    head, *rest = name.split("_")
    catid, _, user_category = head.partition("-")
    found = vocabulary().get(catid.strip())
    if found is None and len(rest) >= 3:
        found = _by_folded_id().get(catid.strip().casefold())
    if found is None or not rest:
        return None
    parts = [part.strip() for part in (*rest, "", "", "")]
    return UcsName(
        catid=found.catid,
        user_category=user_category.strip(),
        fx_name=parts[0],
        creator=parts[1],
        source=parts[2],
        user_data="_".join(part for part in parts[3:] if part),
    )


def infer_category(weighted: Mapping[str, float]) -> UcsCategory | None:
    """Return the category that words speak for most, through the names and synonyms of UCS; None if too little.

    `weighted` maps words to their weights: 1 for those of a name, less for those of a folder. Rare words count more
    than words that many categories share. Of equals, the category's MISC is taken.
    """
    scores: dict[str, float] = defaultdict(float)
    stems: dict[str, float] = {}
    for word, weight in weighted.items():
        if word not in _EMPTY and not word.isdigit() and len(word) > 1:
            stems[stem(word)] = max(weight, stems.get(stem(word), 0.0))
    index, total = _by_stem(), len(vocabulary())
    for word, weight in stems.items():
        entries = index.get(word, ())
        for catid, factor in entries:
            scores[catid] += weight * factor * log(total / len(entries))
    if not scores:
        return None
    best = max(scores.values())
    if best < _LEAST_SCORE:
        return None
    # Rounded: sums in another order differ in their last digits.
    equal = [vocabulary()[catid] for catid, score in scores.items() if score > best - 1e-6]
    first = min(equal, key=lambda one: (one.subcategory != MISC, one.catid))
    return first if len({one.category for one in equal}) == 1 else min(equal, key=lambda one: one.catid)


@lru_cache(maxsize=4096)
def categories_of(word: str) -> tuple[str, ...]:
    """Return the CatIDs whose names or synonyms have a word; none where so many have it that it says nothing."""
    entries = _by_stem().get(stem(word), ())
    named = tuple(catid for catid, factor in entries if factor > _SYNONYM)
    return tuple(catid for catid, _ in entries) if len(entries) <= _MOST_EXPANDED else named[:_MOST_EXPANDED]


@lru_cache(maxsize=1)
def _by_stem() -> Mapping[str, tuple[tuple[str, float], ...]]:
    """Return (CatID, weight) of every stem, the greatest weight that the stem has there."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for one in vocabulary().values():
        texts = [(one.subcategory, _SUBCATEGORY), (one.category, _CATEGORY)]
        texts += [(text, _SYNONYM) for text in one.synonyms]
        weight, added = _ADDED.get(one.category, (0.0, ()))
        texts += [(text, weight) for text in added]
        for text, weight in texts:
            for word in split_words(text):
                if word not in _EMPTY:
                    entry = found[stem(word)]
                    entry[one.catid] = max(weight, entry.get(one.catid, 0.0))
    return {word: tuple(entry.items()) for word, entry in found.items()}


@lru_cache(maxsize=1)
def _by_folded_id() -> Mapping[str, UcsCategory]:
    return {catid.casefold(): one for catid, one in vocabulary().items()}


@lru_cache(maxsize=1)
def _by_folded_name() -> Mapping[str, UcsCategory]:
    found: dict[str, UcsCategory] = {}
    for one in vocabulary().values():
        if one.subcategory == MISC:
            found[_folded(one.category)] = one
        found[_folded(f"{one.category} {one.subcategory}")] = one
    return found | {_folded(catid): one for catid, one in vocabulary().items()}


def _folded(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text).strip().casefold()
