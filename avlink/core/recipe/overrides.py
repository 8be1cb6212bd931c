"""Overrides of recipe values: `-s key=value`, and options that stand for a key, such as `--seed`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avlink.core.documents import parse_toml
from avlink.core.errors import InputError, RecipeError
from avlink.core.limits import TABLE_DEPTH

_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A value for a dotted `key`; `append` adds to a list. `label` is the text that the user typed, for messages."""

    key: str
    value: Any
    label: str
    append: bool = False


def parse_override(text: str) -> Override:
    """Parse `key=value` or `key+=value`.

    The value is a TOML literal (`25`, `0.5`, `true`, `["V1"]`, `"text"`); anything else is taken as a string.

    Raises RecipeError if there is no key or no equals sign.
    """
    key, equals, value = text.partition("=")
    append = key.endswith("+")
    key = key.removesuffix("+").strip()
    if not equals or not _KEY.fullmatch(key):
        raise RecipeError(f"-s {text!r} is no override; write -s key=value, or -s key+=value to add to a list")
    TABLE_DEPTH.check(key.count("."), f"-s {text[:60]}", RecipeError)
    return Override(key=key, value=parse_value(value.strip()), label=f"-s {text}", append=append)


def parse_value(text: str) -> Any:
    """Return a TOML literal as its value, any other text as itself."""
    try:
        document = parse_toml(f"value = {text}\n", text)
    except InputError:
        return text
    # A line break in the text could smuggle in further keys.
    return document["value"] if set(document) == {"value"} else text


def flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for all values of nested tables; an empty table is a value."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def overrides_of(table: Mapping[str, Any], label: str) -> list[Override]:
    """Return the values of nested tables as overrides of another recipe; empty tables give none."""
    return [Override(key=key, value=value, label=label) for key, value in flatten(table) if value != {}]


def apply_overrides(
    tree: dict[str, Any], origins: dict[str, str], overrides: Sequence[Override]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a copy of the merged recipe with the overrides applied in order, and the origins of its values.

    Raises RecipeError if a key leads through something that is no table, or `+=` meets something that is no list.
    """
    tree, origins = _copy(tree), dict(origins)
    for override in overrides:
        table = tree
        *parents, last = override.key.split(".")
        for depth, name in enumerate(parents, start=1):
            below = table.setdefault(name, {})
            if not isinstance(below, dict):
                raise RecipeError(f"{override.label}: '{'.'.join(parents[:depth])}' is a value, not a table")
            table = below
        value = override.value
        if override.append:
            before = table.get(last, [])
            if not isinstance(before, list):
                raise RecipeError(f"{override.label}: '{override.key}' is no list, so nothing can be added to it")
            value = [*before, *(value if isinstance(value, list) else [value])]
        for known in [name for name in origins if name.startswith(f"{override.key}.")]:
            del origins[known]
        table[last] = value
        origins[override.key] = override.label
    return tree, origins


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return value
