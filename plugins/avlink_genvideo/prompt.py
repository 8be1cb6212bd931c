"""From the texts with a video to the words that it was generated with, and from these to words for its sound."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avlink_genvideo.comfy_graph import is_graph, parse_json, read_graph
from avlink_genvideo.comfy_prompt import find_prompt
from avlink_genvideo.comfy_workflow import is_workflow, read_workflow
from avlink_genvideo.infotext import read_infotext
from avlink_genvideo.metadata import MetadataText
from avlink_genvideo.prompt_cleaning import clean_negative, clean_prompt

# What was run comes before what was drawn, and both before what somebody wrote into a common field.
_ORDER = ("prompt", "workflow", "parameters", "usercomment", "comment", "description", "title", "xmp", ".json", ".txt")
_POSITIVE = ("prompt", "positive_prompt", "positive", "text_prompt", "text", "caption", "Prompt", "description")
_NEGATIVE = ("negative_prompt", "negative", "Negative Prompt", "negativePrompt", "uncond")
_AROUND = (
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
_LONGEST_CAPTION = 5000
_DEEPEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPrompt:
    """What a video was generated with. `text` and `negative` are for its sound, the others as they stood there.

    `place` says where that was, for people; empty where nothing was found. `notes` say what had to be chosen.
    """

    text: str = ""
    negative: str = ""
    as_written: str = ""
    negative_as_written: str = ""
    place: str = ""
    notes: tuple[str, ...] = ()


def extract_prompt(notes: Sequence[MetadataText], *, file_name: str) -> FoundPrompt:
    """The words in the first text that holds some. A text that is broken is named, and the next one is read."""
    ordered = sorted(notes, key=lambda note: _ORDER.index(note.name) if note.name in _ORDER else len(_ORDER))
    said: list[str] = []
    for note in ordered:
        for positive, negative, place, more in _read(note, file_name, said):
            text = clean_prompt(positive)
            if not positive.strip():
                continue
            if not text:
                said.append(f"the prompt in {place} says nothing but how good the picture shall be")
                continue
            return FoundPrompt(
                text=text,
                negative=clean_negative(negative),
                as_written=positive,
                negative_as_written=negative,
                place=place,
                notes=(*said, *more),
            )
    return FoundPrompt(notes=tuple(said))


_Found = tuple[str, str, str, tuple[str, ...]]


def _read(note: MetadataText, file_name: str, said: list[str]) -> Iterator[_Found]:
    """(positive, negative, place, notes) for each reading of a text that there is."""
    text = note.text.strip()
    if text[:1] in ("{", "[", '"'):
        value = _json(text)
        if value is None:
            said.append(f"{note.place} is no whole JSON and was not read")
            return
        if isinstance(value, str):
            text = value
        else:
            yield from _of_value(value, note.place, file_name, depth=0)
            return
    infotext = read_infotext(text)
    if infotext is not None:
        yield infotext.positive, infotext.negative, note.place, ()
    elif note.name in ("prompt", "parameters", ".txt") and len(text) <= _LONGEST_CAPTION:
        # A comment may be anything; under these names plain words are meant as a prompt.
        yield text, "", note.place, ()


def _json(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        pass
    try:
        # One writer leaves Python's own notation.
        return ast.literal_eval(text) if len(text) <= 1 << 20 else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _of_value(value: Any, place: str, file_name: str, *, depth: int) -> Iterator[_Found]:
    """Readings of a JSON value: a graph, a workflow, or a table with a prompt in it."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in value[:20]:
            yield from _of_value(item, place, file_name, depth=depth + 1)
        return
    if not isinstance(value, Mapping):
        return
    if is_graph(value) or is_workflow(value):
        graph = read_graph(value) if is_graph(value) else read_workflow(value)
        found = find_prompt(graph, file_name=file_name)
        yield found.positive, found.negative, f"{place} ({found.node})" if found.node else place, found.notes
        return
    for key in ("prompt", "workflow"):
        inner = _inner(value.get(key))
        if inner is not None:
            yield from _of_value(inner, place, file_name, depth=depth + 1)
    words = [value[key] for key in _POSITIVE if isinstance(value.get(key), str) and value[key].strip()]
    if words and _inner(words[0]) is None:
        infotext = read_infotext(words[0])
        negative = next((value[key] for key in _NEGATIVE if isinstance(value.get(key), str)), "")
        if infotext is not None:
            yield infotext.positive, infotext.negative, place, ()
        else:
            yield words[0], negative, place, ()
    for key in _AROUND:
        if key in value:
            inside = value[key]
            if isinstance(inside, str) and (infotext := read_infotext(inside)) is not None:
                yield infotext.positive, infotext.negative, place, ()
            else:
                yield from _of_value(_inner(inside), place, file_name, depth=depth + 1)


def _inner(value: Any) -> Any:
    """A table or list, also one that was put into a string; None for anything else."""
    if isinstance(value, Mapping | list):
        return value
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        found = _json(value)
        return found if isinstance(found, Mapping | list) else None
    return None
