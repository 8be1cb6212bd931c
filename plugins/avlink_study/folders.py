"""The folders of methods, and the files in them that raters can be shown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avlink import InputError
from avlink_study.recipe import StudyRecipe

MOVIES = frozenset({".mp4", ".m4v", ".mov", ".webm"})
"""Containers that browsers play."""
OTHER_MOVIES = frozenset({".mkv", ".avi", ".mxf", ".mts", ".m2ts", ".ts", ".flv", ".3gp", ".mpg", ".wmv"})
SOUNDS = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aiff", ".aif"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodFolder:
    """A folder under the name of its method."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFiles:
    """What is shown: for each method its files by stem, and, where half of each comes from elsewhere, that half.

    `pictures` are movies for methods that made sounds, `sounds` are sounds for methods that made pictures.
    """

    names: tuple[str, ...]
    files: tuple[Mapping[str, Path], ...]
    pictures: Mapping[str, Path] | None = None
    sounds: Mapping[str, Path] | None = None

    def stems(self) -> tuple[frozenset[str], ...]:
        """The stems of each method that can be shown."""
        shared = self.pictures if self.pictures is not None else self.sounds
        return tuple(frozenset(files) & frozenset(files if shared is None else shared) for files in self.files)

    def without_half(self) -> tuple[str, ...]:
        """Stems that some method has and that lack the half that comes from elsewhere."""
        return tuple(sorted(frozenset().union(*self.files) - frozenset().union(*self.stems())))


def named_folders(given: Sequence[str], recipe: StudyRecipe) -> tuple[MethodFolder, ...]:
    """The methods: folders of the command line, as DIR or NAME=DIR, else those of the recipe.

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


def gather(folders: Sequence[MethodFolder], recipe: StudyRecipe) -> StudyFiles:
    """Look into the folders. Raises InputError for one that cannot be read or holds nothing of the kind."""
    kinds, what = (SOUNDS, "sounds") if recipe.pictures is not None else (MOVIES, "movies")
    pictures = None if recipe.pictures is None else recipe.source.path("pictures", recipe.pictures)
    sounds = None if recipe.sounds is None else recipe.source.path("sounds", recipe.sounds)
    return StudyFiles(
        names=tuple(folder.name for folder in folders),
        files=tuple(_files(folder.path, kinds, what) for folder in folders),
        pictures=None if pictures is None else _files(pictures, MOVIES, "movies"),
        sounds=None if sounds is None else _files(sounds, SOUNDS, "sounds"),
    )


def _named(text: str) -> MethodFolder:
    name, equals, folder = text.partition("=")
    # A folder may have "=" in its name.
    if equals and name and not Path(text).is_dir():
        return MethodFolder(name=name, path=Path(folder).expanduser())
    path = Path(text).expanduser()
    return MethodFolder(name=Path(os.path.abspath(path)).name, path=path)


def _files(folder: Path, kinds: frozenset[str], what: str) -> dict[str, Path]:
    try:
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
