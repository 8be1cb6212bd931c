"""XML of project files as elements, or one sentence on why there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias
from xml.etree import ElementTree

from avlink.core.limits import ITEMS, SEQUENCES_DEPTH

Nested: TypeAlias = Callable[[ElementTree.Element], Iterable[ElementTree.Element | None]]

_MOST_NESTED = SEQUENCES_DEPTH.most // 2
"""Sequences that may lie one within another: each is a stack of tracks."""


def parse_xml(document: bytes) -> ElementTree.Element:
    """Return the root of a document. Raises ValueError for what is no XML, and for an encoding that nobody knows."""
    try:
        return ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    except LookupError as error:
        raise ValueError(f"it names an {error}") from error


def check_nesting(holder: ElementTree.Element, nested: Nested) -> None:
    """Raise ValueError for a sequence that holds itself, nests too deep, or has too many items with all in it.

    `nested` yields for each item of an element the element whose contents it shows, or None. Items of a sequence that
    is used many times count each time: ten lines of XML can stand for more clips than any machine holds.
    """
    known: dict[int, tuple[int, int]] = {}

    def measure(element: ElementTree.Element, path: tuple[ElementTree.Element, ...]) -> tuple[int, int]:
        """Return the items in an element and the levels below it."""
        if any(one is element for one in path):
            raise ValueError(f"its sequence '{_name(element)}' holds itself")
        if len(path) + known.get(id(element), (0, 0))[1] > _MOST_NESTED:
            raise ValueError(f"it nests sequences more than {_MOST_NESTED} deep, one within another")
        if id(element) not in known:
            items, levels = 0, 0
            for one in nested(element):
                within = (0, -1) if one is None else measure(one, (*path, element))
                items, levels = items + 1 + within[0], max(levels, within[1] + 1)
            known[id(element)] = (items, levels)
        return known[id(element)]

    if measure(holder, ())[0] > ITEMS.most:
        raise ValueError(f"it holds more than {ITEMS.most} clips, with those of each use of its nested sequences")


def _name(element: ElementTree.Element) -> str:
    return element.get("name") or (element.findtext("name") or "").strip()
