"""Overrides: what is typed is parsed, applied in order, and never changes what it is applied to."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.errors import RecipeError
from avlink.core.recipe.overrides import apply_overrides, flatten, overrides_of, parse_override, parse_value

names = st.text("abcxyz_", min_size=1, max_size=3)
values = st.integers() | st.booleans() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
trees = st.recursive(
    st.dictionaries(names, values, max_size=3), lambda inner: st.dictionaries(names, inner, max_size=3)
)


@given(tree=trees)
def test_a_tree_is_made_again_of_its_flat_values(tree: dict[str, object]) -> None:
    made, origins = apply_overrides({}, {}, overrides_of(tree, "file"))
    assert dict(flatten(made)) == {key: value for key, value in flatten(tree) if value != {}}
    assert set(origins) == set(dict(flatten(made)))


@given(tree=trees, key=names, value=values)
def test_what_is_overridden_stays_as_it_was(tree: dict[str, object], key: str, value: object) -> None:
    before = copy.deepcopy(tree)
    made, origins = apply_overrides(tree, {}, overrides_of({key: value}, "-s"))
    assert tree == before and made[key] == value and origins[key] == "-s"


@pytest.mark.parametrize(
    ("text", "value"),
    [("25", 25), ("0.5", 0.5), ("true", True), ('["V1"]', ["V1"]), ('"25"', "25"), ("door", "door"), ("", "")],
)
def test_toml_literals_are_values_and_all_else_is_text(text: str, value: object) -> None:
    assert parse_value(text) == value
    assert parse_override(f"a.b={text}").value == value


def test_a_line_break_brings_in_no_other_key() -> None:
    assert parse_value('1\nother = "x"') == '1\nother = "x"'


@pytest.mark.parametrize("text", ["", "a", "=1", "a b=1", "a..b=1", "+=1"])
def test_what_is_no_override_is_told(text: str) -> None:
    with pytest.raises(RecipeError, match="is no override"):
        parse_override(text)


def test_lists_are_added_to_and_other_things_are_not() -> None:
    tree = {"a": ["x"], "b": 1}
    made, _ = apply_overrides(tree, {}, [parse_override('a+=["y"]'), parse_override("a+=z"), parse_override("c+=1")])
    assert made == {"a": ["x", "y", "z"], "b": 1, "c": [1]}
    with pytest.raises(RecipeError, match="'b' is no list"):
        apply_overrides(tree, {}, [parse_override("b+=1")])
    with pytest.raises(RecipeError, match="'b' is a value, not a table"):
        apply_overrides(tree, {}, [parse_override("b.c=1")])
