"""Paths of media as a project writes them, to write ours in the same way.

Resolve writes plain absolute paths and does not link `file://` URLs; Premiere writes those; others write paths
relative to the timeline. What lies beside the timeline or below is named relative to it in every project, so that it
plays on when the folder is moved; all else in the way of its neighbours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import quote

import opentimelineio as otio

from avlink.timeline.resolve import find_file, find_folder, remote_scheme

UrlStyle: TypeAlias = Literal["plain", "file", "relative", "relative-quoted"]


def url_style(timeline: otio.schema.Timeline) -> UrlStyle:
    """Return the style in which most of a project's local media is named; plain absolute paths when there is none."""
    votes: dict[UrlStyle, int] = {}
    for ref in _external_refs(timeline):
        url = ref.target_url or ""
        if not url or remote_scheme(url) is not None:
            continue
        style: UrlStyle
        if url.lower().startswith("file:"):
            style = "file"
        elif url.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", url):
            style = "plain"
        else:
            style = "relative-quoted" if re.search(r"%[0-9A-Fa-f]{2}", url) else "relative"
        votes[style] = votes.get(style, 0) + 1
    # Projects are mixed by hand, so that the majority decides; of equals the one that came first.
    return max(votes, key=lambda style: votes[style]) if votes else "plain"


def write_url(path: Path, style: UrlStyle, folder: Path) -> str:
    """Return the URL of a file of ours in a timeline that lies in `folder`: relative if the file lies in or below it.

    Elsewhere it is absolute, as a file URL in a project that has those.
    """
    inside = path_below(path, folder)
    if inside is not None:
        return quote(inside) if style in {"file", "relative-quoted"} else inside
    return path.absolute().as_uri() if style == "file" else str(path.absolute())


def path_below(path: Path, folder: Path) -> str | None:
    """Return the path of a file relative to a folder that it lies in or below, with `/`; None for other files."""
    # As both are written first: a link to a folder elsewhere is moved along with the link.
    for file, base in ((path.absolute(), folder.absolute()), (path.resolve(), folder.resolve())):
        relative = Path(os.path.relpath(file, base)) if file.anchor == base.anchor else Path("..")
        if ".." not in relative.parts:
            # A colon in the first part would be read as a scheme.
            return f"./{relative.as_posix()}" if ":" in str(relative).partition(os.sep)[0] else relative.as_posix()
    return None


def rebase_urls(timeline: otio.schema.Timeline, old_folder: Path, new_folder: Path) -> None:
    """Rewrite media paths relative to `old_folder` as relative to `new_folder`, in place.

    Paths that lead to no file stay as they are.
    """
    if old_folder.resolve() == new_folder.resolve():
        return
    known: dict[str, str] = {}
    for ref in _external_refs(timeline):
        url = ref.target_url or ""
        if url not in known:
            found = find_file(url, old_folder) if _is_relative(url) else None
            known[url] = url if found is None else _relative(found, url, old_folder, new_folder)
        if known[url] != url:
            ref.target_url = known[url]
    for images in _image_refs(timeline):
        url = images.target_url_base or "."
        folder = find_folder(url, old_folder) if _is_relative(url) else None
        if folder is not None:
            images.target_url_base = f"{_relative(folder, url, old_folder, new_folder)}/"


def _is_relative(url: str) -> bool:
    return bool(url) and not url.lower().startswith("file:") and not url.startswith("/") and remote_scheme(url) is None


def _relative(path: Path, url: str, old_folder: Path, new_folder: Path) -> str:
    """Return a path relative to the new folder, decoded or not as its URL was."""
    absolute = path.absolute()
    if absolute.anchor != new_folder.absolute().anchor:
        return str(absolute)
    relative = Path(os.path.relpath(absolute, new_folder.absolute())).as_posix()
    return relative if (old_folder / url).exists() else quote(relative)


def _image_refs(timeline: otio.schema.Timeline) -> Iterator[otio.schema.ImageSequenceReference]:
    for clip in timeline.find_clips():
        refs = clip.media_references()
        for ref in refs.values():
            if isinstance(ref, otio.schema.ImageSequenceReference):
                yield ref


def _external_refs(timeline: otio.schema.Timeline) -> Iterator[otio.schema.ExternalReference]:
    for clip in timeline.find_clips():
        refs = clip.media_references()
        for ref in refs.values():
            if isinstance(ref, otio.schema.ExternalReference):
                yield ref
