"""What a recipe's sources hold together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

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
from avlink.training.data.entries import SPLITS, Found
from avlink.training.data.tables import read_folder, read_sidecars
from avlink.training.data.tars import read_webdataset
from avlink.training.data.youtube import read_audioset, read_vggsound


def sources_of(recipe: TrainRecipe, data: FilesData) -> list[tuple[SourceData, Path]]:
    """The recipe's sources of files, each with its folder."""
    if isinstance(data, SeveralData):
        return [(part, recipe.source.path("data.parts", part.folder)) for part in data.parts]
    return [(data, recipe.source.path("data.folder", data.folder))]


def read_source(data: SourceData, folder: Path) -> Found:
    """The clips of one source.

    Raises InputError where its tables cannot be read.
    """
    if isinstance(data, FolderData):
        return read_folder(data, folder)
    if isinstance(data, SidecarData):
        return read_sidecars(data, folder)
    if isinstance(data, WebDatasetData):
        return read_webdataset(data, folder)
    if isinstance(data, VGGSoundData):
        return read_vggsound(data, folder)
    return read_audioset(data, folder)


def read_sources(recipe: TrainRecipe, data: FilesData) -> Found:
    """The clips of all sources, one source after the other."""
    together = Found()
    for source, folder in sources_of(recipe, data):
        found = read_source(source, folder)
        for split in SPLITS:
            together.entries[split] += [replace(entry, source=folder.resolve().name) for entry in found.entries[split]]
        together.missing += found.missing
    return together
