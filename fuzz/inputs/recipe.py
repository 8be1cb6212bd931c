"""Recipes, and settings on the command line."""

from __future__ import annotations

from typing import Any

import tomli_w
from hypothesis import strategies as st

from avlink.core.recipe.schema import SonifyRecipe
from fuzz.case import Case
from fuzz.damage import damaged_text
from fuzz.values import number_texts, odd_values

_HEAD = {"format": 1, "kind": "sonify", "backend": {"name": "tone"}}
_TABLES = {
    name: tuple(field.annotation.model_fields)  # type: ignore[union-attr]
    for name, field in SonifyRecipe.model_fields.items()
    if hasattr(field.annotation, "model_fields")
}
_GOOD: tuple[tuple[str, str, Any], ...] = (
    ("run", "seed", 7),
    ("run", "takes", 2),
    ("run", "max_batch_s", 0.5),
    ("prompt", "template", "{clip.name} in {source.name}"),
    ("prompt", "negative", "voices"),
    ("stems", "handle_s", 0.25),
    ("stems", "write_handles", True),
    ("stems", "sample_rate", 44100),
    ("stems", "track_name", "F X"),
    ("stems", "spotting", False),
    ("stems", "duck_db", 6.0),
    ("select", "clips", ["a*"]),
    ("write", "also", ["rpp"]),
)


@st.composite
def files(draw: st.DrawFn) -> Case:
    """Return a case of a recipe, with settings beside it."""
    values: dict[str, Any] = {key: dict(value) if isinstance(value, dict) else value for key, value in _HEAD.items()}
    for table, key, value in draw(st.lists(st.sampled_from(_GOOD), unique_by=lambda one: one[:2], max_size=4)):
        values.setdefault(table, {})[key] = value
    kind = draw(st.sampled_from(["good", "odd", "odd", "text", "deep"]))
    if kind == "odd":
        for _ in range(draw(st.integers(1, 3))):
            table = draw(st.sampled_from(sorted(_TABLES)))
            key = draw(st.sampled_from(_TABLES[table]) | st.text(max_size=4))
            owner = values.setdefault(table, {})
            owner[key] = draw(odd_values.filter(_in_toml))
    text = _toml(values)
    if kind == "text":
        text = draw(damaged_text(text))
    elif kind == "deep":
        depth = draw(st.sampled_from([10, 500, 100_000]))
        text += draw(st.sampled_from([b"x = " + b"[" * depth + b"]" * depth, b"[" + b"a." * depth + b"a]\nx = 1\n"]))
    settings: list[str] = []
    for _ in range(draw(st.integers(0, 2))):
        table = draw(st.sampled_from(sorted(_TABLES)))
        value = draw(number_texts | st.sampled_from(["[]", "true", '"x"', "{a=1}", "[" * 500, "\udcff"]))
        settings += ["-s", f"{table}.{draw(st.sampled_from(_TABLES[table]))}={value}"]
    # An argument of the system has no null byte in it.
    settings = [word.replace("\0", "") for word in settings]
    # A recipe that has lost its backend means the built-in model, which takes its time.
    fake = () if any("backend.name" in word for word in settings) else ("-s", "backend.name=tone")
    commands = (("sonify", "a.mp4", "-r", "r.toml", *fake, *settings), ("recipes", "show", "r.toml", *settings))
    return Case(format="recipe", files={"r.toml": text}, commands=commands[:: draw(st.sampled_from([1, -1]))])


def _in_toml(value: Any) -> bool:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return False
    return value is not None and value != {"": None}


def _toml(values: dict[str, Any]) -> bytes:
    try:
        return tomli_w.dumps(values).encode("utf-8", "replace")
    except (TypeError, ValueError):
        return b"format = 1\n"
