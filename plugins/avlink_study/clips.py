"""The clips of a study: the methods' folders, the files in them, and the movies that raters see.

A movie is shown as it is, or put together from the picture of one file and the sound of another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avlink import (
    InputError,
    MediaError,
    MediaInfo,
    atomic_write,
    digest,
    file_digest,
    file_state,
    mux_sound,
    probe,
    read_audio,
)
from avlink_study.plan import Clip, StudyPair
from avlink_study.recipe import StudyRecipe

MOVIES = frozenset({".mp4", ".m4v", ".mov", ".webm"})
"""Containers that browsers play."""
OTHER_MOVIES = frozenset({".mkv", ".avi", ".mxf", ".mts", ".m2ts", ".ts", ".flv", ".3gp", ".mpg", ".wmv"})
SOUNDS = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aiff", ".aif"})

_MP4_PICTURES = frozenset({"h264", "hevc"})
_WEBM_PICTURES = frozenset({"vp8", "vp9", "av1", "libvpx", "libvpx-vp9", "libdav1d", "libaom-av1"})
_PLAYED_SOUNDS = frozenset({"aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "flac"})
_CONVERT = "convert those of all methods alike, to H.264 and AAC in .mp4"
# Part of the names of the movies that are put together: raise it when these would be others.
_MUX_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodFolder:
    """The folder of a method's results, and the method's name."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFiles:
    """The files of each method by stem, and the other half of each clip where it comes from elsewhere.

    `pictures` are movies for methods that made sounds, `sounds` are sounds for methods that made pictures.
    """

    names: tuple[str, ...]
    files: tuple[Mapping[str, Path], ...]
    pictures: Mapping[str, Path] | None = None
    sounds: Mapping[str, Path] | None = None

    def stems(self) -> tuple[frozenset[str], ...]:
        """Return the stems of each method that can be shown."""
        shared = self.pictures if self.pictures is not None else self.sounds
        return tuple(frozenset(files) & frozenset(files if shared is None else shared) for files in self.files)

    def without_half(self) -> tuple[str, ...]:
        """Return the stems whose other half is missing."""
        return tuple(sorted(frozenset().union(*self.files) - frozenset().union(*self.stems())))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayableClip:
    """A clip, and the file that is sent to browsers."""

    clip: Clip
    path: Path


def named_folders(given: Sequence[str], recipe: StudyRecipe) -> tuple[MethodFolder, ...]:
    """Return the methods: folders of the command line, as DIR or NAME=DIR, else those of the recipe.

    Raises InputError if there are fewer than two, or two of one name.
    """
    if given:
        folders = tuple(_named(text) for text in given)
    else:
        folders = tuple(
            MethodFolder(name=method.name, path=recipe.source.path("methods", method.folder))
            for method in recipe.methods
        )
    if len(folders) < 2:
        raise InputError("a study compares at least two folders: avlink study DIR_A DIR_B -o study.db")
    names = [folder.name for folder in folders]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two folders are named '{name}'; give them names of their own: NAME=DIR")
    return folders


def find_files(folders: Sequence[MethodFolder], recipe: StudyRecipe) -> StudyFiles:
    """List the files of the folders. Raises InputError for a folder that cannot be read or holds nothing to show."""
    kinds, what = (SOUNDS, "sounds") if recipe.pictures is not None else (MOVIES, "movies")
    pictures = None if recipe.pictures is None else recipe.source.path("pictures", recipe.pictures)
    sounds = None if recipe.sounds is None else recipe.source.path("sounds", recipe.sounds)
    return StudyFiles(
        names=tuple(folder.name for folder in folders),
        files=tuple(_files(folder.path, kinds, what) for folder in folders),
        pictures=None if pictures is None else _files(pictures, MOVIES, "movies"),
        sounds=None if sounds is None else _files(sounds, SOUNDS, "sounds"),
    )


def prepare_clips(
    files: StudyFiles, pairs: tuple[StudyPair, ...], *, folder: Path
) -> Iterator[tuple[tuple[int, str], PlayableClip]]:
    """Yield each clip of the pairs by number of its method and stem, checked and if need be put together in `folder`.

    A clip that was put together before is used as it is. Raises MediaError for a file that cannot be read or that
    browsers cannot play.
    """
    for method, stem in sorted({(number, pair.stem) for pair in pairs for number in (pair.first, pair.second)}):
        path = files.files[method][stem]
        if files.pictures is not None:
            clip = _joined(files.pictures[stem], path, folder)
        elif files.sounds is not None:
            clip = _joined(path, files.sounds[stem], folder)
        else:
            clip = _as_it_is(path)
        yield (method, stem), clip


def _named(text: str) -> MethodFolder:
    name, equals, folder = text.partition("=")
    # A folder may have "=" in its name.
    if equals and name and not Path(text).is_dir():
        return MethodFolder(name=name, path=Path(folder).expanduser())
    path = Path(text).expanduser()
    # "." and ".." have a name only as absolute paths; symbolic links keep theirs.
    return MethodFolder(name=Path(os.path.abspath(path)).name, path=path)


def _files(folder: Path, kinds: frozenset[str], what: str) -> dict[str, Path]:
    try:
        # Sorted, or the order of the system would decide which of two files of one name is told.
        # Hidden files are left out: macOS puts ._clip.mp4 beside each clip on foreign disks.
        listed = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be read: {error.strerror or error}") from error
    found: dict[str, Path] = {}
    for path in listed:
        if path.suffix.lower() not in kinds or not path.is_file():
            continue
        if path.stem in found:
            raise InputError(f"{found[path.stem]} and {path} have one name without suffix; only one can take part")
        found[path.stem] = path
    if not found:
        hint = ""
        if what == "movies" and any(path.suffix.lower() in SOUNDS for path in listed):
            hint = "; it holds sounds: name the folder of their movies with --pictures"
        elif what == "movies" and any(path.suffix.lower() in OTHER_MOVIES for path in listed):
            hint = "; it holds movies of other kinds: convert those of all methods alike, to H.264 and AAC in .mp4"
        raise InputError(f"the folder {folder} holds no {what} ({', '.join(sorted(kinds))}){hint}")
    return found


def _as_it_is(path: Path) -> PlayableClip:
    info = probe(path)
    if info.video is None or info.audio is None:
        lacks = "sound" if info.audio is None else "picture"
        raise MediaError(f"'{path}' has no {lacks}: raters compare movies with sound (or give --pictures or --sounds)")
    if info.video.codec not in _MP4_PICTURES | _WEBM_PICTURES or info.audio.codec not in _PLAYED_SOUNDS:
        raise MediaError(f"'{path}' is {info.video.codec} with {info.audio.codec}, not for browsers; {_CONVERT}")
    return PlayableClip(clip=Clip(digest=file_digest(path), duration_s=_duration_s(info)), path=path.resolve())


def _joined(picture: Path, sound: Path, folder: Path) -> PlayableClip:
    """Put a picture, as it is, and a sound in AAC or Opus together: every method's in the same way."""
    states = (file_state(picture), file_state(sound))
    name = digest(["study", _MUX_VERSION, *(state.digest for state in states)])
    seen, heard = probe(picture), probe(sound)
    if seen.video is None or heard.audio is None:
        bad, lacks = (picture, "picture") if seen.video is None else (sound, "sound")
        raise MediaError(f"'{bad}' has no {lacks}")
    if seen.video.codec not in _MP4_PICTURES | _WEBM_PICTURES:
        raise MediaError(f"'{picture}' is {seen.video.codec}, not for browsers; {_CONVERT}")
    suffix = ".mp4" if seen.video.codec in _MP4_PICTURES else ".webm"
    path = (folder / f"{name}{suffix}").resolve()
    if not path.is_file():
        # Written whole or not at all: the half of a movie that a kill leaves would be used as it is next time.
        with atomic_write(path) as temporary:
            mux_sound(picture, read_audio(sound, sample_rate=heard.audio.sample_rate, mono=False), temporary)
            for state in states:
                state.check()
    return PlayableClip(clip=Clip(digest=name, duration_s=_duration_s(probe(path))), path=path)


def _duration_s(info: MediaInfo) -> float:
    duration = info.duration_s
    # The longer of the two streams: a rater has played a clip when both have ended.
    if info.audio is not None and info.audio.duration_s is not None:
        duration = max(duration, info.audio.duration_s)
    if duration <= 0:
        raise InputError(f"'{info.path}' lasts no time at all")
    return float(duration)
