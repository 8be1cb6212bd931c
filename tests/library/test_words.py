from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.library.words import phrases, split_words, stem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DoorSlam_03", ("door", "slam", "03")),
        ("BigHTMLDoor clip-clop", ("big", "html", "door", "clip", "clop")),
        ("Straße, Türöffnen", ("strasse", "türöffnen")),
        ("don't stop", ("dont", "stop")),
        ("кот-Мяу", ("кот", "мяу")),
        ("पानी की आवाज़", ("पानी", "की", "आवाज़")),
        ("صوت الباب", ("صوت", "الباب")),
        ("", ()),
    ],
)
def test_names_are_taken_apart(text: str, words: tuple[str, ...]) -> None:
    assert split_words(text) == words


def test_a_word_of_a_script_without_spaces_is_its_letters() -> None:
    assert list(phrases("大雨 rain2")) == [("大", "雨"), ("rain",), ("2",)]
    # A vowel sign stays with its letter.
    assert list(phrases("ประตู")) == [("ป", "ร", "ะ", "ตู")]


@given(st.text(max_size=60))
def test_words_of_words_are_the_same(text: str) -> None:
    words = split_words(text)
    assert split_words(" ".join(words)) == words
    assert all(word and not any(letter.isspace() for letter in word) for word in words)


@pytest.mark.parametrize(
    "forms", ["step steps stepped stepping", "close closes closed closing", "break breaks breaking"]
)
def test_forms_of_a_word_have_one_stem(forms: str) -> None:
    assert len({stem(word) for word in forms.split()}) == 1
    assert stem("glass") == "glass" != stem("glaze")
