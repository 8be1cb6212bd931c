"""Messages for mistakes in recipes: all at once, each with its value, its origin, and a suggestion."""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from avlink.core.recipe.schema import RecipeSource

_OVERRIDE_PREFIX = "-"
_MAX_VALUE_CHARS = 60
_ALIKE = 0.66
_SIBLING_BONUS = 0.15


def explain(error: ValidationError, model: type[BaseModel], source: RecipeSource, prefix: str = "") -> list[str]:
    """Return one line for each mistake that pydantic found in `source.values` (below the dotted key `prefix`)."""
    values: Any = source.values
    for name in filter(None, prefix.split(".")):
        values = values.get(name, {}) if isinstance(values, Mapping) else {}
    lines = []
    for mistake in error.errors(include_url=False):
        key = _dotted([*filter(None, prefix.split(".")), *_keys_in(values, mistake["loc"])])
        lines.append(_line(mistake, model, key, prefix, source))
    return lines


def describe_mistakes(source: RecipeSource, lines: Sequence[str]) -> str:
    """Return the message for a recipe with the given mistakes."""
    typed = [label for label in dict.fromkeys(source.origins.values()) if label.startswith(_OVERRIDE_PREFIX)]
    head = source.label + (f" (with {', '.join(typed)})" if typed else "")
    if len(lines) == 1:
        return f"{head}: {lines[0]}"
    return "\n  ".join([f"{head}:", *lines])


def suggest(wrong: str, known: Sequence[str]) -> str:
    """Return a suggestion for an unknown name: the nearest known one, and all of them."""
    near = difflib.get_close_matches(wrong, known, n=1)
    listed = f"known: {', '.join(known)}" if known else "none is known"
    return f"did you mean '{near[0]}'? {listed}" if near else listed


def dotted_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return every key that a recipe of this model may set, as dotted names."""
    keys = []
    for name, field in _fields(model).items():
        below = [key for table in _models_in(field.annotation) for key in dotted_keys(table, f"{prefix}{name}.")]
        keys += below or [f"{prefix}{name}"]
    return list(dict.fromkeys(keys))


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by the names that recipes have for them: `for` cannot be a name in Python."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _line(mistake: Any, model: type[BaseModel], key: str, prefix: str, source: RecipeSource) -> str:
    kind = mistake["type"]
    if kind == "extra_forbidden":
        return f"{key}: unknown key; {_suggest_key(model, mistake['loc'], prefix)}{_came_from(source, key)}"
    if kind == "missing":
        return f"{key}: is missing"
    value = json.dumps(mistake["input"], ensure_ascii=False, default=str)
    shown = f" = {value}" if len(value) <= _MAX_VALUE_CHARS else ""
    return f"{key or 'recipe'}{shown}: {_in_words(mistake)}{_came_from(source, key)}"


def _in_words(mistake: Any) -> str:
    kind, context = mistake["type"], mistake.get("ctx", {})
    if kind in {"value_error", "assertion_error"}:
        return str(context["error"])
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind == "union_tag_invalid":
        return f"{context['discriminator'].strip(chr(39))} must be one of {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return f"must name its {context['discriminator'].strip(chr(39))}"
    words = {
        "int_type": "must be a whole number",
        "float_type": "must be a number",
        "string_type": "must be text",
        "bool_type": "must be true or false",
        "tuple_type": "must be a list",
        "list_type": "must be a list",
        "model_type": "must be a table",
        "model_attributes_type": "must be a table",
        "dict_type": "must be a table",
    }
    return words.get(kind) or mistake["msg"].replace("Input should", "must").replace("String should", "must")


def _came_from(source: RecipeSource, key: str) -> str:
    origin = source.origin(key)
    if origin is None or origin == source.label:
        return ""
    return f" (set by {origin})" if origin.startswith(_OVERRIDE_PREFIX) else f" (set in {origin})"


def _suggest_key(model: type[BaseModel], location: Sequence[str | int], prefix: str) -> str:
    start = f"{prefix}." if prefix else ""
    *above, wrong = [str(part) for part in location if isinstance(part, str)]
    tables, path = [model], ""
    for name in above:
        if below := [entry for table in tables for entry in _models_in_field(table, name)]:
            tables = below
            path += f"{name}."
        elif tagged := [table for table in tables if _is_tagged(table, name)]:
            # pydantic's location also names the branch of a discriminated union, which is no key.
            tables = tagged
        else:
            # A free key of a dict of tables; `tables` already holds the model of its entries.
            path += f"{name}."
    known = list(dict.fromkeys(name for table in tables for name in _fields(table)))
    scores = {f"{path}{name}": _alike(wrong, name) + _SIBLING_BONUS for name in known}
    # The user may also have put the right key into the wrong table, perhaps misspelt.
    for key in dotted_keys(model):
        scores.setdefault(key, _alike(wrong, key.rpartition(".")[2]))
    best = max(scores, key=lambda key: scores[key], default="")
    if best and scores[best] >= _ALIKE and best != path + wrong:
        return f"did you mean '{start}{best}'?"
    return f"known here: {', '.join(known)}"


def _alike(wrong: str, name: str) -> float:
    """Return a similarity from 0 to 1. A whole word of a longer name counts like a typing error."""
    part = 0.9 if len(wrong) > 2 and wrong in name.split("_") else 0.0
    return max(part, difflib.SequenceMatcher(None, wrong, name).ratio())


def _models_in_field(model: type[BaseModel], name: str) -> list[type[BaseModel]]:
    field = _fields(model).get(name)
    return _models_in(field.annotation) if field is not None else []


def _is_tagged(model: type[BaseModel], tag: str) -> bool:
    return any(tag in get_args(field.annotation) for field in model.model_fields.values())


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    origin = get_origin(annotation)
    if origin is None:
        return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
    if origin in (Union, types.UnionType):
        return [model for part in get_args(annotation) for model in _models_in(part)]
    if origin is Annotated:
        return _models_in(get_args(annotation)[0])
    # Of tuple[X, ...], list[X] and dict[str, X] the model of the entries.
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _keys_in(values: Any, location: Sequence[str | int]) -> list[str | int]:
    """Return the keys in pydantic's location, which also names the branch of a union that was tried."""
    keys: list[str | int] = []
    # pydantic appends "[key]" where the key itself is invalid.
    location = [part for part in location if part != "[key]"]
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(values, Mapping):
            # A branch of a union may have the name of a key, but only a table has something below it.
            if part in values and (last or isinstance(values[part], Mapping | list)):
                values = values[part]
            elif not last:
                continue
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            continue
        keys.append(part)
    return keys


def _dotted(keys: Sequence[str | int]) -> str:
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text
