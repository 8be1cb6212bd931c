"""XML as text: indented, and without the characters that XML has no place for, not even escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree as xml

# Production 2 of XML 1.0: control characters, surrogates and two code points that are no characters.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document_text(root: xml.Element, *, doctype: str = "") -> str:
    """Return a document as text that every parser reads; characters that cannot be in it become spaces."""
    for element in root.iter():
        if element.text:
            element.text = _NOT_IN_XML.sub(" ", element.text)
        for name, value in element.attrib.items():
            element.set(name, _NOT_IN_XML.sub(" ", value))
    xml.indent(root)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n' + (f"<!DOCTYPE {doctype}>\n" if doctype else "")
    return f"{head}{xml.tostring(root, encoding='unicode')}\n"
