"""Media files: the paths and URLs by which formats name them."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from urllib.parse import quote, unquote


def local_path(url: str, folder: Path) -> Path:
    """Return the file that a URL or path means, seen from `folder`: the literal one if it exists, else decoded once."""
    text = url
    if url.lower().startswith("file:"):
        text = url[5:]
        if text.startswith("//"):
            text = text[2:] if text[2:3] == "/" else "/" + text[2:].partition("/")[2]
        if len(text) > 2 and text[0] == "/" and text[2] == ":":
            text = text[1:]
        return folder / unquote(text)
    literal = folder / text
    return literal if literal.exists() or "%" not in text else folder / unquote(text)


def relative_path(url: str, folder: Path) -> str:
    """Return a path as a project in `folder` names it: relative, with forward slashes; whole on another drive."""
    if "://" in url and not url.lower().startswith("file:"):
        return url
    path = Path(os.path.abspath(local_path(url, folder)))
    base = Path(os.path.abspath(folder))
    return str(path) if path.anchor != base.anchor else PurePath(os.path.relpath(path, base)).as_posix()


def file_url(url: str, folder: Path) -> str:
    """Return a URL as FCP 7 and Final Cut name files: file://localhost/..., percent-encoded."""
    if "://" in url and not url.lower().startswith("file:"):
        return url
    return Path(os.path.abspath(local_path(url, folder))).as_uri().replace("file:///", "file://localhost/", 1)


def url_beside(url: str, folder: Path) -> str:
    """Return the URL of a file in a project that lies in `folder`: relative to it for what lies in or below it."""
    path = relative_path(url, folder)
    if "://" in path or path.startswith("../") or Path(path).is_absolute():
        return file_url(url, folder).replace("file://localhost/", "file:///", 1)
    # Final Cut reads URLs, in which a colon in the first part ends a scheme.
    return quote(path, safe="/")
