"""The sources of a recipe and their clips; folders with a manifest or with captions beside the files are read here."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from avlink.core.errors import InputError
from avlink.core.input_files import read_text
from avlink.core.limits import TABLE_BYTES
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import (
    FilesData,
    FolderData,
    SeveralData,
    SidecarData,
    SourceData,
    VGGSoundData,
    WebDatasetData,
)
from avlink.training.data.source_clips import (
    SPLITS,
    SourceClip,
    SourceListing,
    find_media,
    parse_time,
    read_caption,
    read_table,
)
from avlink.training.data.webdataset import read_webdataset
from avlink.training.data.youtube import read_audioset, read_vggsound


def sources_of(recipe: TrainRecipe, data: FilesData) -> list[tuple[SourceData, Path]]:
    """Return the recipe's sources of files, each with its folder."""
    if isinstance(data, SeveralData):
        return [(part, recipe.source.path("data.parts", part.folder)) for part in data.parts]
    return [(data, recipe.source.path("data.folder", data.folder))]


def read_sources(recipe: TrainRecipe, data: FilesData) -> SourceListing:
    """Return the clips of all sources, one source after the other. Raises InputError as `read_source` does."""
    together = SourceListing()
    for source, folder in sources_of(recipe, data):
        found = read_source(source, folder)
        for split in SPLITS:
            # Keys depend on the folder's name, so that equal paths in two sources differ.
            together.clips[split] += [replace(clip, source=folder.resolve().name) for clip in found.clips[split]]
        together.missing += found.missing
    return together


def read_source(data: SourceData, folder: Path) -> SourceListing:
    """Return the clips of one source. Raises InputError where its tables cannot be read."""
    if isinstance(data, FolderData):
        return _read_folder(data, folder)
    if isinstance(data, SidecarData):
        return _read_sidecars(data, folder)
    if isinstance(data, WebDatasetData):
        return read_webdataset(data, folder)
    if isinstance(data, VGGSoundData):
        return read_vggsound(data, folder)
    return read_audioset(data, folder)


def _read_folder(data: FolderData, folder: Path) -> SourceListing:
    """Return the clips of a manifest. Raises InputError where it is missing or lacks a column."""
    manifest, found = folder / data.manifest, SourceListing()
    rows = read_table(manifest, delimiter=",", what="manifest")
    head = next(rows, (0, []))[1]
    if not {"path", "caption"} <= set(head):
        raise InputError(f"the manifest {manifest} needs the columns path and caption, and may have start_s")
    for line, row in rows:
        cells = dict(zip(head, row, strict=False))
        start_s = parse_time(cells.get("start_s") or "0")
        name = cells["path"]
        if start_s is None:
            raise InputError(
                f"the manifest {manifest} has in line {line} a start_s that is no time in seconds: {cells['start_s']!r}"
            )
        path = folder / name
        try:
            size = path.stat().st_size
        except (OSError, ValueError):
            found.add_missing(name, "the file does not exist")
            continue
        caption = cells.get("caption") or ""
        found.add("train", SourceClip(path=path, label=name, size=size, caption=caption, start_s=start_s))
    return found.limit(data.max_clips, data.held_out, data.crops)


def _read_sidecars(data: SidecarData, folder: Path) -> SourceListing:
    """Return the video files of a folder that have a caption beside them."""
    found = SourceListing()
    for file in find_media(folder):
        text, table = file.path.with_suffix(".txt"), file.path.with_suffix(".json")
        try:
            if text.is_file():
                caption, start_s = read_text(text, TABLE_BYTES).strip(), Fraction(0)
            elif table.is_file():
                caption, start_s = read_caption(read_text(table, TABLE_BYTES))
            else:
                found.add_missing(file.relative, f"there is no caption beside it: no {text.name} and no {table.name}")
                continue
        except (OSError, ValueError) as error:
            found.add_missing(file.relative, f"its caption cannot be read: {error}")
            continue
        clip = SourceClip(path=file.path, label=file.relative, size=file.size, caption=caption, start_s=start_s)
        found.add("train", clip)
    return found.limit(data.max_clips, data.held_out, data.crops)
