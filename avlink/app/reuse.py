"""Sounds that are there already for more than a clip shows: trimming a clip within them generates nothing.

The store keeps, by family (the same media, words and take, cut otherwise), which stretches of the media have a sound.
What this very plan has made does not count: a run that was interrupted goes on as it would have gone without that,
whatever it had finished by then.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from avlink.core.hashing import digest, fraction_text
from avlink.core.store import Store
from avlink.timeline.values import Job, Plan, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A sound in the store: for which stretch of its media, with which seed, in which plan."""

    raw_key: str
    start_s: Fraction
    end_s: Fraction
    seed: int
    plan: str


def plan_digest(plan: Plan) -> str:
    """The name of what a plan wants to have made."""
    return digest(["plan", *sorted({job.raw_key for job in plan.jobs})])


def with_made_sounds(plan: Plan, store: Store) -> Plan:
    """The plan, in which clips whose own sound is not there are stretches of sounds that earlier plans made."""
    me = plan_digest(plan)
    return replace(plan, jobs=tuple(_within(job, me, store) for job in plan.jobs))


def remember(job: Job, plan: str, store: Store) -> None:
    """Keep which stretch of its media a job has made the sound of, as part of the `plan` of that digest."""
    span = _made_span(job.source)
    family = _family(store, job.family_key)
    known = [one for one in family if one.raw_key != job.raw_key and store.meta(one.raw_key) is not None]
    known.append(_Made(raw_key=job.raw_key, start_s=span[0], end_s=span[1], seed=job.seed, plan=plan))
    rows = [
        {
            "raw_key": one.raw_key,
            "start_s": fraction_text(one.start_s),
            "end_s": fraction_text(one.end_s),
            "seed": one.seed,
            "plan": one.plan,
        }
        for one in known
    ]

    def write(path: Path) -> None:
        path.write_text(json.dumps(rows), encoding="utf-8")

    store.put_file(job.family_key, ".json", write)


def _within(job: Job, plan: str, store: Store) -> Job:
    source, clip = job.source, job.source.clip
    if not source.speed or store.get(job.raw_key) is not None:
        return job
    pace = abs(source.speed)
    low_s, high_s = source.start_s, source.start_s + source.duration_s
    first, last = (clip.lead_s, clip.trail_s) if source.speed > 0 else (clip.trail_s, clip.lead_s)
    low_s, high_s = low_s - first * pace, high_s + last * pace
    for made in reversed(_family(store, job.family_key)):
        if made.plan == plan or made.start_s > low_s or made.end_s < high_s or store.get(made.raw_key) is None:
            continue
        below_s, above_s = (low_s - made.start_s) / pace, (made.end_s - high_s) / pace
        head_s, tail_s = (below_s, above_s) if source.speed > 0 else (above_s, below_s)
        return replace(job, raw_key=made.raw_key, seed=made.seed, head_s=head_s, tail_s=tail_s)
    return job


def _made_span(source: Source) -> tuple[Fraction, Fraction]:
    return source.made_start_s, source.made_start_s + source.made_s * abs(source.speed)


def _family(store: Store, key: str) -> list[_Made]:
    """The sounds of a family, the newest last; none where the note is broken."""
    text = store.text(key)
    try:
        rows: list[dict[str, Any]] = json.loads(text) if text else []
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
    except (ValueError, KeyError, TypeError):
        return []
