"""Clips in shards out of the files that a recipe names: planned, decoded in processes, listed, and found again.

A prepared folder holds plan.json (which clip lies where), train/ and held_out/ (shards and an index each), latents-*/
and texts-*/, missing.csv, bad.csv, and data.json, which says what it all was made for.
"""

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
from avlink.training.data.columns import Clips, ShardWork, clips_of
from avlink.training.data.entries import SPLITS, Found, Split
from avlink.training.data.made import note_made, read_made
from avlink.training.data.notes import ClipNote, write_index
from avlink.training.data.plan import Plan, keyed, load_plan, make_plan, save_plan
from avlink.training.data.sources import read_sources
from avlink.training.data.work import ALL, Part, Work, write_csv
from avlink.training.data.workers import make_shards

_LISTED = 10
_LIST_EVERY_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What lies in a prepared folder: clips by split, those set aside, those missing; shards still to be made."""

    clips: Mapping[str, int]
    bad: int
    missing: int
    lacking: int
    words: tuple[str, ...]
    """Every caption, once."""
    rows: Mapping[Split, Sequence[tuple[int, int, ClipNote]]]
    """The clips of each split that can be used: number of the shard, row of it, what is known."""
    plan: Plan
    look: Clips


def prepare_files(
    recipe: TrainRecipe,
    data: FilesData,
    root: Path,
    listener: Listener,
    *,
    processes: int | None = None,
    part: Part = ALL,
    retry_bad: bool = False,
) -> Outcome:
    """Make what is not there yet of `data` in `root`; what is done stays done, whenever this is killed.

    Raises InputError where tables cannot be read, or where not one clip can be used.
    """
    make_folder(root)
    clips = clips_of(recipe.model, data.media)
    _tell_changes(root, clips, listener)
    found = read_sources(recipe, data)
    entries = {split: keyed(found.entries[split]) for split in SPLITS}
    plan = make_plan({split: list(entries[split]) for split in SPLITS}, load_plan(root))
    save_plan(root, plan)
    _list_missing(root, found, listener)
    work = Work(root=root, plan=plan, entries=entries, clips=clips)
    if retry_bad:
        work.forget_bad(part)
    _decode(work, work.lacking(part), listener, processes or usable_processors())
    bad = work.write_bad()
    if bad:
        said = "1 clip cannot be used and is" if bad == 1 else f"{bad} clips cannot be used and are"
        listener(Message(text=f"{said} set aside; {root / 'bad.csv'} says why", level="warning"))
    lacking = work.count_lacking()
    rows = {split: list(work.rows(split, ALL)) for split in SPLITS}
    if not lacking:
        if not rows["train"]:
            raise InputError(
                f"none of the {len(entries['train']) + len(found.missing)} clips of data can be used; "
                f"{root / 'missing.csv'} and {root / 'bad.csv'} say why"
            )
        for split in SPLITS:
            names = [shard.name for shard in plan[split]]
            write_index(root / split, names, rows[split], frames=clips.pictures_file, sound=clips.sound_file)
        work.drop_superseded()
    note_made(
        root,
        recipe,
        complete=not lacking,
        frames=clips.pictures_file,
        sound=clips.sound_file,
        media=clips.media,
    )
    window_s = float(clips.window_s)
    return Outcome(
        clips={split: len(rows[split]) for split in SPLITS},
        bad=bad,
        missing=len(found.missing),
        lacking=lacking,
        words=tuple(sorted({entry.words(window_s) for split in SPLITS for entry in entries[split].values()})),
        rows=rows,
        plan=plan,
        look=clips,
    )


def usable_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell_changes(root: Path, clips: Clips, listener: Listener) -> None:
    made = read_made(root)
    changes = []
    if made.get("frames", clips.pictures_file) != clips.pictures_file:
        changes.append(f"the pictures are made anew: {clips.picture_words()} instead of {made['pictures']}")
    if made.get("sound", clips.sound_file) != clips.sound_file:
        changes.append(f"the sound is made anew: {clips.sound_words()} instead of {made['heard']}")
    if len(changes) == 1:
        changes.append("the sound stays" if "pictures" in changes[0] else "the pictures stay")
    if changes:
        listener(Message(text="; ".join(changes)))


def _list_missing(root: Path, found: Found, listener: Listener) -> None:
    rows = [(missing.label, missing.reason) for missing in found.missing]
    write_csv(root / "missing.csv", ("clip", "reason"), rows)
    for label, reason in rows[:_LISTED]:
        listener(Message(text=f"left out: {label}: {reason}", level="warning"))
    if len(rows) > _LISTED:
        text = f"left out: {len(rows) - _LISTED} more; {root / 'missing.csv'} lists them"
        listener(Message(text=text, level="warning"))


def _decode(work: Work, works: list[ShardWork], listener: Listener, processes: int) -> None:
    if not works:
        return
    total = sum(len(shard.entries) for shard in works)
    done, begun_s = 0, time.monotonic()
    listed_s = begun_s
    for shard in works:
        make_folder(shard.folder)
        sweep_leftovers(shard.folder, now_s=time.time())
    bad = 0

    def on_clip() -> None:
        nonlocal done
        done = min(done + 1, total)
        rate = done / max(1e-6, time.monotonic() - begun_s)
        left = "" if done < 2 * processes else f", {in_words((total - done) / rate)} left"
        note = f"{rate:.1f} clips/s{left}" + (f", {bad} set aside" if bad else "")
        listener(StepDone(job_id="data", done=done, total=total, note=note))

    def on_shard(shard: ShardWork) -> None:
        nonlocal bad, listed_s
        bad += len(work.bad_rows(shard.folder))
        if bad and time.monotonic() - listed_s > _LIST_EVERY_S:
            work.write_bad()
            listed_s = time.monotonic()

    make_shards(works, processes, on_clip, on_shard)


def in_words(seconds: float) -> str:
    """A time to wait, coarsely."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
