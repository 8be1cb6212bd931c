"""The thesaurus: every tie leads to a concept, words mean what they are listed for, and compounds their parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.library.thesaurus import (
    concepts_of,
    concepts_of_label,
    joined_words,
    music_concepts,
    near_concepts,
    thesaurus,
    word_parts,
)
from avlink.library.words import split_words, stem

FACETS = {"action", "material", "source", "unreal", "actor", "setting"}


def test_every_tie_leads_to_another_concept_and_every_word_is_one() -> None:
    for one in thesaurus().values():
        assert one.facet in FACETS and one.words
        for other in (*one.broader, *one.related):
            assert other in thesaurus() and other != one.name, f"{one.name}: {other}"
        for word in (*one.words, *one.labels):
            assert word == word.casefold() and split_words(word), f"{one.name}: {word}"
            assert one.name in concepts_of_label(word)
        assert len(set(one.words)) == len(one.words), one.name
        assert not set(one.words) & set(one.labels), one.name


def test_nothing_is_nearer_to_a_concept_than_itself() -> None:
    for name in thesaurus():
        near = near_concepts(name)
        assert near[name] == 1 and all(0.25 < nearness <= 1 for nearness in near.values())
        assert [other for other, nearness in near.items() if nearness == 1] == [name]
        # A narrower concept is nearer than the broader one is to it.
        for other in thesaurus()[name].broader:
            assert near_concepts(other)[name] > near[other]


@pytest.mark.parametrize(
    ("one", "other"), [("hits", "hit"), ("chopping", "chop"), ("leaves", "leaf"), ("knives", "knife"), ("dogs", "dog")]
)
def test_forms_of_a_word_mean_the_same(one: str, other: str) -> None:
    assert set(concepts_of(one)) & set(concepts_of(other))


def test_a_word_that_is_listed_is_not_taken_for_another_of_the_same_stem() -> None:
    assert stem("can") == stem("cane")
    assert not set(concepts_of("can")) & set(concepts_of("cane"))


def test_labels_mean_nothing_in_a_prompt() -> None:
    assert "cymbal" in concepts_of_label("ride") and "cymbal" not in concepts_of("ride")
    assert {"cymbal", "snare", "guitar"} <= music_concepts() and "bell" not in music_concepts()


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("woodhit", ("wood", "hit")),
        ("reversecymbal", ("cymbal",)),
        ("sleighbells", ("bells",)),
        ("carpet", ()),
        ("doorbell", ()),
        ("xqzt", ()),
    ],
)
def test_compounds_have_the_words_that_they_are_made_of(word: str, parts: tuple[str, ...]) -> None:
    assert set(parts) <= set(word_parts(word)) and bool(word_parts(word)) == bool(parts)


@given(st.text(max_size=30))
def test_any_word_has_parts_that_lie_in_it_or_none(word: str) -> None:
    assert all(part in word for part in word_parts(word))


def test_two_words_that_are_known_as_one_are_joined() -> None:
    assert joined_words([("machine",), ("gun",), ("fire",)]) == [("machinegun",), ("fire",)]
    assert joined_words([("大", "雨"), ("dog",)]) == [("大", "雨"), ("dog",)]
