"""Reuse of sounds that cover more than a clip shows: trimming a clip within such a sound generates nothing.

The store keeps, per family (same media, words and take, other cut), the spans of media that have a sound. A family
may have ten thousand spans, so they are kept in buckets: level n holds spans of up to 2^n seconds, by the interval of
2^n seconds in which they begin. A span that contains a given time is then in one of two buckets of each level.

Sounds of the same plan do not count: an interrupted run continues as if it had not been interrupted, independent of
the jobs that it had finished.
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
_MAX_IN_BUCKET = 200
"""Limit of spans per bucket. Beyond it the oldest are forgotten, and their sounds would be generated again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A sound in the store: the span of its media, its seed and the plan that it was generated in."""

    raw_key: str
    start_s: Fraction
    end_s: Fraction
    seed: int
    plan: str

    @property
    def level(self) -> int:
        """The level of its bucket."""
        length_s = self.end_s - self.start_s
        return max(0, ceil(log2(length_s))) if length_s > 0 else 0


@dataclass(frozen=True, slots=True)
class _Buckets:
    """The buckets of a store, each read once."""

    store: Store
    _levels: dict[str, list[int]] = field(default_factory=dict)
    _buckets: dict[str, list[_Made]] = field(default_factory=dict)

    def around(self, family: str, start_s: Fraction) -> Iterator[_Made]:
        """Yield the sounds that may contain a time in a family's media, the newest of each bucket first."""
        if family not in self._levels:
            self._levels[family] = _read_levels(self.store, family)
        for level in self._levels[family]:
            # A span of this level is too short to reach from an earlier interval.
            for place in (_place(start_s, level), _place(start_s, level) - 1):
                key = _bucket_key(family, level, place)
                if key not in self._buckets:
                    self._buckets[key] = _read_bucket(self.store, key)
                yield from reversed(self._buckets[key])


def plan_digest(plan: Plan) -> str:
    """Return the digest of the sounds that a plan needs."""
    return digest(["plan", *sorted({job.raw_key for job in plan.jobs})])


def with_made_sounds(plan: Plan, store: Store) -> Plan:
    """Return the plan in which clips without a sound in the cache are spans of sounds of earlier plans."""
    me, buckets = plan_digest(plan), _Buckets(store)
    return replace(plan, jobs=tuple(_within(job, me, buckets) for job in plan.jobs))


def remember(job: Job, plan: str, store: Store) -> None:
    """Keep the span of media that a job has generated the sound of, as part of the plan with that digest."""
    span = _made_span(job.source)
    made = _Made(raw_key=job.raw_key, start_s=span[0], end_s=span[1], seed=job.seed, plan=plan)
    key = _bucket_key(job.family_key, made.level, _place(made.start_s, made.level))
    known = [one for one in _read_bucket(store, key) if one.raw_key != job.raw_key][1 - _MAX_IN_BUCKET :]
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
    store.put_text(key, ".json", json.dumps(rows))
    levels = _read_levels(store, job.family_key)
    if made.level not in levels:
        store.put_text(job.family_key, ".json", json.dumps(sorted([*levels, made.level])))


def _within(job: Job, plan: str, buckets: _Buckets) -> Job:
    source, clip, store = job.source, job.source.clip, buckets.store
    # The sound of an item has no family: it is made of the recording that its key names.
    if not source.speed or job.sound is not None or store.get(job.raw_key) is not None:
        return job
    pace = abs(source.speed)
    low_s, high_s = source.start_s, source.start_s + source.duration_s
    first, last = (clip.lead_s, clip.trail_s) if source.speed > 0 else (clip.trail_s, clip.lead_s)
    low_s, high_s = low_s - first * pace, high_s + last * pace
    for made in buckets.around(job.family_key, low_s):
        if made.plan == plan or made.start_s > low_s or made.end_s < high_s or store.get(made.raw_key) is None:
            continue
        below_s, above_s = (low_s - made.start_s) / pace, (made.end_s - high_s) / pace
        head_s, tail_s = (below_s, above_s) if source.speed > 0 else (above_s, below_s)
        # The source becomes that of the longer sound, so that it can be made again where the cache loses it.
        longer = replace(source, before_s=head_s + clip.lead_s, after_s=tail_s + clip.trail_s)
        earlier_s, later_s = longer.before_s - source.before_s, longer.after_s - source.after_s
        return replace(
            job,
            source=longer,
            raw_key=made.raw_key,
            seed=made.seed,
            head_s=job.head_s + earlier_s,
            tail_s=job.tail_s + later_s,
            item=None if job.item is None else replace(job.item, at_s=job.item.at_s + earlier_s),
        )
    return job


def _made_span(source: Source) -> tuple[Fraction, Fraction]:
    return source.made_start_s, source.made_start_s + source.made_s * abs(source.speed)


def _place(start_s: Fraction, level: int) -> int:
    return floor(start_s / 2**level)


def _bucket_key(family: str, level: int, place: int) -> str:
    # The word "shelf" is in the keys of existing caches.
    return digest(["shelf", family, level, place])


def _read_levels(store: Store, family: str) -> list[int]:
    """Return the levels of a family; none if the note is broken."""
    try:
        levels = [int(level) for level in json.loads(store.get_text(family) or "[]")]
        return [level for level in levels if 0 <= level < _LEVELS]
    except (ValueError, TypeError):
        return []


def _read_bucket(store: Store, key: str) -> list[_Made]:
    """Return the sounds in a bucket, the newest last; none if the note is broken."""
    try:
        rows: list[dict[str, Any]] = json.loads(store.get_text(key) or "[]")
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
