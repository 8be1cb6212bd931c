"""A prepared folder: its record (data.json), the columns of its shards, and what is still to be decoded.

It holds plan.json (the shard of each clip), train/ and held_out/ (shards and an index each), latents-*/, features-*/
and texts-*/, missing.csv, bad.csv, and data.json, which says which recipe all of it was made for.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avlink.core.paths import write_text
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import PhysicsData, media_of
from avlink.training.data.clip_spec import ClipSpec, clip_spec_of, rendered_pictures
from avlink.training.data.index import ClipLabels
from avlink.training.data.plan import Plan, PlannedShard
from avlink.training.data.source_clips import SPLITS, SourceClip, Split

_RECORD = "data.json"
_FIRST_RATE = 16000
"""Samples a second of the foundry's clips when there was no other."""


def clips_folder(recipe: TrainRecipe, out: Path) -> Path:
    """Return the folder of the clips of a training in `out`."""
    prepared = recipe.data.prepared
    return out / "clips" if prepared is None else recipe.source.path("data.prepared", prepared)


def read_record(root: Path) -> dict[str, Any]:
    """Return the record of a prepared folder; an empty one where there is none."""
    try:
        table = json.loads((root / _RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def update_record(root: Path, recipe: TrainRecipe, **values: Any) -> None:
    """Write the recipe's data table and some values into the record of a prepared folder. Raises OutputError."""
    # Values of other preparations, such as latents, are kept.
    table = read_record(root) | {"format": 1, "data": _data_table(recipe), **values}
    if "frames" in values:
        spec = clip_spec_of(recipe.model, media_of(recipe.data))
        table |= {"pictures": spec.describe_pictures(), "heard": spec.describe_sound()}
    write_text(root / _RECORD, json.dumps(table, indent=1, sort_keys=True) + "\n")


def is_up_to_date(recipe: TrainRecipe, root: Path) -> bool:
    """Return True if `root` holds everything the recipe asks for, so that its sources need not be read."""
    return unfit_reason(recipe, root) is None and read_record(root).get("data") == _data_table(recipe)


def unfit_reason(recipe: TrainRecipe, root: Path) -> str | None:
    """Return why the clips in `root` cannot be trained on, whatever their source; None where they can."""
    record, spec = read_record(root), clip_spec_of(recipe.model, media_of(recipe.data))
    if not record:
        return "nothing was prepared there"
    # The foundry's clips have both media, in columns of fixed names, and no "frames" or "sound" in their record.
    if record.get("media", "both") not in ("both", spec.media):
        return f"it holds {record['media']} alone, and data.media = '{spec.media}'"
    if "frames" in record and spec.media != "sound" and record["frames"] != spec.pictures_file:
        return f"it holds {record['pictures']}, and the model wants {spec.describe_pictures()}"
    if "sound" in record and spec.media != "pictures" and record["sound"] != spec.sound_file:
        return f"it holds {record['heard']}, and the model wants {spec.describe_sound()}"
    other_rate = unfit_rate(record, spec)
    if other_rate is not None:
        return other_rate
    if not record.get("complete"):
        return "it is not complete"
    return _unfit_physics(recipe, record)


def unfit_rate(record: Mapping[str, Any], spec: ClipSpec) -> str | None:
    """Return why the sound of generated clips does not fit, which is of one rate; None where it does, or is decoded."""
    # Stages of pictures alone read clips of the physics foundry, whatever their sound.
    if not record or "sound" in record or "physics" in record:
        return None
    rate = record.get("sample_rate", _FIRST_RATE)
    if rate == spec.sample_rate:
        return None
    return f"its sound has {rate} samples a second, and the model wants {spec.sample_rate}"


def _unfit_physics(recipe: TrainRecipe, record: Mapping[str, Any]) -> str | None:
    """Return why clips of the physics foundry do not fit, which are stored in any size and at any rate."""
    told = record.get("physics")
    if told is None or not isinstance(recipe.data, PhysicsData):
        return None
    width, height, fps = rendered_pictures(recipe, recipe.data)
    wanted = {"size": [width, height], "fps": fps}
    differing = [f"{key} {told.get(key)}" for key, value in wanted.items() if told.get(key) != value]
    return f"its clips have {' and '.join(differing)}, and the recipe wants {wanted}" if differing else None


def _data_table(recipe: TrainRecipe) -> Any:
    return recipe.data.model_dump(mode="json", exclude={"prepared"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """The `number`th of `count` parts of a preparation, from 1; machines that share a folder take one each."""

    number: int = 1
    count: int = 1

    def owns(self, index: int) -> bool:
        """Return True if the item at `index` belongs to this part."""
        return index % self.count == self.number - 1


ALL = Partition()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardJob:
    """A shard to be decoded: its folder and the clip of each row; None for a clip that no longer exists.

    `crashed` are rows that ended, or held up, the process that decoded them, with the reason.
    """

    folder: Path
    spec: ClipSpec
    clips: Sequence[SourceClip | None]
    crashed: Mapping[int, str]


def has_column(folder: Path, name: str) -> bool:
    """Return True if a shard has a complete column of that name."""
    # Array and report: the report is written last, so an array alone is unfinished.
    return (folder / name).is_file() and column_report(folder, name).is_file()


def column_report(folder: Path, name: str) -> Path:
    """Return the file beside a column that lists its bad rows and detected onsets; it is written last."""
    return folder / f"{name.removesuffix('.npy')}.json"


def read_column_report(folder: Path, name: str) -> tuple[dict[int, str], dict[int, list[float]]]:
    """Return the bad rows of a column with their reasons, and the onsets detected in the others, in seconds."""
    table = json.loads(column_report(folder, name).read_text("utf-8"))
    return ({int(row): why for row, why in table["bad"].items()}, {int(row): at for row, at in table["onsets"].items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFolder:
    """The shards of a plan on disk, with the clips that are to be in them."""

    root: Path
    plan: Plan
    clips: Mapping[Split, Mapping[str, SourceClip]]
    spec: ClipSpec

    def shards(self, split: Split, part: Partition) -> Iterator[tuple[int, PlannedShard, Path]]:
        """Yield the shards of a part: number, shard, folder."""
        for number, shard in enumerate(self.plan[split]):
            if part.owns(number):
                yield number, shard, self.root / split / shard.name

    def missing_shards(self, part: Partition) -> list[ShardJob]:
        """Return the shards of a part that lack a column."""
        jobs = []
        for split in SPLITS:
            for _, shard, folder in self.shards(split, part):
                if not self._is_complete(folder):
                    rows = [self.clips[split].get(key) for key in shard.keys]
                    jobs.append(ShardJob(folder=folder, spec=self.spec, clips=rows, crashed={}))
        return jobs

    def count_missing(self) -> int:
        """Return the number of shards, of all parts, that lack a column."""
        folders = (folder for split in SPLITS for _, _, folder in self.shards(split, ALL))
        return sum(not self._is_complete(folder) for folder in folders)

    def bad_rows(self, folder: Path) -> dict[int, str]:
        """Return the rows of a shard that cannot be used, with the reason."""
        bad: dict[int, str] = {}
        for name in self.spec.columns:
            if has_column(folder, name):
                # The first column's reason is kept where both have one.
                bad = read_column_report(folder, name)[0] | bad
        return bad

    def discard_bad(self, part: Partition) -> None:
        """Invalidate the columns with bad rows, so that they are decoded again."""
        for split in SPLITS:
            for _, _, folder in self.shards(split, part):
                for name in self.spec.columns:
                    if has_column(folder, name) and read_column_report(folder, name)[0]:
                        # Without its report a column does not count, and is decoded whole.
                        column_report(folder, name).unlink()

    def write_bad(self) -> int:
        """Write bad.csv from the reports of all columns and return the number of its clips. Raises OutputError."""
        rows: list[tuple[str, ...]] = []
        for split in SPLITS:
            for _, shard, folder in self.shards(split, ALL):
                for row, reason in sorted(self.bad_rows(folder).items()):
                    clip = self.clips[split].get(shard.keys[row])
                    if clip is not None:
                        rows.append((clip.display_path, f"{float(clip.start_s):g}", reason))
        write_csv(self.root / "bad.csv", ("path", "start_s", "reason"), rows)
        return len(rows)

    def usable_rows(self, split: Split, part: Partition) -> Iterator[tuple[int, int, ClipLabels]]:
        """Yield the usable clips of a part: number of the shard, row of it, labels."""
        window_s = float(self.spec.window_s)
        for number, shard, folder in self.shards(split, part):
            if not self._is_complete(folder):
                continue
            bad = self.bad_rows(folder)
            has_sound = self.spec.sound_file in self.spec.columns
            onsets = read_column_report(folder, self.spec.sound_file)[1] if has_sound else {}
            for row, key in enumerate(shard.keys):
                clip = self.clips[split].get(key)
                if clip is None or row in bad:
                    continue
                events = clip.events_within(window_s)
                if events is None:
                    events = tuple((time_s, "", 1.0) for time_s in onsets.get(row, ()))
                yield number, row, ClipLabels(caption=clip.caption_within(window_s), events=events)

    def drop_superseded(self) -> None:
        """Remove columns that were made for another spec: they are as large as those that replace them."""
        # Both media, since `spec.media` may leave out one that an earlier run decoded.
        columns = (self.spec.pictures_file, self.spec.sound_file)
        kept = {name for column in columns for name in (column, column_report(Path(), column).name)}
        for split in SPLITS:
            for _, _, folder in self.shards(split, ALL):
                for path in folder.iterdir():
                    if path.name.startswith(("frames-", "sound-")) and path.name not in kept:
                        path.unlink(missing_ok=True)

    def _is_complete(self, folder: Path) -> bool:
        return all(has_column(folder, name) for name in self.spec.columns)


def write_csv(path: Path, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Write a table. Raises OutputError."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([head, *rows])
    write_text(path, text.getvalue())
