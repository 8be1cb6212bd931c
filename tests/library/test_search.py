"""Search: words in any form and script, the order of results, and filters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.errors import LibraryError
from avlink.library.describe import describe
from avlink.library.index import FileRecord, LibraryIndex, open_library_index
from avlink.library.search import FoundSound, WantedSounds, search_sounds
from avlink.library.tags import Tags
from avlink.library.values import Analysis, SoundKind

NAMES = (
    "doors/door slam wood heavy.wav",
    "doors/door close metal.wav",
    "doors/creaky gate.wav",
    "steps/footsteps gravel slow.wav",
    "steps/footstep wood 1.wav",
    "metal/clang.wav",
    "amb/rain on a metal roof.wav",
    "大雨/强烈的大雨声.wav",
    "แต่ละเสียง/เสียงประตูไม้.wav",
    "дверь/Скрип двери.wav",
    "café/tasse posée.wav",
    "UCS/WATRSplsh_Big Plunge_AVL_Lib.wav",
)


def put(index: LibraryIndex, library: str, name: str, kind: SoundKind = "one-shot", length_s: int = 1) -> None:
    analysis = Analysis(
        sample_rate=8000,
        channels=1,
        num_samples=8000 * length_s,
        lufs=-20.0,
        peak_db=-3.0,
        kind=kind,
        brightness_hz=1.0,
        noise=0.5,
        hits=(),
    )
    record = FileRecord(size_bytes=1, mtime_ns=1, read_as="", digest=name)
    index.put(index.library(library), name, record, describe(name, Tags(), {}), analysis)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LibraryIndex]:
    folder = tmp_path_factory.mktemp("search")
    with open_library_index(folder / "library.db", create=True) as index:
        index.add_library("main", folder)
        for name in NAMES:
            put(index, "main", name)
        index.add_library("other", folder / "gone")
        put(index, "other", "door bed.wav", kind="bed", length_s=60)
        yield index


def names(found: tuple[FoundSound, ...]) -> list[str]:
    return [Path(one.sound.name).stem for one in found]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("door slam", "door slam wood heavy"),
        ("WOOD Doors", "door slam wood heavy"),
        ("slamming doors", "door slam wood heavy"),
        ("a footstep on gravel", "footsteps gravel slow"),
        ("大雨", "强烈的大雨声"),
        ("ประตู", "เสียงประตูไม้"),
        ("двери", "Скрип двери"),
        ("tasse posee", "tasse posée"),
        ("foots", "footsteps gravel slow"),
        ("splash", "WATRSplsh_Big Plunge_AVL_Lib"),
        ("WATRSplsh", "WATRSplsh_Big Plunge_AVL_Lib"),
    ],
)
def test_the_best_sound_for_words(index: LibraryIndex, query: str, first: str) -> None:
    assert names(search_sounds(index, query))[0] == first


def test_sounds_with_all_words_come_before_those_with_some(index: LibraryIndex) -> None:
    found = search_sounds(index, "door metal")
    assert names(found)[0] == "door close metal" and found[0].words == ("door", "metal")
    assert [one.rank for one in found] == sorted(one.rank for one in found)
    assert {"clang", "rain on a metal roof", "door slam wood heavy"} <= set(names(found))
    assert all(one.rank > 0 for one in found[1:])


def test_a_synonym_of_ucs_finds_the_sounds_of_its_category(index: LibraryIndex) -> None:
    found = search_sounds(index, "bang metal")
    assert "clang" in names(found)
    assert all("bang" not in one.sound.words for one in found)


def test_filters_leave_out_what_is_not_wanted(index: LibraryIndex) -> None:
    assert names(search_sounds(index, "door", WantedSounds(kinds=("bed",)))) == ["door bed"]
    assert "door bed" not in names(search_sounds(index, "door", WantedSounds(max_length_s=2.0)))
    assert names(search_sounds(index, "door", WantedSounds(min_length_s=2.0))) == ["door bed"]
    assert names(search_sounds(index, "door", WantedSounds(libraries=("OTHER",)))) == ["door bed"]
    assert "door bed" not in names(search_sounds(index, "door", WantedSounds(online_only=True)))
    assert names(search_sounds(index, "", WantedSounds(catid="WATRSplsh"))) == ["WATRSplsh_Big Plunge_AVL_Lib"]
    assert names(search_sounds(index, "plunge", WantedSounds(catid="water"))) == ["WATRSplsh_Big Plunge_AVL_Lib"]
    assert len(search_sounds(index, "door", limit=1)) == 1


def test_unknown_names_and_categories_are_refused_with_those_there_are(index: LibraryIndex) -> None:
    with pytest.raises(LibraryError, match="no sound library 'x'; there are 'main', 'other'"):
        search_sounds(index, "door", WantedSounds(libraries=("x",)))
    with pytest.raises(LibraryError, match="no UCS category 'DOOOR'"):
        search_sounds(index, "door", WantedSounds(catid="DOOOR"))


@given(st.text(max_size=40))
def test_any_text_is_a_query(index: LibraryIndex, query: str) -> None:
    found = search_sounds(index, query, limit=50)
    assert len({one.sound.name for one in found}) == len(found)
    assert found == search_sounds(index, query, limit=50)


def test_every_sound_is_found_by_its_own_words(index: LibraryIndex) -> None:
    for name in NAMES:
        assert Path(name).stem in names(search_sounds(index, Path(name).stem, limit=3))
