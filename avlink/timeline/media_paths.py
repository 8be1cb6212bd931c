"""Readings of what projects write as the path of a file: paths of any system, and file URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

DRIVE = re.compile(r"/?[A-Za-z]:[\\/]")
"""Matches a path that begins with a drive of Windows, also as a URL has it."""
_HERE = frozenset({"", "localhost", "127.0.0.1"})


def base_name(url: str) -> str:
    """Return the last part of a path or URL in either kind of slashes."""
    return re.split(r"[\\/]", url.rstrip("\\/"))[-1]


def candidates(url: str) -> Iterator[str]:
    """Yield the paths that a URL or path may mean, the likeliest first."""
    seen = set()
    for text in _readings(url):
        for path in (text, _without_scheme(text), _on_server(text)):
            # A NUL is refused by the system with ValueError rather than as a missing file.
            if path and path not in seen and "\0" not in path:
                seen.add(path)
                yield path
                if "\\" in path:
                    yield path.replace("\\", "/")


def _readings(url: str) -> Iterator[str]:
    """Yield a path or URL as it is written and decoded once, the likelier first.

    Decoded once and no more: a file may be called "50%20off.mov". A URL is encoded, a path is not.
    """
    decoded = unquote(url)
    yield from (decoded, url) if url.lower().startswith("file:") else (url, decoded)
    if "\ufffd" in decoded and "\ufffd" not in url:
        # Programs of older systems encode their own code page.
        yield unquote(url, encoding="cp1252")


def names_of(url: str) -> tuple[str, ...]:
    """Return the names that the file of a URL may have."""
    return tuple(dict.fromkeys(name for text in _readings(url) if (name := base_name(text))))


def _on_server(text: str) -> str:
    """Return the path of a file URL with a host, as Windows names it: //server/share/a; empty without one."""
    found = re.match(r"file://([^/]+)(/.*)", text, re.IGNORECASE)
    return f"//{found[1]}{found[2]}" if found is not None and found[1].lower() not in _HERE else ""


def _without_scheme(text: str) -> str:
    """Return the path of a file URL: file:///a, file://localhost/a, file:/a, file:///C:/a; file://a stands for file:///a."""
    if not text.lower().startswith("file:"):
        return text
    rest = text[5:]
    if not rest.startswith("//"):
        return rest
    host, slash, path = rest[2:].partition("/")
    if host.lower() not in _HERE:
        # Some adapters write a relative path behind "file://".
        return host + slash + path
    return path if DRIVE.match(path) else slash + path
