"""Sounds that are there already for more than a clip shows: trimming a clip within them generates nothing.

The store keeps, by family (the same media, words and take, cut otherwise), which stretches of the media have a sound.
A family may have ten thousand of them, so they lie in shelves: those that begin within one stretch of 2^n seconds and
are about as long. What contains a moment then lies in two shelves for each n that the family has.

What this very plan has made does not count: a run that was interrupted goes on as it would have gone without that,
whatever it had finished by then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor, log2
from typing import Any

from avlink.core.hashing import digest, fraction_text
from avlink.core.store import Store
from avlink.timeline.values import Job, Plan, Source

_LEVELS = 32
_MOST_ON_A_SHELF = 200
"""More cuts of so little of one film are not remembered: the oldest are forgotten, and would be made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A sound in the store: for which stretch of its media, with which seed, in which plan."""

    raw_key: str
    start_s: Fraction
    end_s: Fraction
    seed: int
    plan: str

    @property
    def level(self) -> int:
        """The n of its shelf."""
        length_s = self.end_s - self.start_s
        return max(0, ceil(log2(length_s))) if length_s > 0 else 0


@dataclass(frozen=True, slots=True)
class _Shelves:
    """The families in a store, each file of which is read once."""

    store: Store
    _levels: dict[str, list[int]] = field(default_factory=dict)
    _shelves: dict[str, list[_Made]] = field(default_factory=dict)

    def around(self, family: str, start_s: Fraction) -> Iterator[_Made]:
        """What may contain a moment of a family's media, the newest of each shelf first."""
        if family not in self._levels:
            self._levels[family] = _read_levels(self.store, family)
        for level in self._levels[family]:
            # What begins before that cannot reach so far.
            for place in (_place(start_s, level), _place(start_s, level) - 1):
                key = _shelf_key(family, level, place)
                if key not in self._shelves:
                    self._shelves[key] = _read_shelf(self.store, key)
                yield from reversed(self._shelves[key])


def plan_digest(plan: Plan) -> str:
    """The name of what a plan wants to have made."""
    return digest(["plan", *sorted({job.raw_key for job in plan.jobs})])


def with_made_sounds(plan: Plan, store: Store) -> Plan:
    """The plan, in which clips whose own sound is not there are stretches of sounds that earlier plans made."""
    me, shelves = plan_digest(plan), _Shelves(store)
    return replace(plan, jobs=tuple(_within(job, me, shelves) for job in plan.jobs))


def remember(job: Job, plan: str, store: Store) -> None:
    """Keep which stretch of its media a job has made the sound of, as part of the `plan` of that digest."""
    span = _made_span(job.source)
    made = _Made(raw_key=job.raw_key, start_s=span[0], end_s=span[1], seed=job.seed, plan=plan)
    key = _shelf_key(job.family_key, made.level, _place(made.start_s, made.level))
    known = [one for one in _read_shelf(store, key) if one.raw_key != job.raw_key][1 - _MOST_ON_A_SHELF :]
    rows = [
        {
            "raw_key": one.raw_key,
            "start_s": fraction_text(one.start_s),
            "end_s": fraction_text(one.end_s),
            "seed": one.seed,
            "plan": one.plan,
        }
        for one in (*known, made)
    ]
    store.put_note(key, ".json", json.dumps(rows))
    levels = _read_levels(store, job.family_key)
    if made.level not in levels:
        store.put_note(job.family_key, ".json", json.dumps(sorted([*levels, made.level])))


def _within(job: Job, plan: str, shelves: _Shelves) -> Job:
    source, clip, store = job.source, job.source.clip, shelves.store
    if not source.speed or store.get(job.raw_key) is not None:
        return job
    pace = abs(source.speed)
    low_s, high_s = source.start_s, source.start_s + source.duration_s
    first, last = (clip.lead_s, clip.trail_s) if source.speed > 0 else (clip.trail_s, clip.lead_s)
    low_s, high_s = low_s - first * pace, high_s + last * pace
    for made in shelves.around(job.family_key, low_s):
        if made.plan == plan or made.start_s > low_s or made.end_s < high_s or store.get(made.raw_key) is None:
            continue
        below_s, above_s = (low_s - made.start_s) / pace, (made.end_s - high_s) / pace
        head_s, tail_s = (below_s, above_s) if source.speed > 0 else (above_s, below_s)
        return replace(job, raw_key=made.raw_key, seed=made.seed, head_s=head_s, tail_s=tail_s)
    return job


def _made_span(source: Source) -> tuple[Fraction, Fraction]:
    return source.made_start_s, source.made_start_s + source.made_s * abs(source.speed)


def _place(start_s: Fraction, level: int) -> int:
    return floor(start_s / 2**level)


def _shelf_key(family: str, level: int, place: int) -> str:
    return digest(["shelf", family, level, place])


def _read_levels(store: Store, family: str) -> list[int]:
    """Which kinds of shelves a family has; none where the note is broken."""
    try:
        levels = [int(level) for level in json.loads(store.text(family) or "[]")]
        return [level for level in levels if 0 <= level < _LEVELS]
    except (ValueError, TypeError):
        return []


def _read_shelf(store: Store, key: str) -> list[_Made]:
    """The sounds on a shelf, the newest last; none where the note is broken."""
    try:
        rows: list[dict[str, Any]] = json.loads(store.text(key) or "[]")
        return [
            _Made(
                raw_key=str(row["raw_key"]),
                start_s=Fraction(row["start_s"]),
                end_s=Fraction(row["end_s"]),
                seed=int(row["seed"]),
                plan=str(row["plan"]),
            )
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, ZeroDivisionError):
        return []
