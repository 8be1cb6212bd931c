"""What there is of a recipe's clips, without making any: counts from the tables, lengths and faults from a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlink.core.errors import InputError, MediaError
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import FoundryData, media_of
from avlink.media.probe import probe
from avlink.training.data.columns import Clips, clips_of
from avlink.training.data.decoding import reason_of
from avlink.training.data.entries import SPLITS, Entry, Missing, Split
from avlink.training.data.made import read_made
from avlink.training.data.plan import load_plan
from avlink.training.data.sources import read_source, sources_of
from avlink.training.data.tars import as_file
from avlink.training.data.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """One source: clips by split, those missing, and what a sample of the others tells.

    `hours` is the length of all files, by the mean of the sample, and `used_hours` that of the clips. `faults` are
    those of the sample, as (file, reason).
    """

    source: str
    folder: Path
    clips: Mapping[Split, int]
    missing: Sequence[Missing]
    sampled: int
    hours: float
    used_hours: float
    faults: Sequence[tuple[str, str]]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
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
    """How much of a prepared folder is made: shards of clips, and what is written down of it."""

    shards: int
    lacking: int
    made: Mapping[str, Any]


def check_sources(recipe: TrainRecipe, sample: int = 100) -> list[SourceReport]:
    """Look at every source; `sample` files of each are opened, evenly spread.

    Raises InputError where a table cannot be read, or the recipe's clips come from the foundry.
    """
    if isinstance(recipe.data, FoundryData):
        raise InputError("this recipe's clips are made by the foundry; there are no files to look at")
    clips, reports = clips_of(recipe.model, media_of(recipe.data)), []
    for data, folder in sources_of(recipe, recipe.data):
        found = read_source(data, folder)
        entries = [entry for split in SPLITS for entry in found.entries[split]]
        picked = entries[:: max(1, len(entries) // sample)][:sample] if sample else []
        seen_s, faults = 0.0, []
        for entry in picked:
            length_s, fault = _look(entry, clips)
            seen_s += length_s
            if fault is not None:
                faults.append((entry.shown, fault))
        mean_s = seen_s / max(1, len(picked))
        reports.append(
            SourceReport(
                source=data.source,
                folder=folder,
                clips={split: len(found.entries[split]) for split in SPLITS},
                missing=found.missing,
                sampled=len(picked),
                hours=mean_s * len(entries) / 3600,
                used_hours=float(clips.window_s) * len(entries) * (1 - len(faults) / max(1, len(picked))) / 3600,
                faults=faults,
            )
        )
    return reports


def check_prepared(recipe: TrainRecipe, root: Path) -> PreparedReport | None:
    """How much is made in `root`; None where nothing is planned there."""
    plan = load_plan(root)
    if plan is None:
        return None
    work = Work(
        root=root,
        plan=plan,
        entries={split: {} for split in SPLITS},
        clips=clips_of(recipe.model, media_of(recipe.data)),
    )
    return PreparedReport(
        shards=sum(len(plan[split]) for split in SPLITS), lacking=work.count_lacking(), made=read_made(root)
    )


def _look(entry: Entry, clips: Clips) -> tuple[float, str | None]:
    """The length of a file in seconds, and what will keep it from being used, as far as its head tells."""
    path = entry.path
    try:
        with as_file(entry) as path:
            info = probe(path)
    except MediaError as error:
        return 0.0, reason_of(error, path)
    length_s = float(info.duration_s)
    if not info.has_video and clips.media != "sound":
        return length_s, "it has no picture"
    if not info.has_audio and clips.media != "pictures":
        return length_s, "it has no sound"
    start_s = 0.0 if entry.cut_s is not None else float(entry.start_s)
    if length_s < start_s + float(clips.window_s) - 0.1:
        return length_s, f"it is {length_s:.2f} s long, and the clip goes to {start_s + float(clips.window_s):.2f} s"
    return length_s, None
