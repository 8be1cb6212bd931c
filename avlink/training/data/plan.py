"""The assignment of clips to shards: decided once, stable as files come and go, and the same on every machine.

A planned clip keeps its place. New clips go into new shards, and the rows of clips that are gone stay empty.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avlink.core.hashing import digest
from avlink.core.paths import write_text
from avlink.training.data.source_clips import SPLITS, SourceClip, Split

SHARD_CLIPS = 50
"""Clips of a shard in a large data set: the work that a kill costs each process, 43 MB of pictures at 24 a second."""

_MIN_SHARD_CLIPS, _MIN_SHARDS = 5, 64

_FILE = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedShard:
    """The name of a shard's folder, and the key of the clip in each row."""

    name: str
    keys: tuple[str, ...]


Plan = dict[Split, list[PlannedShard]]


def by_key(clips: Sequence[SourceClip]) -> dict[str, SourceClip]:
    """Return the clips by key; a clip that is listed twice, as with two captions, gets a numbered key each time."""
    counts: Counter[str] = Counter()
    named = {}
    for clip in clips:
        key = clip.key
        counts[key] += 1
        named[key if counts[key] == 1 else f"{key}-{counts[key]}"] = clip
    return named


def make_plan(wanted: Mapping[Split, Sequence[str]], before: Plan | None = None) -> Plan:
    """Return shards for the wanted keys of each split, in order, as a continuation of an earlier plan."""
    plan: Plan = {}
    for split in SPLITS:
        keys = dict.fromkeys(wanted[split])
        # A shard none of whose clips is wanted is dropped.
        kept = [shard for shard in (before or {}).get(split, []) if not keys.keys().isdisjoint(shard.keys)]
        placed = {key for shard in kept for key in shard.keys}
        new = [key for key in keys if key not in placed]
        # A small data set has small shards, so that all processes have something to do.
        size = min(SHARD_CLIPS, max(_MIN_SHARD_CLIPS, len(new) // _MIN_SHARDS))
        first = 1 + max((_number(shard) for shard in (before or {}).get(split, [])), default=-1)
        plan[split] = kept + [
            _shard(first + number, tuple(new[start : start + size]))
            for number, start in enumerate(range(0, len(new), size))
        ]
    return plan


def load_plan(root: Path) -> Plan | None:
    """Return the plan in `root`; None where there is none, or a broken one."""
    try:
        table = json.loads((root / _FILE).read_text("utf-8"))
        return {
            split: [PlannedShard(name=name, keys=tuple(keys)) for name, keys in table[split].items()]
            for split in SPLITS
        }
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def save_plan(root: Path, plan: Plan) -> None:
    """Write a plan to `root`. Raises OutputError."""
    table = {split: {shard.name: shard.keys for shard in plan[split]} for split in SPLITS}
    write_text(root / _FILE, json.dumps(table))


def _shard(number: int, keys: tuple[str, ...]) -> PlannedShard:
    return PlannedShard(name=f"shard-{number:05d}-{digest(list(keys))[:8]}", keys=keys)


def _number(shard: PlannedShard) -> int:
    return int(shard.name.split("-")[1])
