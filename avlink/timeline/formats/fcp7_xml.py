"""Final Cut Pro 7 XML: nested sequences keep their contents when OTIO's adapter reads them.

The released adapter (1.0.0) looks for the tracks of a nested sequence beside its `<media>` instead of in it, and makes
an empty stack of every one.
"""

from __future__ import annotations

from xml.etree import ElementTree


def with_nested_tracks(document: bytes) -> str | None:
    """Return the document with the tracks of nested sequences where the adapter looks; None when it has none."""
    try:
        root = ElementTree.fromstring(document)
    except (ElementTree.ParseError, ValueError):
        return None
    if root.tag != "xmeml":
        return None
    # Written anew only where it must be: serialising drops the doctype, which no adapter needs.
    moved = False
    for sequence in root.iterfind(".//clipitem/sequence"):
        for media in sequence.findall("media"):
            sequence.extend(list(media))
            sequence.remove(media)
            moved = True
    return ElementTree.tostring(root, encoding="unicode") if moved else None
