"""Sounds that fit a prompt: what is done and what it is done to decides, places and people do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.errors import LibraryError
from avlink.library.index import LibraryIndex, open_library_index
from avlink.library.meaning import SoundMeaning
from avlink.library.prompt_terms import prompt_terms
from avlink.library.ranking import SoundRanking
from avlink.library.search import WantedSounds
from tests.library.test_search import put

NAMES = (
    "animals/dog bark 1.wav",
    "animals/cat meow.wav",
    "animals/cow moo.wav",
    "bells/cow bell.wav",
    "body/man vomit.wav",
    "body/handclap 1.wav",
    "doors/car door slam.wav",
    "doors/garage door open.wav",
    "guns/pistol fire 1.wav",
    "guns/plasma shot laser.wav",
    "impacts/metal hit 1.wav",
    "impacts/metalhit soft.wav",
    "impacts/wood impact.wav",
    "impacts/glass break.wav",
    "kit/snare stick hit.wav",
    "kit/hihatopen.wav",
    "steps/footsteps metal stairs.wav",
    "steps/footstep leaves.wav",
    "street/street traffic horn.wav",
    "water/splash small.wav",
    "大雨/强烈的大雨声.wav",
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LibraryIndex]:
    folder = tmp_path_factory.mktemp("ranking")
    with open_library_index(folder / "library.db", create=True) as index:
        index.add_library("main", folder)
        for name in NAMES:
            put(index, "main", name)
        put(index, "main", "amb/rain on leaves bed.wav", kind="bed", length_s=60)
        yield index


def ranked(index: LibraryIndex, prompt: str, **more: str) -> list[str]:
    found = SoundRanking(index, prompt, WantedSounds(kinds=("one-shot",))).ranked(**more)
    return [Path(one.sound.name).stem for one in found]


@pytest.mark.parametrize(
    ("prompt", "best"),
    [
        ("a beagle barks in a garage", {"dog bark 1"}),
        ("kitten on a street", {"cat meow"}),
        ("a cow moos in a field", {"cow moo"}),
        ("man fires his pistol at a door", {"pistol fire 1"}),
        ("drumstick hits a metal bar", {"metal hit 1", "metalhit soft"}),
        ("hammering on iron", {"metal hit 1", "metalhit soft"}),
        ("someone walks up metal stairs", {"footsteps metal stairs"}),
        ("a window is smashed", {"glass break"}),
        ("people applaud, clapping hands", {"handclap 1"}),
        ("stone falls into water", {"splash small"}),
        ("playing a hi-hat", {"hihatopen"}),
        ("大雨", {"强烈的大雨声"}),
    ],
)
def test_what_is_done_and_to_what_decides(index: LibraryIndex, prompt: str, best: set[str]) -> None:
    found = ranked(index, prompt)
    assert set(found[: len(best)]) == best, found


@pytest.mark.parametrize("prompt", ["man", "a woman in a kitchen at night", "xyzzy", "", "()", "a the of"])
def test_people_places_and_words_that_nothing_has_fit_nothing(index: LibraryIndex, prompt: str) -> None:
    assert ranked(index, prompt) == []


def test_music_and_made_up_sounds_wait_until_they_are_asked_for(index: LibraryIndex) -> None:
    found = ranked(index, "stick hits wood")
    assert found.index("wood impact") < found.index("snare stick hit")
    assert ranked(index, "drummer hits a snare with a stick")[0] == "snare stick hit"
    found = ranked(index, "a shot")
    assert found.index("pistol fire 1") < found.index("plasma shot laser")
    assert ranked(index, "laser shot")[0] == "plasma shot laser"


def test_another_action_scores_less(index: LibraryIndex) -> None:
    assert ranked(index, "hits metal")[0].startswith("metal")
    assert ranked(index, "walks on metal")[0] == "footsteps metal stairs"


def test_other_words_and_the_kind_choose_among_what_fits(index: LibraryIndex) -> None:
    plain = ranked(index, "metal")
    steps = ranked(index, "metal", kind="footstep step walk")
    assert set(plain) == set(steps) and steps[0] == "footsteps metal stairs" != plain[0]
    assert "cat meow" not in ranked(index, "metal", also="cat", kind="meow")


def test_conditions_hold_and_errors_are_those_of_the_search(index: LibraryIndex) -> None:
    (bed,) = SoundRanking(index, "rain", WantedSounds(kinds=("bed",))).ranked()
    assert bed.sound.name == "amb/rain on leaves bed.wav"
    with pytest.raises(LibraryError, match="nowhere"):
        SoundRanking(index, "rain", WantedSounds(libraries=("nowhere",)))


def test_the_same_prompt_gives_the_same_order(index: LibraryIndex) -> None:
    first, second = (SoundRanking(index, "hits and steps on wood or metal").ranked() for _ in range(2))
    assert first == second
    assert [one.score for one in first] == sorted((one.score for one in first), reverse=True)


@given(prompt=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_any_prompt_is_ranked(index: LibraryIndex, prompt: str) -> None:
    found = SoundRanking(index, prompt).ranked(also=prompt[::-1])
    assert all(one.score > 0 for one in found)


def test_a_sound_tells_a_term_from_nothing_to_whole(index: LibraryIndex) -> None:
    for sound in index.sounds():
        meaning = SoundMeaning(sound)
        told = meaning.tells(prompt_terms("man slams a wooden door on metal stairs, dog barks"))
        assert all(0 <= part <= 1 for part in told)
        assert 0 < meaning.fitness({"door"}, asks_for_action=True) <= 1
        # Its own name tells all of it.
        own = meaning.tells(prompt_terms(Path(sound.name).stem))
        assert max(own) == 1
