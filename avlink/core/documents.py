"""JSON and TOML within the limits: parsed texts, or one sentence on why there is none."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from avlink.core.errors import InputError
from avlink.core.limits import NUMBER_DIGITS, TABLE_DEPTH, Limit, levels

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KEY_PART = re.compile(r"[^,=#\[\]{}\n]+")
_LONG_KEY = 1000
"""Parts between dots that are looked through before parsing: no text has so many, and the parser is still quick."""


def parse_json(
    text: str,
    where: object,
    error: type[InputError] = InputError,
    *,
    depth: Limit = TABLE_DEPTH,
    strict: bool = True,
    kind: str = "JSON",
) -> Any:
    """Return a JSON text as its value; with `strict` False, texts in it may hold control characters.

    `kind` is what it should be, for messages.

    Raises `error` with a sentence that begins with `where`: no JSON, nested too deep, a number of too many digits.
    """
    try:
        value = json.loads(text, strict=strict)
    except json.JSONDecodeError as failure:
        raise error(f"{where} is no {kind}: {failure}") from failure
    except (RecursionError, ValueError) as failure:
        raise error(_beyond(failure, where, depth)) from failure
    check_depth(value, where, depth, error)
    return value


def parse_toml(text: str, where: object, error: type[InputError] = InputError) -> dict[str, Any]:
    """Return a TOML text as its table. Raises `error` like `parse_json`."""
    # The parser takes time by the square of the parts of a dotted key: half a minute for 100 KB.
    if _longest_key(text) > _LONG_KEY:
        raise error(TABLE_DEPTH.refusal(f"more than {TABLE_DEPTH.most}", where))
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise error(f"{where} is not TOML: {failure}") from failure
    except (RecursionError, ValueError) as failure:
        raise error(_beyond(failure, where, TABLE_DEPTH)) from failure
    check_depth(table, where, TABLE_DEPTH, error)
    return table


def check_depth(value: Any, where: object, limit: Limit, error: type[InputError] = InputError) -> None:
    """Raise `error` if mappings and lists are nested deeper than `limit`."""
    if levels(value, limit.most) > limit.most:
        raise error(limit.refusal(f"more than {limit.most}", where))


def _longest_key(text: str) -> int:
    """Return the most parts between dots, one after the other, that may be those of a key."""
    longest = found = 0
    for part in text.split("."):
        found = found + 1 if _KEY_PART.fullmatch(part) else 0
        longest = max(longest, found)
    return longest


def _beyond(failure: Exception, where: object, depth: Limit) -> str:
    """Return the sentence for what a parser gives up on: depth, else digits."""
    if isinstance(failure, RecursionError):
        return depth.refusal(f"more than {depth.most}", where)
    # Python's own limit, at which it converts no number.
    if "digits" in str(failure):
        return NUMBER_DIGITS.refusal(f"more than {NUMBER_DIGITS.most}", where)
    return f"{where} cannot be read: {failure}"
