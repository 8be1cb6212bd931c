"""Licences that a folder states in a file of its own, such as LICENSE.txt."""

from __future__ import annotations

import re
from pathlib import Path

_NAMES = re.compile(r"(?i)(licen[cs]e|copying|copyright|attribution|credits)([-_. ].*)?")
_MOST_BYTES = 1 << 16
# The first that a text has: a deed of CC BY-SA names CC BY, too.
_KNOWN = (
    (r"cc0|creative commons zero|public domain dedication", "CC0-1.0"),
    (r"(cc|creative commons)[- ]by[- ]nc[- ]nd|attribution-noncommercial-noderiv", "CC-BY-NC-ND"),
    (r"(cc|creative commons)[- ]by[- ]nc[- ]sa|attribution-noncommercial-sharealike", "CC-BY-NC-SA"),
    (r"(cc|creative commons)[- ]by[- ]nc|attribution-noncommercial", "CC-BY-NC"),
    (r"(cc|creative commons)[- ]by[- ]sa|attribution-sharealike", "CC-BY-SA"),
    (r"(cc|creative commons)[- ]by\b|creative commons attribution", "CC-BY"),
    (r"\bmit license|permission is hereby granted, free of charge", "MIT"),
    (r"apache license", "Apache-2.0"),
)
_VERSION = re.compile(r"\b([1-4]\.[0-9])\b")


def find_licence_file(names: list[str]) -> str:
    """Return the name among those of a folder's files that states a licence; "" if there is none."""
    found = sorted(name for name in names if _NAMES.fullmatch(name) and not name.lower().endswith((".wav", ".csv")))
    return next((name for name in found if name.lower().startswith(("licen", "copying"))), found[0] if found else "")


def read_licence(path: Path) -> str:
    """Return the licence that a file states by its short name, else "see" with the file's name; "" for none."""
    if not path.is_file():
        # A folder, or a pipe, from which reading may never end.
        return ""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace").casefold()
    except OSError:
        return ""
    for pattern, name in _KNOWN:
        found = re.search(pattern, text)
        if found:
            version = _VERSION.search(text, found.start(), found.end() + 80)
            return f"{name}-{version[1]}" if name.startswith("CC-BY") and version else name
    return f"see {path.name}"
