"""Which clip lies in which shard: decided once, kept as files come and go, the same on every machine. Pure.

A clip that is planned keeps its place. What comes later goes into new shards; of what is gone, the place stays empty.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avlink.core.hashing import digest
from avlink.core.paths import write_text
from avlink.training.data.entries import SPLITS, Entry, Split

SHARD_CLIPS = 50
"""Clips of a shard where there are thousands: what a kill costs each process, 43 MB of pictures at 24 a second."""

_LEAST_CLIPS, _SHARDS = 5, 64

_FILE = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One shard: its folder's name, and the key of the clip of each row."""

    name: str
    keys: tuple[str, ...]


Plan = dict[Split, list[Shard]]


def keyed(entries: Sequence[Entry]) -> dict[str, Entry]:
    """The entries by key; one that is there twice, as with two captions, gets another key each time."""
    times: Counter[str] = Counter()
    named = {}
    for entry in entries:
        key = entry.key
        times[key] += 1
        named[key if times[key] == 1 else f"{key}-{times[key]}"] = entry
    return named


def make_plan(wanted: Mapping[Split, Sequence[str]], before: Plan | None = None) -> Plan:
    """Shards for the wanted keys of each split, in order, that go on from an earlier plan."""
    plan: Plan = {}
    for split in SPLITS:
        keys = dict.fromkeys(wanted[split])
        kept = [shard for shard in (before or {}).get(split, []) if not keys.keys().isdisjoint(shard.keys)]
        placed = {key for shard in kept for key in shard.keys}
        new = [key for key in keys if key not in placed]
        # Few clips lie in small shards, so that all processes have something to do.
        size = min(SHARD_CLIPS, max(_LEAST_CLIPS, len(new) // _SHARDS))
        first = 1 + max((_number(shard) for shard in (before or {}).get(split, [])), default=-1)
        plan[split] = kept + [
            _shard(first + number, tuple(new[start : start + size]))
            for number, start in enumerate(range(0, len(new), size))
        ]
    return plan


def load_plan(root: Path) -> Plan | None:
    """The plan in `root`; None where there is none."""
    try:
        table = json.loads((root / _FILE).read_text("utf-8"))
        return {split: [Shard(name=name, keys=tuple(keys)) for name, keys in table[split].items()] for split in SPLITS}
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def save_plan(root: Path, plan: Plan) -> None:
    """Keep a plan in `root`. Raises OutputError."""
    table = {split: {shard.name: shard.keys for shard in plan[split]} for split in SPLITS}
    write_text(root / _FILE, json.dumps(table))


def _shard(number: int, keys: tuple[str, ...]) -> Shard:
    return Shard(name=f"shard-{number:05d}-{digest(list(keys))[:8]}", keys=keys)


def _number(shard: Shard) -> int:
    return int(shard.name.split("-")[1])
