"""The shelf: the sounds of the user's libraries that fit what a clip asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from avlink import (
    LibraryError,
    LibraryIndex,
    Sound,
    SoundRanking,
    SoundWish,
    WantedSounds,
    digest,
    open_library_index,
    search_sounds,
    sound_state,
)
from avlink_library.options import LibraryOptions
from avlink_library.wanted import Wanted, all_wanted, best_fitting

Fitting = Mapping[Wanted, tuple[Sound, ...]]


def check_libraries(options: LibraryOptions) -> None:
    """Raise LibraryError unless a library that the options name holds a sound and is there."""
    with open_library_index() as index:
        # A search for nothing tells what is wrong with the libraries.
        search_sounds(index, "", _conditions(options, ()), limit=1)
        folders = index.folders()
    names = {name.casefold() for name in options.libraries}
    used = [one for one in folders if not names or one.name.casefold() in names]
    if not any(one.is_online for one in used):
        where = ", ".join(f"'{one.name}' ({one.root})" for one in used)
        raise LibraryError(
            f"no sound library is there: {where}; connect its drive, or add another by `avlink library add`"
        )


def sounds_for(wish: SoundWish, options: LibraryOptions) -> Fitting:
    """Return the sounds that fit all that a clip may ask for, the best first; none for what nothing fits.

    Sounds that are gone or changed since their library was read are left out. Raises LibraryError.
    """
    with open_library_index() as index:
        search = _Search(index, options)
        return {wanted: search.fitting(wanted) for wanted in all_wanted(wish)}


def material(options: LibraryOptions, wish: SoundWish) -> str:
    """Return a digest of the sounds that fit what a clip asks for: of their content, analysis, licence and author.

    Other sounds of the libraries, and the places of these, do not count.
    """
    return digest_of(sounds_for(wish, options))


def digest_of(fitting: Fitting) -> str:
    """Return the digest of sounds by what they fit."""
    rows: list[list[object]] = []
    for wanted, sounds in fitting.items():
        asked = [wanted.words, wanted.prompt, wanted.kind, wanted.is_range]
        rows.append([asked, sorted(_told(sound) for sound in sounds)])
    return digest(["fitting", *sorted(map(str, rows))])


def _told(sound: Sound) -> str:
    analysis, described = sound.analysis, sound.description
    hits = [
        [str(hit.start_s), str(hit.transient_s), str(hit.end_s), round(hit.peak_db, 2), round(hit.clarity, 2)]
        for hit in analysis.hits
    ]
    told = [sound.digest, analysis.kind, round(analysis.peak_db, 2), described.licence, described.author]
    return digest(["told", *map(str, [*told, sound.library, sound.name, *hits])])


class _Search:
    """Searches of one clip in an open index, each made once."""

    def __init__(self, index: LibraryIndex, options: LibraryOptions) -> None:
        self._index, self._options = index, options
        self._rankings: dict[tuple[str, bool], SoundRanking] = {}

    def fitting(self, wanted: Wanted) -> tuple[Sound, ...]:
        """Return the sounds that fit, the best first."""
        queries = wanted.queries
        for number, query in enumerate(queries):
            more = queries[number + 1 :]
            kind = more[-1] if more and wanted.has_kind else ""
            found = self._ranking(query, wanted.is_range).ranked(
                also=", ".join(more[: len(more) - bool(kind)]), kind=kind
            )
            if sounds := best_fitting(wanted, found, most=self._options.most_sounds, usable=_is_usable):
                return sounds
        return ()

    def _ranking(self, query: str, is_range: bool) -> SoundRanking:
        if (query, is_range) not in self._rankings:
            kinds = ("loop", "bed") if is_range else ("one-shot", "hits")
            self._rankings[query, is_range] = SoundRanking(self._index, query, _conditions(self._options, kinds))
        return self._rankings[query, is_range]


def _is_usable(sound: Sound) -> bool:
    return not sound_state(sound)


def _conditions(options: LibraryOptions, kinds: Sequence[str]) -> WantedSounds:
    return WantedSounds(libraries=tuple(options.libraries), kinds=tuple(kinds), online_only=True)  # type: ignore[arg-type]
