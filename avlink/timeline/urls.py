"""Paths of media as a project writes them, to write ours in the same way.

Resolve writes plain absolute paths and does not link `file://` URLs; Premiere writes those; others write paths
relative to the timeline. A stem that is named in another style than its neighbours stays offline in some programs.
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
    """Return the URL of a file in a timeline that lies in `folder`."""
    absolute = path.absolute()
    if style == "file":
        return absolute.as_uri()
    if style == "plain" or absolute.anchor != folder.absolute().anchor:
        return str(absolute)
    relative = Path(os.path.relpath(absolute, folder.absolute())).as_posix()
    return quote(relative) if style == "relative-quoted" else relative


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
            known[url] = url if found is None else write_url(found, _as_written(url, old_folder), new_folder)
        if known[url] != url:
            ref.target_url = known[url]
    for images in _image_refs(timeline):
        url = images.target_url_base or "."
        folder = find_folder(url, old_folder) if _is_relative(url) else None
        if folder is not None:
            images.target_url_base = f"{write_url(folder, _as_written(url, old_folder), new_folder)}/"


def _is_relative(url: str) -> bool:
    return bool(url) and not url.lower().startswith("file:") and not url.startswith("/") and remote_scheme(url) is None


def _as_written(url: str, folder: Path) -> UrlStyle:
    return "relative" if (folder / url).exists() else "relative-quoted"


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
