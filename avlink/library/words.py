"""Words of names and descriptions in any script, for the index and for queries."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby

# Scripts that are written without spaces between words (Thai, Lao, Burmese, Khmer, kana, Han), and Hangul, whose words
# carry endings: each letter is a word of its own, and a word of a query is a phrase of them.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

Phrase = tuple[str, ...]
"""A word, as its letters in a script without spaces."""

_APOSTROPHE = re.compile(r"(?<=\w)['\u2019](?=\w)")


def phrases(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of a text in order, in lower case; one of a script without spaces as all its letters.

    Names are taken apart at "_" and "-", between letters and digits, and before capitals: "DoorSlam_03" has the words
    door, slam and 03.
    """
    text = _CAMEL.sub(" ", _APOSTROPHE.sub("", unicodedata.normalize("NFKC", text)))
    kinds: list[tuple[str, str]] = []
    for character in text:
        kind = _kind(character)
        # A mark, such as a vowel sign, belongs to the letter before it.
        if kind == "mark" and kinds:
            kind = kinds[-1][0]
        kinds.append((kind, character))
    for kind, run in groupby(kinds, key=lambda pair: pair[0]):
        piece = "".join(character for _, character in run).casefold()
        if kind == "unspaced":
            yield tuple(_letters(piece))
        elif kind in ("letter", "digit"):
            yield (piece,)


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a text as they are put into the index."""
    return tuple(word for phrase in phrases(text) for word in phrase)


def distinct(words: Iterable[str]) -> tuple[str, ...]:
    """Return words in order, each once."""
    return tuple(dict.fromkeys(words))


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Return an English word without its endings, so that "steps", "stepped" and "stepping" are one.

    It joins words of the UCS vocabulary with those of names; the index has a stemmer of its own.
    """
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x")):
        if word.endswith(ending):
            return word[: -len(ending)] + instead
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        base = word[: -len(ending)]
        if word.endswith(ending) and len(base) > 2 and re.search("[aeiouy]", base):
            return base[:-1] if base[-1] == base[-2] and base[-1] not in "lsz" else base
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def _letters(piece: str) -> Iterator[str]:
    """Yield each letter of a script without spaces with the marks that follow it."""
    letter = ""
    for character in piece:
        if letter and not unicodedata.category(character).startswith("M"):
            yield letter
            letter = ""
        letter += character
    if letter:
        yield letter


@lru_cache(maxsize=1 << 14)
def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if category.startswith("M"):
        return "mark"
    if _UNSPACED.match(character) and category[0] in "LN":
        return "unspaced"
    return {"L": "letter", "N": "digit"}.get(category[0], "")
