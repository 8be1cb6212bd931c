"""From a media reference to a file: the literal path first, then decoded once, then by name.

OTIO's own helper decodes twice and cuts at '#' and '?', so "50%20off.mov" and "take#3.mov" cannot be reached with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote

from avlink.core.values import ImageSequence
from avlink.timeline.image_sequences import ImageNames, find_images, image_name
from avlink.timeline.media_refs import FILM_SUFFIXES, SOUND_SUFFIXES, MediaKind, MediaRef, is_still
from avlink.timeline.values import ClipRef

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?!\\)")
_DRIVE = re.compile(r"/?[A-Za-z]:[\\/]")
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
        self._below: dict[Path, dict[str, Path]] = {}
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

    def find(self, name: str) -> Path | None:
        """Return the file of a name that lies highest in the first folder with one, ignoring case if none has."""
        # Projects move between systems that tell upper from lower case and systems that do not.
        for key in (name, name.casefold()):
            for folder in self.folders:
                path = self._listed(folder).get(key)
                if path is not None and _is_file(path):
                    return path
        return None

    def find_named(self, name: str, suffixes: tuple[str, ...]) -> Path | None:
        """Return the file of a name with one of the suffixes, which the name may lack, as in EDLs."""
        names = [name, *(f"{name}{suffix}" for suffix in suffixes)]
        return next((path for one in names if one.lower().endswith(suffixes) and (path := self.find(one))), None)

    def within(self, folder: Path) -> frozenset[str]:
        """Return the names of all files that lie in a folder itself."""
        if folder not in self._within:
            try:
                self._within[folder] = frozenset(entry.name for entry in folder.iterdir())
            except (OSError, ValueError):
                self._within[folder] = frozenset()
        return self._within[folder]

    def _listed(self, folder: Path) -> dict[str, Path]:
        if folder not in self._below:
            # Sorted backwards, so that of one name the file that lies highest is written last and stays.
            below = sorted(folder.rglob("*"), key=lambda path: (len(path.parts), str(path)), reverse=True)
            any_case = {path.name.casefold(): path for path in below}
            self._below[folder] = {**any_case, **{path.name: path for path in below}}
        return self._below[folder]

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
        names = [clip.name, *(ref.reel for ref in clip.media if ref.reel)]
        path = next((one for name in names if (one := roots.find_named(name, suffixes)) is not None), None)
        if path is not None:
            return MediaRef(key="by name", kind="file", url=str(path)), path
    failed = [reason for reason in reasons if reason.failed]
    first = (failed or reasons or [Unresolved(_WITHOUT_FILE["missing"], failed=False)])[0]
    source = next((ref.url for ref in clip.media if ref.url), None)
    raise Unresolved(str(first), source=first.source or source, failed=first.failed, missing=first.missing)


def _look_up(ref: MediaRef, folder: Path, roots: MediaRoots) -> Path | ImageSequence | Unresolved:
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
        path = roots.find_named(base_name(ref.url), (*FILM_SUFFIXES, *SOUND_SUFFIXES))
    return path or _not_found(ref.url, folder, roots)


def _not_found(url: str, folder: Path, roots: MediaRoots) -> Unresolved:
    where = f"looked from {folder}" + (f" and below {roots}" if roots.folders else "")
    reason = f"its media {url} is missing ({where}); --media-root names folders to search"
    return Unresolved(reason, source=url, failed=True, missing=True)


def find_sequence(names: ImageNames, url: str, folder: Path, roots: MediaRoots = _NO_ROOTS) -> ImageSequence | None:
    """Return the images in the folder `url`, else in the folder below `roots` that has the first of them."""
    for candidate in _candidates(url or "."):
        place = folder / candidate
        found = find_images(names, place, roots.within(place))
        if found is not None:
            return found
    first = None if names.first is None else roots.find(image_name(names, names.first))
    return None if first is None else find_images(names, first.parent, roots.within(first.parent))


def find_file(url: str, folder: Path, roots: MediaRoots = _NO_ROOTS) -> Path | None:
    """Return the existing file that a local URL or path means, or None."""
    for candidate in _candidates(url):
        path = folder / candidate
        if _is_file(path):
            return path
    names = dict.fromkeys((base_name(url), unquote(base_name(url))))
    return next((found for name in names if name and (found := roots.find(name)) is not None), None)


def find_folder(url: str, folder: Path) -> Path | None:
    """Return the existing folder that a local URL or path means, or None."""
    return next((place for candidate in _candidates(url) if (place := folder / candidate).is_dir()), None)


def remote_scheme(url: str) -> str | None:
    """Return the scheme of a URL that is not on this machine, such as "https"; None for paths, drives and file URLs."""
    found = _SCHEME.match(url)
    if found is None or _DRIVE.match(url) or found[1].lower() == "file":
        return None
    # A name such as "take:2.mov" has a colon but no scheme.
    return found[1].lower() if url[found.end() :].startswith("//") or found[1].lower() in {"data", "s3"} else None


def base_name(url: str) -> str:
    """Return the last part of a path or URL in either kind of slashes."""
    return re.split(r"[\\/]", url.rstrip("\\/"))[-1]


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


def _candidates(url: str) -> Iterator[str]:
    seen = set()
    # Decoded once and no more: a file may be called "50%20off.mov".
    for text in (url, unquote(url)):
        for path in (text, _without_scheme(text)):
            # A NUL is refused by the system with ValueError rather than as a missing file.
            if path and path not in seen and "\0" not in path:
                seen.add(path)
                yield path
                if "\\" in path:
                    yield path.replace("\\", "/")


def _without_scheme(text: str) -> str:
    """Return the path of a file URL: file:///a, file://localhost/a, file:/a, file:///C:/a; file://a stands for file:///a."""
    if not text.lower().startswith("file:"):
        return text
    rest = text[5:]
    if not rest.startswith("//"):
        return rest
    host, slash, path = rest[2:].partition("/")
    if host.lower() not in {"", "localhost", "127.0.0.1"}:
        # Some adapters write a relative path behind "file://".
        return host + slash + path
    return path if _DRIVE.match(path) else slash + path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # A name that is too long, or a loop of links: no file, whatever it is.
        return False
