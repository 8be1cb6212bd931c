"""JSON and TOML within the limits: depth and digits are told in words, also where the parsers give up."""

from __future__ import annotations

import time

import pytest

from avlink.core.documents import parse_json, parse_toml
from avlink.core.errors import BundleError, RecipeError
from avlink.core.limits import TABLE_DEPTH


@pytest.mark.parametrize("depth", [TABLE_DEPTH.most + 1, 900, 100_000])
def test_depth_beyond_the_limit_is_a_sentence(depth: int) -> None:
    with pytest.raises(BundleError, match=r"^a\.json is beyond .* more than 32 of at most 32 levels"):
        parse_json("[" * depth + "]" * depth, "a.json", BundleError)
    with pytest.raises(RecipeError, match=r"^a\.toml is beyond .* more than 32 of at most 32 levels"):
        parse_toml("x = " + "[" * depth + "]" * depth, "a.toml", RecipeError)


def test_tables_of_toml_are_as_deep_as_their_names() -> None:
    with pytest.raises(RecipeError, match="more than 32"):
        parse_toml("[" + ".".join("a" * 40) + "]", "a.toml", RecipeError)


@pytest.mark.parametrize("text", ["[{}]", "{} = 1", "x = {{{} = 1}}", "x = [{{'{}' = 1, {} = 1}}]"])
@pytest.mark.parametrize("part", ["a", " a ", "'a.b'", '"a"'])
def test_a_key_of_thousands_of_parts_is_refused_before_it_is_parsed(text: str, part: str) -> None:
    begun_s = time.process_time()
    key = ".".join([part] * 20_000)
    with pytest.raises(RecipeError, match=r"^a\.toml is beyond .* more than 32 of at most 32 levels"):
        parse_toml(text.replace("'{}'", "'y'").format(key, key), "a.toml", RecipeError)
    assert time.process_time() - begun_s < 1


def test_dots_in_values_are_no_depth() -> None:
    words = ". ".join(["a dog barks"] * 99)
    assert parse_toml(f'x = "{words}{"." * 99}"\ny = [{"0.5, " * 99}]', "a.toml")["x"].startswith(words)


def test_the_deepest_that_is_read() -> None:
    text = "[" * TABLE_DEPTH.most + "]" * TABLE_DEPTH.most
    assert parse_json(text, "a.json") == [parse_toml(f"x = {text[1:-1]}", "a.toml")["x"]]


@pytest.mark.parametrize("parse, text", [(parse_json, "{}"), (parse_toml, "x = {}")])
def test_digits_beyond_the_limit_are_a_sentence(parse, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BundleError, match="digits of a whole number: more than 4300 of at most 4,300 digits"):
        parse(text.replace("{}", "9" * 5000), "it", BundleError)


def test_other_text_is_told_with_its_place() -> None:
    with pytest.raises(BundleError, match=r"^a\.json is no JSON: Expecting value: line 1 column 2"):
        parse_json("[", "a.json", BundleError)
    with pytest.raises(RecipeError, match=r"^a\.toml is not TOML: "):
        parse_toml("x = ", "a.toml", RecipeError)
