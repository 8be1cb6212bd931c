"""The `[data]` table of a training recipe: where clips come from. Knows no torch and reads no file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from avlink.core.architecture import Positive, Table


class _Data(Table):
    """What all sources share."""

    prepared: str | None = None
    """A folder that `avlink data prepare` filled: training reads it, and does not look for the sources.

    Left out, training prepares clips in its own folder."""


class FoundryData(_Data):
    """Clips that the foundry makes; clip k of a split comes from seed + k."""

    source: Literal["foundry"] = "foundry"
    clips: Positive = 6000
    held_out: Positive = 32
    """Clips of the held-out split on which training is judged while it runs."""
    stills: int = Field(default=0, ge=0)
    """Clips that give a single picture each, for the look of the motion stem; cheap, so there can be many."""
    seed: int = Field(default=0, ge=0)
    plain: bool = False
    """Only clips that are filmed plainly: a still camera, an even background, nothing else in the picture."""
    kinds: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Only these kinds of scenes, such as "hammer" and "bounce"; none means all."""


Media = Literal["both", "sound", "pictures"]


class _MediaData(_Data):
    """What all sources of files share."""

    media: Media = "both"
    """What of each file is learned from. A codec and the audio backbone need no pictures, the video backbone no sound:
    then files that have none are clips too."""


class _FileData(_MediaData):
    """Video files; a clip is the first seconds of each, as long as the model's window."""

    folder: str
    """Where the files lie. In a recipe file relative to that file, on the command line to the working directory."""
    max_clips: Positive | None = None
    """No more than the first so many clips that are there."""
    held_out: int = Field(default=32, ge=0)
    """As many clips are judged on, not trained on: of the source's own test part if it has one, else from its end."""


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
    """Which files below `folder`, as a pattern."""


class VGGSoundData(_FileData):
    """VGGSound's own table, and the files as people have them: {id}_{start:06d}.mp4, {id}_{start}.mp4, and others."""

    source: Literal["vggsound"] = "vggsound"
    table: str = "vggsound.csv"
    """Columns without a header: id, start in seconds, label, train or test; relative to `folder` or absolute."""


class AudioSetData(_FileData):
    """AudioSet's temporally strong labels (Hershey et al. 2021), and the files as people have them."""

    source: Literal["audioset"] = "audioset"
    train: str = "audioset_train_strong.tsv"
    """Columns segment_id, start_time_seconds, end_time_seconds, label. All three relative to `folder`, or absolute."""
    test: str = "audioset_eval_strong.tsv"
    """Its clips are judged on; without that file, clips from the end of `train` are."""
    names: str = "mid_to_display_name.tsv"
    """Machine ids and what they are called."""


_Part = Annotated[
    FolderData | SidecarData | WebDatasetData | VGGSoundData | AudioSetData, Field(discriminator="source")
]


class SeveralData(_MediaData):
    """Several sources together, each clip as often as any other: the paper's fusions learn from two."""

    source: Literal["several"] = "several"
    parts: Annotated[tuple[_Part, ...], Field(min_length=1, strict=False)]
    """Tables `[[data.parts]]`, each as `[data]` would be with that source alone."""

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
    FoundryData | FolderData | SidecarData | WebDatasetData | VGGSoundData | AudioSetData | SeveralData,
    Field(discriminator="source"),
]


def media_of(data: DataTable) -> Media:
    """What the clips have; those of the foundry have both."""
    return "both" if isinstance(data, FoundryData) else data.media


_PLACES = {"folder", "manifest", "table", "train", "test", "names", "tars", "prepared"}


def without_places(data: DataTable) -> dict[str, Any]:
    """What clips a model learned from, without where they lay: bundles are given away."""

    def stripped(table: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in table.items() if key not in _PLACES and value is not None}

    table = stripped(data.model_dump(mode="json"))
    if "parts" in table:
        table["parts"] = [stripped(part) for part in table["parts"]]
    return table
