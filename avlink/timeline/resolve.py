"""From a media reference to a file: the literal path first, then decoded once, then by name.

OTIO's own helper decodes twice and cuts at '#' and '?', so "50%20off.mov" and "take#3.mov" cannot be reached with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from unicodedata import normalize

from avlink.core.text import first_names
from avlink.core.values import ImageSequence
from avlink.timeline.image_sequences import ImageNames, find_images, image_name
from avlink.timeline.media_names import NameIndex, in_any_form, is_file
from avlink.timeline.media_paths import DRIVE, base_name, candidates, names_of
from avlink.timeline.media_refs import FILM_SUFFIXES, SOUND_SUFFIXES, MediaKind, MediaRef, is_still
from avlink.timeline.values import ClipRef

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?!\\)")
_WITHOUT_FILE: Mapping[MediaKind, str] = {
    "generator": "it is made by the editing program (a title, bars or a colour), not by a media file",
    "images": "its media is an image sequence without a frame rate; --rate gives it one",
    "missing": "the project names no media for it; --media-root names folders to search for a file of its name",
}


class Unresolved(Exception):
    """A clip has no file. `failed` when there should be one; `source` names the media as well as the timeline does.

    `missing` when the reason is that it was not found, and not that it is of no use.
    """

    def __init__(self, reason: str, *, source: str | None = None, failed: bool, missing: bool = False) -> None:
        super().__init__(reason)
        self.source = source
        self.failed = failed
        self.missing = missing


class MediaRoots:
    """Folders in which media is searched by name. Each folder is listed once, when it is first needed."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.folders = tuple(folders)
        self._names = NameIndex(folders)
        self._within: dict[Path, frozenset[str]] = {}
        self._files: dict[tuple[str, Path], Path | None] = {}
        self._sequences: dict[tuple[ImageNames, str, Path], ImageSequence | None] = {}

    def file(self, url: str, folder: Path) -> Path | None:
        """Return the result of `find_file`, called once per file: many clips share one, and servers are slow."""
        if (url, folder) not in self._files:
            self._files[url, folder] = find_file(url, folder, self)
        return self._files[url, folder]

    def sequence(self, names: ImageNames, url: str, folder: Path) -> ImageSequence | None:
        """Return the result of `find_sequence`, which is called once per sequence."""
        key = (names, url, folder)
        if key not in self._sequences:
            self._sequences[key] = find_sequence(names, url, folder, self)
        return self._sequences[key]

    def find(self, name: str, url: str = "") -> Path | None:
        """Return the file of a name whose folders fit the `url` in the project best; None if none or several do."""
        found = self._names.find(name, url)
        return found[0] if len(found) == 1 else None

    def find_named(self, name: str, suffixes: tuple[str, ...], url: str = "") -> Path | None:
        """Return the file of a name with one of the suffixes, which the name may lack, as in EDLs."""
        return next((path for one in _with_suffixes(name, suffixes) if (path := self.find(one, url)) is not None), None)

    def alike(self, url: str) -> tuple[Path, ...]:
        """Return the files that fit a URL equally well, by their name; empty where one fits best or none is there."""
        return next((found for name in names_of(url) if len(found := self._names.find(name, url)) > 1), ())

    def alike_named(self, name: str, suffixes: tuple[str, ...], url: str = "") -> tuple[Path, ...]:
        """Return the files that have a name with one of the suffixes, where `find_named` has more than one."""
        every = (self._names.find(one, url) for one in _with_suffixes(name, suffixes))
        return next((found for found in every if len(found) > 1), ())

    def within(self, folder: Path) -> frozenset[str]:
        """Return the names of all files that lie in a folder itself."""
        if folder not in self._within:
            try:
                self._within[folder] = frozenset(entry.name for entry in folder.iterdir())
            except (OSError, ValueError):
                self._within[folder] = frozenset()
        return self._within[folder]

    def __str__(self) -> str:
        return ", ".join(str(folder) for folder in self.folders)


_NO_ROOTS = MediaRoots()


def find_media(
    clip: ClipRef, folder: Path, roots: MediaRoots | None = None, *, suffixes: tuple[str, ...] = FILM_SUFFIXES
) -> tuple[MediaRef, Path | ImageSequence]:
    """Return the first of a clip's references that has a film or sound file, and that file.

    References are tried in order, the active one first. A path is taken literally, then decoded once, relative to
    `folder` (the timeline's); then its name is looked up in `roots` and all folders below them. A clip of which the
    project names no media at all (EDL) is looked up there by its own name, with one of the `suffixes`.

    Raises Unresolved with a sentence that says why there is none.
    """
    roots = MediaRoots() if roots is None else roots
    reasons = []
    for ref in clip.media:
        found = _look_up(ref, folder, roots)
        if not isinstance(found, Unresolved):
            return ref, found
        reasons.append(found)
    if all(ref.kind == "missing" or (ref.kind == "file" and not ref.url.strip()) for ref in clip.media):
        # The reel of an EDL comes after the name of the clip, because a tape has the names of many.
        reels = [ref.reel for ref in clip.media if ref.reel]
        # The folder of a card may be called like the reel.
        where = f"{reels[0]}/{clip.name}" if reels else ""
        path = roots.find_named(clip.name, suffixes, where)
        alike = () if path is not None else roots.alike_named(clip.name, suffixes, where)
        if path is None and not alike:
            path = next((one for reel in reels if (one := roots.find_named(reel, suffixes)) is not None), None)
        if path is not None:
            return MediaRef(key="by name", kind="file", url=str(path)), path
        if alike:
            reason = f"the project names no media for it, and {several_fit(alike)}"
            raise Unresolved(reason, source=clip.name, failed=True, missing=True)
    failed = [reason for reason in reasons if reason.failed]
    first = (failed or reasons or [Unresolved(_WITHOUT_FILE["missing"], failed=False)])[0]
    source = next((ref.url for ref in clip.media if ref.url), None)
    raise Unresolved(str(first), source=first.source or source, failed=first.failed, missing=first.missing)


def _look_up(ref: MediaRef, folder: Path, roots: MediaRoots) -> Path | ImageSequence | Unresolved:
    if ref.refused:
        return Unresolved(ref.refused, source=ref.url or None, failed=True)
    if ref.kind == "images" and ref.images is not None:
        first = image_name(ref.images, ref.images.first or 0)
        if (scheme := remote_scheme(ref.url)) is not None:
            return Unresolved(f"its media is remote ({scheme}), and AVLink reads local files", failed=False)
        return roots.sequence(ref.images, ref.url, folder) or _not_found(f"{ref.url}{first}", folder, roots)
    if ref.kind != "file":
        return Unresolved(_WITHOUT_FILE[ref.kind], failed=False)
    if is_still(ref.url):
        return Unresolved(f"{base_name(ref.url)} is a still, in which nothing moves", failed=False)
    if (scheme := remote_scheme(ref.url)) is not None:
        return Unresolved(f"its media is remote ({scheme}), and AVLink reads local files", failed=False)
    if not ref.url.strip():
        return Unresolved("the project names no file for it", failed=False)
    path = roots.file(ref.url, folder)
    if path is None and not ref.url.lower().endswith((*FILM_SUFFIXES, *SOUND_SUFFIXES)):
        # EDLs may name the source file without its suffix.
        path = roots.find_named(base_name(ref.url), (*FILM_SUFFIXES, *SOUND_SUFFIXES), ref.url)
    return path or _not_found(ref.url, folder, roots)


def _not_found(url: str, folder: Path, roots: MediaRoots) -> Unresolved:
    if alike := roots.alike(url):
        return Unresolved(
            f"its media {url} is missing, and {several_fit(alike)}", source=url, failed=True, missing=True
        )
    where = f"looked from {folder}" + (f" and below {roots}" if roots.folders else "")
    reason = f"its media {url} is missing ({where}); --media-root names folders to search"
    return Unresolved(reason, source=url, failed=True, missing=True)


def several_fit(paths: Sequence[Path]) -> str:
    """Return words on files of one name, of which a person has to choose one."""
    shown = first_names([str(path) for path in paths])
    return f"several files of its name fit equally well: {shown}; --media-root with the folder of one says which"


def find_sequence(names: ImageNames, url: str, folder: Path, roots: MediaRoots = _NO_ROOTS) -> ImageSequence | None:
    """Return the images in the folder `url`, else in the folder below `roots` that has the first of them."""
    for candidate in candidates(url or "."):
        place = folder / candidate
        place = place if place.is_dir() else in_any_form(place) or place
        found = _images_in(place, names, roots)
        if found is not None:
            return found
    name = None if names.first is None else image_name(names, names.first)
    first = None if name is None else roots.find(name, f"{url.rstrip('/')}/{name}")
    return None if first is None else _images_in(first.parent, names, roots)


def _images_in(folder: Path, names: ImageNames, roots: MediaRoots) -> ImageSequence | None:
    """Return the images in a folder, in the Unicode form that their names have there."""
    listing = roots.within(folder)
    for form in (None, "NFC", "NFD"):
        prefix, suffix = (text if form is None else normalize(form, text) for text in (names.prefix, names.suffix))
        found = find_images(replace(names, prefix=prefix, suffix=suffix), folder, listing)
        if found is not None:
            return found
    return None


def find_file(url: str, folder: Path, roots: MediaRoots = _NO_ROOTS) -> Path | None:
    """Return the existing file that a local URL or path means, or None."""
    for candidate in candidates(url):
        path = folder / candidate
        if is_file(path):
            return path
        other = in_any_form(path)
        if other is not None and is_file(other):
            return other
    return next((found for name in names_of(url) if (found := roots.find(name, url)) is not None), None)


def find_folder(url: str, folder: Path) -> Path | None:
    """Return the existing folder that a local URL or path means, or None."""
    for candidate in candidates(url):
        place = folder / candidate
        other = place if place.is_dir() else in_any_form(place)
        if other is not None and other.is_dir():
            return other
    return None


def remote_scheme(url: str) -> str | None:
    """Return the scheme of a URL that is not on this machine, such as "https"; None for paths, drives and file URLs."""
    found = _SCHEME.match(url)
    if found is None or DRIVE.match(url) or found[1].lower() == "file":
        return None
    # A name such as "take:2.mov" has a colon but no scheme.
    return found[1].lower() if url[found.end() :].startswith("//") or found[1].lower() in {"data", "s3"} else None


def media_start(
    ref: MediaRef, source_start_s: Fraction, *, timecode_s: Fraction | None, file_duration_s: Fraction | None
) -> Fraction:
    """Return the start of a clip in its file, in seconds from the first frame.

    The reference's own range counts from the media's timecode. Where the timeline gives none, a start that lies
    behind the end of the file is a timecode too, and `timecode_s` (that of the file's first frame) is subtracted.
    """
    if ref.start_s is not None:
        return source_start_s - ref.start_s
    if timecode_s and file_duration_s is not None and source_start_s >= file_duration_s:
        return source_start_s - timecode_s
    return source_start_s


def outside_media(
    start_s: Fraction, duration_s: Fraction, file_duration_s: Fraction | None, *, slack_s: Fraction
) -> str | None:
    """Return a sentence when a clip asks for picture that its file does not have; None when all is there.

    `slack_s` is forgiven at both ends: timelines round media lengths up to whole frames of their own.
    """
    if start_s < -slack_s or (file_duration_s is not None and start_s + duration_s > file_duration_s + slack_s):
        has = "" if file_duration_s is None else f", which is {float(file_duration_s):.3f} s long"
        return f"it asks for {float(start_s):.3f} s to {float(start_s + duration_s):.3f} s of its media{has}"
    return None


def _with_suffixes(name: str, suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """Return a name as it is if it has one of the suffixes, and with each of them."""
    return (*((name,) if name.lower().endswith(suffixes) else ()), *(f"{name}{suffix}" for suffix in suffixes))
