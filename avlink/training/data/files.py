"""Clips out of the files that a recipe names: planned, decoded in processes, listed, and found again by later runs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avlink.core.errors import InputError
from avlink.core.events import Listener, Message, StepDone
from avlink.core.paths import make_folder, sweep_leftovers
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import FilesData
from avlink.training.data.clip_spec import ClipSpec, clip_spec_of
from avlink.training.data.decode_pool import decode_shards
from avlink.training.data.index import ClipLabels, write_index
from avlink.training.data.plan import Plan, by_key, load_plan, make_plan, save_plan
from avlink.training.data.prepared import (
    ALL,
    Partition,
    PreparedFolder,
    ShardJob,
    read_record,
    update_record,
    write_csv,
)
from avlink.training.data.progress import format_duration
from avlink.training.data.source_clips import SPLITS, SourceListing, Split
from avlink.training.data.sources import read_sources

_MAX_LISTED = 10
_LIST_EVERY_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFiles:
    """The clips of a prepared folder by split, with the numbers of bad and missing ones and of undecoded shards."""

    clips: Mapping[str, int]
    bad: int
    missing: int
    missing_shards: int
    captions: tuple[str, ...]
    """Every caption, once."""
    rows: Mapping[Split, Sequence[tuple[int, int, ClipLabels]]]
    """The usable clips of each split: number of the shard, row of it, labels."""
    plan: Plan
    spec: ClipSpec


def prepare_files(
    recipe: TrainRecipe,
    data: FilesData,
    root: Path,
    listener: Listener,
    *,
    processes: int | None = None,
    part: Partition = ALL,
    retry_bad: bool = False,
) -> PreparedFiles:
    """Decode the clips of `data` that `root` lacks. Finished shards are kept, whenever the process is killed.

    Raises InputError where tables cannot be read, or where not one clip can be used.
    """
    make_folder(root)
    spec = clip_spec_of(recipe.model, data.media)
    _report_changes(root, spec, listener)
    found = read_sources(recipe, data)
    clips = {split: by_key(found.clips[split]) for split in SPLITS}
    plan = make_plan({split: list(clips[split]) for split in SPLITS}, load_plan(root))
    save_plan(root, plan)
    _list_missing(root, found, listener)
    folder = PreparedFolder(root=root, plan=plan, clips=clips, spec=spec)
    if retry_bad:
        folder.discard_bad(part)
    _decode(folder, folder.missing_shards(part), listener, processes or usable_processors())
    bad = folder.write_bad()
    if bad:
        said = "1 clip cannot be used and is" if bad == 1 else f"{bad} clips cannot be used and are"
        listener(Message(text=f"{said} set aside; {root / 'bad.csv'} says why", level="warning"))
    missing_shards = folder.count_missing()
    rows = {split: list(folder.usable_rows(split, ALL)) for split in SPLITS}
    if not missing_shards:
        if not rows["train"]:
            raise InputError(
                f"none of the {len(clips['train']) + len(found.missing)} clips of data can be used; "
                f"{root / 'missing.csv'} and {root / 'bad.csv'} say why"
            )
        for split in SPLITS:
            names = [shard.name for shard in plan[split]]
            write_index(root / split, names, rows[split], frames=spec.pictures_file, sound=spec.sound_file)
        folder.drop_superseded()
    update_record(
        root,
        recipe,
        complete=not missing_shards,
        frames=spec.pictures_file,
        sound=spec.sound_file,
        media=spec.media,
    )
    window_s = float(spec.window_s)
    captions = {clip.caption_within(window_s) for split in SPLITS for clip in clips[split].values()}
    return PreparedFiles(
        clips={split: len(rows[split]) for split in SPLITS},
        bad=bad,
        missing=len(found.missing),
        missing_shards=missing_shards,
        captions=tuple(sorted(captions)),
        rows=rows,
        plan=plan,
        spec=spec,
    )


def usable_processors() -> int:
    """Return the number of processors that this process may use."""
    # A container or a batch system may grant fewer processors than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _report_changes(root: Path, spec: ClipSpec, listener: Listener) -> None:
    record = read_record(root)
    changes = []
    if record.get("frames", spec.pictures_file) != spec.pictures_file:
        changes.append(f"the pictures are made anew: {spec.describe_pictures()} instead of {record['pictures']}")
    if record.get("sound", spec.sound_file) != spec.sound_file:
        changes.append(f"the sound is made anew: {spec.describe_sound()} instead of {record['heard']}")
    if len(changes) == 1:
        changes.append("the sound stays" if "pictures" in changes[0] else "the pictures stay")
    if changes:
        listener(Message(text="; ".join(changes)))


def _list_missing(root: Path, found: SourceListing, listener: Listener) -> None:
    rows = [(missing.label, missing.reason) for missing in found.missing]
    write_csv(root / "missing.csv", ("clip", "reason"), rows)
    for label, reason in rows[:_MAX_LISTED]:
        listener(Message(text=f"left out: {label}: {reason}", level="warning"))
    if len(rows) > _MAX_LISTED:
        text = f"left out: {len(rows) - _MAX_LISTED} more; {root / 'missing.csv'} lists them"
        listener(Message(text=text, level="warning"))


def _decode(folder: PreparedFolder, jobs: list[ShardJob], listener: Listener, processes: int) -> None:
    if not jobs:
        return
    total = sum(len(job.clips) for job in jobs)
    done, begun_s = 0, time.monotonic()
    listed_s = begun_s
    for job in jobs:
        make_folder(job.folder)
        sweep_leftovers(job.folder, now_s=time.time())
    bad = 0

    def on_clip() -> None:
        nonlocal done
        # A clip at which a process died is begun twice.
        done = min(done + 1, total)
        rate = done / max(1e-6, time.monotonic() - begun_s)
        left = "" if done < 2 * processes else f", {format_duration((total - done) / rate)} left"
        note = f"{rate:.1f} clips/s{left}" + (f", {bad} set aside" if bad else "")
        listener(StepDone(job_id="data", done=done, total=total, note=note))

    def on_shard(job: ShardJob) -> None:
        nonlocal bad, listed_s
        bad += len(folder.bad_rows(job.folder))
        # Listed now and then while it runs, since a run may take days.
        if bad and time.monotonic() - listed_s > _LIST_EVERY_S:
            folder.write_bad()
            listed_s = time.monotonic()

    decode_shards(jobs, processes, on_clip, on_shard)
