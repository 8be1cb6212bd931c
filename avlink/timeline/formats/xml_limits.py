"""Limits on XML, checked before and after it is parsed: size, number and nesting of elements, and entities."""

from __future__ import annotations

from xml.etree import ElementTree

from avlink.core.errors import TimelineError
from avlink.core.limits import PROJECT_BYTES, PROJECT_DEPTH, PROJECT_VALUES

_ENTITY = "<!ENTITY"


def check_xml_text(document: bytes, where: object) -> None:
    """Check a document before it is parsed. Raises TimelineError.

    Entities of a document's own are refused: no editing program writes them, and a few of them can stand for any
    amount of text.
    """
    PROJECT_BYTES.check(len(document), where, TimelineError)
    # Most elements have two such characters, one for their end.
    PROJECT_VALUES.check(document.count(b"<") // 2, where, TimelineError)
    if any(_ENTITY.encode(encoding) in document for encoding in ("utf-8", "utf-16-le", "utf-16-be")):
        raise TimelineError(f"{where} defines entities of its own (<!ENTITY>), which are not read; export it again")


def check_elements(root: ElementTree.Element, where: object) -> None:
    """Check how deep elements are nested. Raises TimelineError."""
    row, depth = [root], 0
    while row:
        row, depth = [child for element in row for child in element], depth + 1
        if depth > PROJECT_DEPTH.most:
            raise TimelineError(PROJECT_DEPTH.refusal(f"more than {PROJECT_DEPTH.most}", where))
