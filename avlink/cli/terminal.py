"""Text for a terminal: control characters and bidirectional marks, of file names for example, become visible escapes.

A terminal obeys such characters: it changes its title or colours, moves the cursor, or shows text in another order.
"""

from __future__ import annotations

import re

# Controls (C0, C1), line and paragraph separators, half surrogates, in which Python keeps bytes of names that are no
# text, and marks that change the order or the form of the text around them. Joiners stay: scripts and emoji need them.
_MARKS = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb"
_HIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_MARKS}]")
_HIDDEN_IN_TEXT = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_MARKS}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}


def visible(text: str) -> str:
    """Return `text`, of one or several lines, with all other characters that a terminal obeys as escapes."""
    return _HIDDEN_IN_TEXT.sub(_escape, text)


def visible_line(text: str) -> str:
    """Return `text` with all characters that a terminal obeys as escapes, line breaks and tabs among them."""
    return _HIDDEN.sub(_escape, text)


def visible_json(text: str) -> str:
    """Return a JSON document with such characters in JSON's own escapes: a reader gets the same values."""
    return _HIDDEN_IN_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
