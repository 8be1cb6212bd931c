"""Lists in messages: as many items as are asked for, and the number of the others."""

from __future__ import annotations

import pytest

from avlink.core.text import first_names, first_reasons


@pytest.mark.parametrize(
    "names, text",
    [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b, c"), (["a", "b", "c", "d", "e"], "a, b, c and 2 more")],
)
def test_three_names_are_told_and_the_others_counted(names: list[str], text: str) -> None:
    assert first_names(names) == text
    assert first_names(dict.fromkeys(names)) == text


def test_a_hint_stands_only_where_names_are_left_out() -> None:
    assert first_names(["a", "b"], most=2, hint=" (see x)") == "a, b"
    assert first_names(["a", "b", "c"], most=2, hint=" (see x)") == "a, b and 1 more (see x)"


def test_reasons_are_sentences_of_their_own() -> None:
    assert first_reasons(["a: x", "b: y"]) == "a: x; b: y"
    assert first_reasons(["a: x", "b: y", "c: z"], most=1) == "a: x (and 2 more)"
