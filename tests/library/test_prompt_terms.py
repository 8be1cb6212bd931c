"""Terms of prompts: how much each word tells by its meaning and its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.library.prompt_terms import MOST_TERMS, prompt_terms


def weights(text: str) -> dict[str, float]:
    return {"".join(term.phrase): term.weight for term in prompt_terms(text)}


@pytest.mark.parametrize(
    ("text", "more", "less"),
    [
        ("a man hammers a nail in a garage", "nail", "garage"),
        ("a man hammers a nail in a garage", "hammers", "man"),
        ("dog barks at a door", "dog", "door"),
        ("a drumstick hits a metal bar", "metal", "drumstick"),
        ("chopping wood with an axe", "wood", "axe"),
        ("woman plays tennis on a street", "tennis", "street"),
        ("a bag beside a phone", "bag", "phone"),
        ("knife chops cabbage, a bell rings", "cabbage", "bell"),
        ("glass breaks (remark: bell)", "glass", "bell"),
        ("guitar, close-up", "guitar", "closeup"),
        ("they talk and shoot", "shoot", "talk"),
    ],
)
def test_what_sounds_tells_more_than_who_does_it_and_where(text: str, more: str, less: str) -> None:
    found = weights(text)
    assert found[more] > found[less], found


def test_what_is_struck_after_on_is_no_place_and_a_place_ends_with_an_action() -> None:
    assert weights("hand knocks on a table")["table"] > 0.8
    found = weights("standing near a window that breaks")
    assert found["breaks"] == 1 and found["window"] < 0.5


def test_words_that_sound_alone_are_whole_even_if_they_are_places() -> None:
    assert weights("splash into a lake")["lake"] == 1 > weights("a duck on a lake")["lake"]


def test_words_mean_concepts_and_unknown_ones_categories_or_nothing() -> None:
    (hound,) = prompt_terms("beagle")
    assert "dog" in hound.meant and hound.concepts["animal"] < 1
    (servo,) = prompt_terms("servo")
    assert not servo.concepts and "MOTRSrvo" in servo.catids
    (unknown,) = prompt_terms("xyzzy")
    assert not unknown.concepts and not unknown.catids and 0 < unknown.weight < 1


def test_scripts_without_spaces_are_terms_as_a_whole() -> None:
    (rain,) = prompt_terms("大雨")
    assert rain.phrase == ("大", "雨")


@given(st.text(max_size=200))
def test_any_text_has_terms_within_bounds(text: str) -> None:
    terms = prompt_terms(text)
    assert len(terms) <= MOST_TERMS and len({term.phrase for term in terms}) == len(terms)
    assert all(0 < term.weight <= 1 for term in terms)
    assert all(0 < nearness <= 1 for term in terms for nearness in term.concepts.values())
