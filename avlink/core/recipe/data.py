"""The `[data]` table of a training recipe: the source of clips. Imports no torch and reads no file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from avlink.core.tables import Positive, Table


class _Data(Table):
    """Base of all sources."""

    prepared: str | None = None
    """A folder that `avlink data prepare` filled; training then reads it and needs no source files.

    Without it, training prepares clips in its own folder."""


class FoundryData(_Data):
    """Clips that the foundry generates; clip k of a split has the seed `seed` + k."""

    source: Literal["foundry"] = "foundry"
    clips: Positive = 6000
    held_out: Positive = 32
    """Clips of the held-out split for validation during training."""
    stills: int = Field(default=0, ge=0)
    """Clips of which one picture each is used, to train the motion stem's appearance branch; cheap to generate."""
    seed: int = Field(default=0, ge=0)
    plain: bool = False
    """Only clips with a still camera, an even background and nothing else in the picture."""
    kinds: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Only these kinds of scenes, such as "hammer" and "bounce"; empty means all."""
    edited: float = Field(default=0.0, ge=0, le=1)
    """Share of the training clips whose sound tells of other contacts than their picture: a temporal controller learns
    from them to follow hits against the picture. Only stages that need the sound alone, or the hits, may read them."""
    recordings: str | None = None
    """A sound library by name (`avlink library add`): contacts sound as its hits of their material, with modal
    synthesis below them. By default they are modal synthesis alone."""
    named: float = Field(default=0.0, ge=0, le=1)
    """Share of the clips with contacts whose sound is of an object of `recordings` that the caption names, and not of
    the material in the picture: moments come from the picture, and what sounds from words."""

    @model_validator(mode="after")
    def _named_by_recordings(self) -> FoundryData:
        if self.named and self.recordings is None:
            raise ValueError("named takes sounds from a library; name one by recordings")
        return self


class LibraryData(_Data):
    """Sounds of a sound library, without pictures: hits of one object in patterns, and stretches of ambience.

    Clip k of a split has the seed `seed` + k. Every tenth sound by name is held out.
    """

    source: Literal["library"] = "library"
    library: str
    """Name of the library (`avlink library add`)."""
    clips: Positive = 4000
    held_out: Positive = 64
    seed: int = Field(default=0, ge=0)
    foundry: float = Field(default=0.0, ge=0, le=1)
    """Share of the clips that are the sound of a clip of the foundry, whose contacts sound as hits of the library."""
    named: float = Field(default=0.0, ge=0, le=1)
    """Share of those whose caption names an object of the library, as in the foundry's table."""


class PhysicsData(_Data):
    """Clips of 3-D scenes that the physics foundry renders (extra `foundry3d`); clip k has the seed `seed` + k."""

    source: Literal["physics"] = "physics"
    clips: Positive = 6000
    held_out: Positive = 32
    """Clips of the held-out split for validation during training."""
    seed: int = Field(default=0, ge=0)
    families: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Only these families of scenes, such as "strike" and "walk"; empty means all."""
    classes: Literal["material", "kind"] = "material"
    """Class of an event: the material that sounds, or the kind of hit, as the classes of the model's stem are."""
    width: Positive | None = None
    """Size of the pictures in pixels, and their rate; by default the model's. Lasts as long as the model's window."""
    height: Positive | None = None
    fps: Positive | None = None


Media = Literal["both", "sound", "pictures"]


class _MediaData(_Data):
    """Base of all sources of files."""

    media: Media = "both"
    """Modalities that are read. A codec and the audio backbone need no pictures, the video backbone needs no sound;
    files that lack the other modality then count as clips too."""


class _FileData(_MediaData):
    """Video files; a clip is as long as the model's window, and from the start of each but for `crops`."""

    folder: str
    """Folder of the files. Relative to the recipe file, or on the command line to the working directory."""
    max_clips: Positive | None = None
    """Use at most this many clips, the first that exist."""
    held_out: int = Field(default=32, ge=0)
    """Number of clips for validation: from the source's own test split if it has one, else from its end."""
    crops: int = Field(default=0, ge=0, le=1000)
    """Clips to train on from each file, at random places in it, the same in every run; 0 is one, from the file's start.
    Clips for validation are from the start."""


class FolderData(_FileData):
    """Files with captions from a CSV manifest: columns `path` and `caption`, and optionally `start_s`."""

    source: Literal["folder"] = "folder"
    manifest: str = "manifest.csv"
    """Relative to `folder`, or absolute."""


class SidecarData(_FileData):
    """Files with captions beside them: clip.mp4 and clip.txt, or clip.json with `caption` and optionally `start_s`."""

    source: Literal["sidecar"] = "sidecar"


class WebDatasetData(_FileData):
    """Tar files of WebDataset's kind: KEY.mp4 (webm, mkv, mov) and KEY.txt, or KEY.json with `caption`."""

    source: Literal["webdataset"] = "webdataset"
    tars: str = "**/*.tar"
    """Glob pattern of the tar files below `folder`."""


class VGGSoundData(_FileData):
    """VGGSound's table, with files in the usual layouts: {id}_{start:06d}.mp4, {id}_{start}.mp4, and others."""

    source: Literal["vggsound"] = "vggsound"
    table: str = "vggsound.csv"
    """Columns without a header: id, start in seconds, label, train or test; relative to `folder` or absolute."""


class AudioSetData(_FileData):
    """AudioSet's temporally strong labels (Hershey et al. 2021), with files in the usual layouts."""

    source: Literal["audioset"] = "audioset"
    train: str = "audioset_train_strong.tsv"
    """Columns segment_id, start_time_seconds, end_time_seconds, label. All three relative to `folder`, or absolute."""
    test: str = "audioset_eval_strong.tsv"
    """Clips for validation; without this file they are taken from the end of `train`."""
    names: str = "mid_to_display_name.tsv"
    """Machine ids with their display names."""

    @field_validator("crops")
    @classmethod
    def _labels_have_times(cls, value: int) -> int:
        if value:
            raise ValueError("AudioSet's labels count from the start of a file: its clips are taken from there")
        return value


_Part = Annotated[
    FolderData | SidecarData | WebDatasetData | VGGSoundData | AudioSetData, Field(discriminator="source")
]


class SeveralData(_MediaData):
    """Several sources together, every clip equally often: the paper trains its Fusion Blocks on two."""

    source: Literal["several"] = "several"
    parts: Annotated[tuple[_Part, ...], Field(min_length=1, strict=False)]
    """Tables `[[data.parts]]`, each like `[data]` with that source alone."""

    @model_validator(mode="after")
    def _prepared_together(self) -> SeveralData:
        if any(part.prepared for part in self.parts):
            raise ValueError("prepared belongs to [data], not to one of its parts: all are prepared together")
        if any(part.media != "both" for part in self.parts):
            raise ValueError("media belongs to [data], not to one of its parts: a store has the same of all clips")
        return self


SourceData = FolderData | SidecarData | WebDatasetData | VGGSoundData | AudioSetData
"""One source of files."""
FilesData = SourceData | SeveralData
DataTable = Annotated[
    FoundryData
    | PhysicsData
    | LibraryData
    | FolderData
    | SidecarData
    | WebDatasetData
    | VGGSoundData
    | AudioSetData
    | SeveralData,
    Field(discriminator="source"),
]


def media_of(data: DataTable) -> Media:
    """Return the modalities of the clips; the foundries' have both."""
    if isinstance(data, LibraryData):
        return "sound"
    return "both" if isinstance(data, FoundryData | PhysicsData) else data.media


_PLACES = {"folder", "manifest", "table", "train", "test", "names", "tars", "prepared"}


def without_places(data: DataTable) -> dict[str, Any]:
    """Return the table as a dictionary without any path, for bundles, which are given to others."""

    def stripped(table: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in table.items() if key not in _PLACES and value is not None}

    table = stripped(data.model_dump(mode="json"))
    if "parts" in table:
        table["parts"] = [stripped(part) for part in table["parts"]]
    return table
