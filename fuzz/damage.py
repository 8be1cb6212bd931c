"""Damage to inputs that are whole: what disks, mail and spreadsheets do to them, and what nobody does."""

from __future__ import annotations

import copy
import json
import re
from typing import Any
from xml.etree import ElementTree as xml

from hypothesis import strategies as st

from fuzz.values import number_texts, odd_values

_NUMBER = re.compile(rb"\d+")
_CODECS = ("utf-16", "utf-8-sig", "latin-1", "utf-32")


@st.composite
def damaged_text(draw: st.DrawFn, text: bytes) -> bytes:
    """Return a text with numbers and lines changed, doubled, moved or lost, in another encoding, or cut off."""
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["number", "line", "line", "cut", "bytes", "ends", "codec"]))
        if kind == "number":
            found = list(_NUMBER.finditer(text))
            if found:
                number = draw(st.sampled_from(found))
                text = text[: number.start()] + draw(number_texts).encode("utf-8") + text[number.end() :]
        elif kind == "line":
            lines = text.split(b"\n")
            at, to = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            line = lines.pop(at)
            copies = draw(st.sampled_from([0, 1, 2, 2, 300]))
            lines[to:to] = [line] * copies
            text = b"\n".join(lines)
        elif kind == "cut":
            text = text[: draw(st.integers(0, len(text)))]
        elif kind == "bytes":
            at = draw(st.integers(0, len(text)))
            text = text[:at] + draw(st.binary(max_size=6)) + text[at + draw(st.integers(0, 6)) :]
        elif kind == "ends":
            text = text.replace(b"\n", draw(st.sampled_from([b"\r\n", b"\r", b"\n\n"])))
        else:
            text = text.decode("utf-8", "replace").encode(draw(st.sampled_from(_CODECS)), "replace")
    return text


@st.composite
def damaged_json(draw: st.DrawFn, value: Any) -> bytes:
    """Return a JSON document with a few of its values replaced, removed, doubled, or put deep inside others."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 4))):
        spots = list(_spots(value))
        if not spots:
            break
        owner, key = draw(st.sampled_from(spots))
        kind = draw(st.sampled_from(["replace", "replace", "remove", "double", "other"]))
        if kind == "replace":
            owner[key] = draw(odd_values)
        elif kind == "remove":
            del owner[key]
        elif kind == "double" and isinstance(owner, list):
            owner[key:key] = [copy.deepcopy(owner[key]) for _ in range(draw(st.sampled_from([1, 2, 500])))]
        elif kind == "other":
            other, name = draw(st.sampled_from(spots))
            owner[key] = copy.deepcopy(other[name])
    text = json_text(value)
    if draw(st.integers(0, 5)) == 0:
        # As text, because Python's own JSON ends where it gets deep.
        depth = draw(st.sampled_from([1, 3, 60, 2000, 100_000]))
        opening, closing = draw(st.sampled_from([(b"[", b"]"), (b'{"a":', b"}")]))
        parts = text.split(b"[]")
        text = (opening * depth + b"[]" + closing * depth).join([parts[0], b"[]".join(parts[1:])])
    return text


def json_text(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value, indent=1).encode("utf-8")


@st.composite
def extended_xml(
    draw: st.DrawFn, root: xml.Element, extras: tuple[tuple[str, str], ...], times: tuple[str, ...]
) -> Any:
    """Return a document with further elements in it: (tag of the parent, text of the element).

    Each `@` in a text becomes one of `times`, as the format writes them.
    """
    root = copy.deepcopy(root)
    for tag, text in draw(st.lists(st.sampled_from(extras), min_size=1, max_size=4)):
        parents = list(root.iter(tag))
        if parents:
            parent = draw(st.sampled_from(parents))
            first, *rest = text.split("@")
            filled = first + "".join(draw(st.sampled_from(times)) + part for part in rest)
            parent.insert(draw(st.integers(0, len(parent))), xml.fromstring(filled))
    return root


@st.composite
def damaged_xml(draw: st.DrawFn, root: xml.Element, words: tuple[str, ...] = ()) -> bytes:
    """Return an XML document with elements and attributes replaced, removed, doubled, moved or nested.

    `words` are texts that mean something in its format.
    """
    root = copy.deepcopy(root)
    texts = st.one_of(number_texts, st.sampled_from(words or ("x",)), st.text(max_size=5))
    for _ in range(draw(st.integers(1, 4))):
        parents = [(parent, child) for parent in root.iter() for child in parent]
        if not parents:
            break
        parent, child = draw(st.sampled_from(parents))
        kind = draw(st.sampled_from(["text", "text", "attribute", "remove", "double", "move", "deep", "tag"]))
        if kind == "text":
            leaves = [one for one in root.iter() if not len(one)]
            draw(st.sampled_from(leaves)).text = draw(texts)
        elif kind == "attribute":
            owners = [(one, name) for one in root.iter() for name in one.attrib]
            if owners:
                one, name = draw(st.sampled_from(owners))
                if draw(st.booleans()):
                    one.set(name, draw(texts))
                else:
                    del one.attrib[name]
        elif kind == "remove":
            parent.remove(child)
        elif kind == "double":
            parent.extend(copy.deepcopy(child) for _ in range(draw(st.sampled_from([1, 2, 200]))))
        elif kind == "move":
            target = draw(st.sampled_from([one for one in root.iter() if one not in set(child.iter())]))
            parent.remove(child)
            target.append(child)
        elif kind == "deep":
            for _ in range(draw(st.sampled_from([1, 3, 100]))):
                inner = xml.Element(child.tag, child.attrib)
                inner.extend(list(child))
                child[:] = [inner]
        else:
            child.tag = draw(st.sampled_from([one.tag for one in root.iter()]))
    return xml_text(root)


def xml_text(root: xml.Element, kind: str = "") -> bytes:
    """Return a document as UTF-8, with its document type."""
    kind = kind or root.tag
    body = xml.tostring(root, encoding="unicode").encode("utf-8", "replace")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE {kind}>\n'.encode() + body + b"\n"


def _spots(value: Any) -> Any:
    """Yield all places in a JSON value: an object or list, and the key in it."""
    stack = [value]
    while stack:
        owner = stack.pop()
        if isinstance(owner, dict | list):
            for key in list(owner) if isinstance(owner, dict) else range(len(owner)):
                yield owner, key
                stack.append(owner[key])
