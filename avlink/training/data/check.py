"""`avlink data check`: counts of a recipe's clips from its tables, lengths and faults from a sample of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlink.core.errors import InputError, MediaError
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import FoundryData, LibraryData, PhysicsData, media_of
from avlink.media.probe import probe
from avlink.training.data.clip_spec import ClipSpec, clip_spec_of
from avlink.training.data.decoding import short_reason
from avlink.training.data.plan import load_plan
from avlink.training.data.prepared import PreparedFolder, read_record
from avlink.training.data.source_clips import SPLITS, MissingClip, SourceClip, Split
from avlink.training.data.sources import read_source, sources_of
from avlink.training.data.webdataset import as_file


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """One source: clips by split, missing ones, and estimates from a sample of the others.

    `hours` is the length of all files, by the mean of the sample, and `used_hours` that of the clips. `faults` are
    those of the sample, as (file, reason).
    """

    source: str
    folder: Path
    clips: Mapping[Split, int]
    missing: Sequence[MissingClip]
    sampled: int
    hours: float
    used_hours: float
    faults: Sequence[tuple[str, str]]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "source": self.source,
            "folder": str(self.folder),
            "clips": dict(self.clips),
            "missing": [{"clip": missing.label, "reason": missing.reason} for missing in self.missing],
            "sampled": self.sampled,
            "hours": round(self.hours, 3),
            "used_hours": round(self.used_hours, 3),
            "faults": [{"path": path, "reason": reason} for path, reason in self.faults],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedReport:
    """The shards of a prepared folder, the number that is still to be decoded, and the folder's record."""

    shards: int
    missing_shards: int
    record: Mapping[str, Any]


def check_sources(recipe: TrainRecipe, sample: int = 100) -> list[SourceReport]:
    """Return a report on every source; `sample` files of each are opened, evenly spread.

    Raises InputError where a table cannot be read, or the recipe's clips come from the foundry.
    """
    if isinstance(recipe.data, FoundryData | PhysicsData):
        raise InputError("this recipe's clips are made by the foundry; there are no files to look at")
    if isinstance(recipe.data, LibraryData):
        raise InputError(
            f"this recipe's clips are made of a sound library; see `avlink library check {recipe.data.library}`"
        )
    spec, reports = clip_spec_of(recipe.model, media_of(recipe.data)), []
    for data, folder in sources_of(recipe, recipe.data):
        found = read_source(data, folder)
        clips = [clip for split in SPLITS for clip in found.clips[split]]
        # Several crops of a file are one file.
        files = list({clip.display_path: clip for clip in clips}.values())
        # Evenly spread: tables are often sorted, so the first files are alike.
        picked = files[:: max(1, len(files) // sample)][:sample] if sample else []
        total_s, faults = 0.0, []
        for clip in picked:
            length_s, fault = _probe(clip, spec)
            total_s += length_s
            if fault is not None:
                faults.append((clip.display_path, fault))
        mean_s = total_s / max(1, len(picked))
        reports.append(
            SourceReport(
                source=data.source,
                folder=folder,
                clips={split: len(found.clips[split]) for split in SPLITS},
                missing=found.missing,
                sampled=len(picked),
                hours=mean_s * len(files) / 3600,
                used_hours=float(spec.window_s) * len(clips) * (1 - len(faults) / max(1, len(picked))) / 3600,
                faults=faults,
            )
        )
    return reports


def check_prepared(recipe: TrainRecipe, root: Path) -> PreparedReport | None:
    """Return a report on the prepared folder `root`; None where nothing is planned there."""
    plan = load_plan(root)
    if plan is None:
        return None
    spec = clip_spec_of(recipe.model, media_of(recipe.data))
    folder = PreparedFolder(root=root, plan=plan, clips={split: {} for split in SPLITS}, spec=spec)
    return PreparedReport(
        shards=sum(len(plan[split]) for split in SPLITS),
        missing_shards=folder.count_missing(),
        record=read_record(root),
    )


def _probe(clip: SourceClip, spec: ClipSpec) -> tuple[float, str | None]:
    """Return the length of a file in seconds, and its fault as far as its header tells."""
    path = clip.path
    try:
        with as_file(clip) as path:
            info = probe(path)
    except MediaError as error:
        return 0.0, short_reason(error, path)
    length_s = float(info.duration_s)
    if not info.has_video and spec.media != "sound":
        return length_s, "it has no picture"
    if not info.has_audio and spec.media != "pictures":
        return length_s, "it has no sound"
    start_s = 0.0 if clip.cut_s is not None else float(clip.start_s)
    # Containers round lengths; a tenth of a second is no fault.
    if length_s < start_s + float(spec.window_s) - 0.1:
        return length_s, f"it is {length_s:.2f} s long, and the clip goes to {start_s + float(spec.window_s):.2f} s"
    return length_s, None
