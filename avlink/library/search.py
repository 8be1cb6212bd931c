"""The search: words to sounds, the best first, through full text and the synonyms of UCS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from avlink.core.errors import LibraryError
from avlink.library.database import no_library
from avlink.library.index import LibraryIndex
from avlink.library.ucs import categories_of, find_category, vocabulary
from avlink.library.values import Sound, SoundKind
from avlink.library.words import Phrase, phrases, stem

MOST_WORDS = 16
"""Words of a query that are looked for, the first of them."""

# Words of prompts that no sound is named by. In other languages they are rare enough to do no harm.
_PARTICLES = "a an and at by for from in into is it its of off on onto or over the to under with"
_EMPTY = frozenset(_PARTICLES.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSounds:
    """Conditions on the sounds that are searched; those that are left out hold for all.

    `catid` is a CatID of UCS, a category or "CATEGORY-SUBCATEGORY". `online_only` leaves out libraries whose folder is
    not there.
    """

    libraries: tuple[str, ...] = ()
    kinds: tuple[SoundKind, ...] = ()
    catid: str = ""
    min_length_s: float | None = None
    max_length_s: float | None = None
    online_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSound:
    """A sound of a search. `words` are those of the query that it has itself; it has others through its category.

    `rank` is 0 for sounds with all words, 1 for those that have some of them through their category only, 2 for those
    with some words, 3 for those of a category that has some, 4 for those with words that begin like one of the query.
    """

    sound: Sound
    rank: int
    words: tuple[str, ...]


def search_sounds(
    index: LibraryIndex, query: str, wanted: WantedSounds | None = None, *, limit: int = 20
) -> tuple[FoundSound, ...]:
    """Return at most `limit` sounds for the words of `query`, the best first; those that are `wanted` for no words.

    Words count in any order, case and form ("steps", "step"); one of a script without spaces counts wherever it stands
    in a name. Sounds come in the order of `FoundSound.rank`. Within one rank, names count more than descriptions, these
    more than categories and folders. The same index and query give the same order.

    Raises LibraryError where there is no library, none with a sound, or none of a name or category that is wanted.
    """
    wanted = wanted or WantedSounds()
    _check_libraries(index)
    asked = query_phrases(query)
    where, values = _conditions(index, wanted)
    if not asked:
        if query.strip():
            return ()
        return tuple(
            FoundSound(sound=sound, rank=0, words=())
            for sound in index.sounds_by_id(_listed(index, where, values, limit)).values()
        )
    ranks: dict[int, int] = {}
    for rank, expression in enumerate(_expressions(asked)):
        if len(ranks) >= limit:
            break
        if expression:
            for number in _matches(index, expression, where, values, limit):
                ranks.setdefault(number, rank)
    return tuple(
        FoundSound(sound=sound, rank=ranks[number], words=_shared(asked, sound))
        for number, sound in index.sounds_by_id(list(ranks)[:limit]).items()
    )


def match_words(index: LibraryIndex, groups: Sequence[Sequence[str]], wanted: WantedSounds, *, limit: int) -> list[int]:
    """Return the numbers of at most `limit` sounds that have a word of each group, the best first.

    Words are in lower case; one of a script without spaces has spaces between its letters. Raises LibraryError as
    `search_sounds` does.
    """
    _check_libraries(index)
    where, values = _conditions(index, wanted)
    expression = " AND ".join(f"({' OR '.join(_quoted((word,)) for word in group)})" for group in groups)
    return _matches(index, expression, where, values, limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundCondition:
    """A condition in SQL on table s, its values, and the sounds that have the words of a query; None for no words."""

    where: str
    values: tuple[Any, ...]
    with_words: tuple[int, ...] | None = None


def sounds_with_words(index: LibraryIndex, query: str, wanted: WantedSounds) -> SoundCondition:
    """Return the condition for sounds that are wanted and have all words of a query, some perhaps by their category.

    Raises LibraryError as `search_sounds` does.
    """
    _check_libraries(index)
    where, values = _conditions(index, wanted)
    condition = SoundCondition(where=where or "1", values=tuple(values))
    if not query.strip():
        return condition
    asked = query_phrases(query)
    if not asked:
        return replace(condition, with_words=())
    plain, widened, *_ = _expressions(asked)
    expression = f"({plain}) OR ({widened})" if widened else plain
    # By itself: SQLite is slow at matching words within another condition.
    rows = index.connection.execute("SELECT rowid FROM words WHERE words MATCH ?", (expression,))
    return replace(condition, with_words=tuple(number for (number,) in rows))


def query_phrases(query: str) -> tuple[Phrase, ...]:
    """Return the words of a query that are looked for, each as its letters in a script without spaces."""
    found = dict.fromkeys(phrase for phrase in phrases(query) if " ".join(phrase) not in _EMPTY)
    return tuple(found)[:MOST_WORDS]


def _expressions(asked: Sequence[Phrase]) -> Iterator[str]:
    """Yield the expressions of full-text search in the order of `FoundSound.rank`, "" for one that adds nothing."""
    plain = [_quoted(phrase) for phrase in asked]
    yield " AND ".join(plain)
    widened = [_widened(phrase) for phrase in asked]
    # One word at least is that of the sound: categories know hundreds of words that a sound of them may not be.
    yield f"({' AND '.join(widened)}) AND ({' OR '.join(plain)})" if widened != plain and len(asked) > 1 else ""
    yield " OR ".join(plain) if len(asked) > 1 else ""
    yield " OR ".join(widened) if widened != plain else ""
    yield " OR ".join(f"{quoted} *" for quoted in plain)


def _quoted(phrase: Phrase) -> str:
    return '"' + " ".join(phrase).replace('"', '""') + '"'


def _widened(phrase: Phrase) -> str:
    """Return a word, or the categories of UCS that it is a synonym of."""
    catids = categories_of(phrase[0]) if len(phrase) == 1 else ()
    if not catids:
        return _quoted(phrase)
    listed = " OR ".join(f'"{catid.casefold()}"' for catid in catids)
    return f"({_quoted(phrase)} OR category_words : ({listed}))"


def _matches(index: LibraryIndex, expression: str, where: str, values: list[Any], limit: int) -> list[int]:
    if not where:
        # The index of words alone: with thousands of matches, reading each of their rows would take longest.
        rows = index.connection.execute(
            "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank, rowid LIMIT ?", (expression, limit)
        )
    else:
        rows = index.connection.execute(
            f"SELECT s.id FROM words JOIN sounds s ON s.id = words.rowid WHERE words MATCH ? AND {where} "
            "ORDER BY words.rank, s.id LIMIT ?",
            (expression, *values, limit),
        )
    return [number for (number,) in rows]


def _listed(index: LibraryIndex, where: str, values: list[Any], limit: int) -> list[int]:
    rows = index.connection.execute(
        f"SELECT s.id FROM sounds s WHERE s.fault = '' AND {where or '1'} ORDER BY s.library, s.name LIMIT ?",
        (*values, limit),
    )
    return [number for (number,) in rows]


def _check_libraries(index: LibraryIndex) -> None:
    """Raise LibraryError where no library has a sound."""
    if index.connection.execute("SELECT 1 FROM sounds WHERE fault = '' LIMIT 1").fetchone() is not None:
        return
    known = index.folders()
    if not known:
        raise no_library()
    names = ", ".join(f"'{one.name}' ({one.root})" for one in known)
    raise LibraryError(
        f"no sound library holds a sound: {names}; put sounds there and run `avlink library update`, or add another"
    )


def _conditions(index: LibraryIndex, wanted: WantedSounds) -> tuple[str, list[Any]]:
    """Return the condition in SQL on table s, "" for none, and its values."""
    parts: list[str] = []
    values: list[Any] = []
    known = [index.folder(name) for name in wanted.libraries]
    if wanted.online_only:
        known = [one for one in known or index.folders() if one.is_online]
    if wanted.libraries or wanted.online_only:
        parts.append(f"s.library IN ({', '.join('?' * len(known))})")
        values += [one.id for one in known]
    if wanted.kinds:
        parts.append(f"s.kind IN ({', '.join('?' * len(wanted.kinds))})")
        values += wanted.kinds
    if wanted.catid:
        catids = _catids(wanted.catid)
        parts.append(f"s.catid IN ({', '.join('?' * len(catids))})")
        values += catids
    for bound, sign in ((wanted.min_length_s, ">="), (wanted.max_length_s, "<=")):
        if bound is not None:
            parts.append(f"s.length_s {sign} ?")
            values.append(bound)
    return " AND ".join(parts), values


def _catids(text: str) -> list[str]:
    if found := find_category(text):
        exact = text.casefold() == found.catid.casefold() or found.subcategory.casefold() in text.casefold()
        if exact:
            return [found.catid]
    whole = [one.catid for one in vocabulary().values() if one.category.casefold() == text.strip().casefold()]
    if whole:
        return whole
    raise LibraryError(f"there is no UCS category '{text}'; give a CatID such as DOORWood, or a category such as DOORS")


def _shared(asked: Sequence[Phrase], sound: Sound) -> tuple[str, ...]:
    words = sound.words
    stems, text = {stem(word) for word in words}, f" {' '.join(words)} "
    return tuple(
        "".join(phrase)
        for phrase in asked
        if (len(phrase) == 1 and stem(phrase[0]) in stems) or f" {' '.join(phrase)} " in text
    )
