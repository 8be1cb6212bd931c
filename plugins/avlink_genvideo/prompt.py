"""Prompt extraction: from the metadata of a video to the prompt that it was generated with, cleaned for its sound."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from avlink_genvideo.comfy_graph import is_graph, parse_json, read_graph
from avlink_genvideo.comfy_prompt import find_prompt
from avlink_genvideo.comfy_workflow import is_workflow, read_workflow
from avlink_genvideo.infotext import read_infotext
from avlink_genvideo.metadata import MetadataText
from avlink_genvideo.prompt_cleaning import clean_negative, clean_prompt

# The graph that ran is more reliable than the editor's workflow, and both than a field that anybody may have written.
_ORDER = ("prompt", "workflow", "parameters", "usercomment", "comment", "description", "title", "xmp", ".json", ".txt")
_POSITIVE = ("prompt", "positive_prompt", "positive", "text_prompt", "text", "caption", "Prompt", "description")
_NEGATIVE = ("negative_prompt", "negative", "Negative Prompt", "negativePrompt", "uncond")
_CONTAINERS = (
    "parameters",
    "params",
    "settings",
    "metadata",
    "meta",
    "generation",
    "input",
    "inputs",
    "request",
    "extra",
    "comment",
)
# Longer plain text is some document, not a prompt.
_LONGEST_CAPTION = 5000
# Metadata may be damaged or hostile: this bounds the search in it.
_DEEPEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPrompt:
    """The prompt of a video. `text` and `negative` are cleaned for its sound, the others as they were written.

    `location` says in words where it was found; "" if nothing was. `notes` are sentences on choices that were made.
    """

    text: str = ""
    negative: str = ""
    as_written: str = ""
    negative_as_written: str = ""
    location: str = ""
    notes: tuple[str, ...] = ()


def extract_prompt(texts: Sequence[MetadataText], *, file_name: str) -> FoundPrompt:
    """Return the prompt in the first text that holds one. A broken text gives a note, and the next one is read."""
    ordered = sorted(texts, key=lambda text: _ORDER.index(text.name) if text.name in _ORDER else len(_ORDER))
    notes: list[str] = []
    for item in ordered:
        for positive, negative, location, more in _readings(item, file_name, notes):
            text = clean_prompt(positive)
            if not positive.strip():
                notes += more
                continue
            if not text:
                notes.append(f"the prompt in {location} says nothing but how good the picture shall be")
                continue
            return FoundPrompt(
                text=text,
                negative=clean_negative(negative),
                as_written=positive,
                negative_as_written=negative,
                location=location,
                notes=(*notes, *more),
            )
    return FoundPrompt(notes=tuple(notes))


_Reading: TypeAlias = tuple[str, str, str, tuple[str, ...]]
"""(positive, negative, location, notes)."""


def _readings(item: MetadataText, file_name: str, notes: list[str]) -> Iterator[_Reading]:
    """Yield what `_read` finds; a text that misleads it gives a note, for metadata is never a reason to fail."""
    try:
        yield from _read(item, file_name, notes)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        notes.append(f"{item.location} is in no form that is known and was not read")


def _read(item: MetadataText, file_name: str, notes: list[str]) -> Iterator[_Reading]:
    """Yield each way in which a text can be read as a prompt; broken JSON gives a note."""
    text = item.text.strip()
    if text[:1] in ("{", "[", '"'):
        value = _json(text)
        if value is None:
            notes.append(f"{item.location} is no whole JSON and was not read")
            return
        if isinstance(value, str):
            text = value
        else:
            yield from _read_value(value, item.location, file_name, depth=0)
            return
    infotext = read_infotext(text)
    if infotext is not None:
        yield infotext.positive, infotext.negative, item.location, ()
    elif item.name in ("prompt", "parameters", ".txt") and len(text) <= _LONGEST_CAPTION:
        # A comment may be anything, but under these keys plain text is a prompt.
        yield text, "", item.location, ()


def _json(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        pass
    try:
        # One writer leaves a Python literal instead of JSON.
        return ast.literal_eval(text) if len(text) <= 1 << 20 else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _read_value(value: Any, location: str, file_name: str, *, depth: int) -> Iterator[_Reading]:
    """Yield the prompts in a JSON value: a graph, a workflow, or an object with a prompt in it."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        # Batches list the same prompt for every video.
        for item in value[:20]:
            yield from _read_value(item, location, file_name, depth=depth + 1)
        return
    if not isinstance(value, Mapping):
        return
    if is_graph(value) or is_workflow(value):
        try:
            graph = read_graph(value) if is_graph(value) else read_workflow(value)
        except ValueError as error:
            yield "", "", location, (str(error),)
            return
        found = find_prompt(graph, file_name=file_name)
        yield found.positive, found.negative, f"{location} ({found.node})" if found.node else location, found.notes
        return
    for key in ("prompt", "workflow"):
        inner = _inner(value.get(key))
        if inner is not None:
            yield from _read_value(inner, location, file_name, depth=depth + 1)
    words = [value[key] for key in _POSITIVE if isinstance(value.get(key), str) and value[key].strip()]
    # A graph in a string was read above.
    if words and _inner(words[0]) is None:
        # Some programs store a complete infotext as the prompt.
        infotext = read_infotext(words[0])
        negative = next((value[key] for key in _NEGATIVE if isinstance(value.get(key), str)), "")
        if infotext is not None:
            yield infotext.positive, infotext.negative, location, ()
        else:
            yield words[0], negative, location, ()
    for key in _CONTAINERS:
        if key in value:
            inside = value[key]
            if isinstance(inside, str) and (infotext := read_infotext(inside)) is not None:
                yield infotext.positive, infotext.negative, location, ()
            else:
                yield from _read_value(_inner(inside), location, file_name, depth=depth + 1)


def _inner(value: Any) -> Any:
    """Return an object or list, also one that is encoded in a string; None for anything else."""
    if isinstance(value, Mapping | list):
        return value
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        found = _json(value)
        return found if isinstance(found, Mapping | list) else None
    return None
