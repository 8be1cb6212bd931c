"""Which names are meant: the patterns of rules, and what programs call files that are none of ours to touch yet."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache

from avlink import TEMPORARY_PREFIX

# Syncthing, rsync, unison, macOS' "._*" and ".DS_Store" hide what they have not finished, or keep for themselves.
_HIDDEN = "."
_STARTS = ("~$", "~syncthing~", TEMPORARY_PREFIX)
# Browsers, FTP programs, aria2, BitTorrent and Resilio Sync.
_UNFINISHED = (
    ".part",
    ".partial",
    ".crdownload",
    ".download",
    ".opdownload",
    ".filepart",
    ".tmp",
    ".temp",
    ".aria2",
    ".!sync",
    ".!ut",
    ".!qb",
    ".bc!",
    ".~tmp",
)
_OF_SYSTEMS = frozenset(
    {
        "thumbs.db",
        "desktop.ini",
        "@eadir",
        "__macosx",
        "#recycle",
        "$recycle.bin",
        "lost+found",
        "system volume information",
    }
)
_OURS = re.compile(r"\.foley(_t\d+)?\.[^.]+$|\.error\.txt$|\.stems$", re.IGNORECASE)
_BUNDLE = ".otiod"


def is_ignored(name: str) -> bool:
    """Whether a file or folder of that name is never looked at: hidden, unfinished, the system's, or made by us."""
    lower = name.lower()
    return (
        lower.startswith((_HIDDEN, *_STARTS))
        or lower.endswith(_UNFINISHED)
        or lower in _OF_SYSTEMS
        or _OURS.search(name) is not None
    )


def is_arriving(name: str, beside: Collection[str]) -> bool:
    """Whether a file beside it says that it is not finished, such as clip.mp4.aria2, or clip.mp4.part of a browser."""
    return any(f"{name}{suffix}" in beside for suffix in _UNFINISHED)


def is_bundle_folder(name: str) -> bool:
    """Whether a folder is a timeline with its media inside."""
    return name.lower().endswith(_BUNDLE)


def matches(path: str, globs: Sequence[str]) -> bool:
    """Whether a path with forward slashes fits one of the patterns."""
    return any(_compiled(glob).fullmatch(path) is not None for glob in globs)


def reaches_below(globs: Sequence[str]) -> bool:
    """Whether any of the patterns can fit something in a folder below."""
    return any("/" in glob or "**" in glob for glob in globs)


@cache
def _compiled(glob: str) -> re.Pattern[str]:
    form, at = "", 0
    while at < len(glob):
        if glob.startswith("**/", at):
            form, at = f"{form}(?:[^/]+/)*", at + 3
        elif glob.startswith("**", at):
            form, at = f"{form}.*", at + 2
        elif glob[at] == "*":
            form, at = f"{form}[^/]*", at + 1
        elif glob[at] == "?":
            form, at = f"{form}[^/]", at + 1
        elif glob[at] == "[" and (end := glob.find("]", at + 2)) > 0:
            inside = glob[at + 1 : end].replace("\\", "\\\\")
            form, at = f"{form}[{'^' + inside[1:] if inside[0] in '!^' else inside}]", end + 1
        else:
            form, at = form + re.escape(glob[at]), at + 1
    return re.compile(form, re.IGNORECASE | re.DOTALL)
