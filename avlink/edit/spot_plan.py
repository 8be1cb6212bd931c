"""The plan of a spotting: the clips to look at, and the keys under which what was seen in them is cached."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from avlink.core import clock
from avlink.core.hashing import JsonValue, digest, fraction_text
from avlink.core.hits import Hit
from avlink.core.store import Store
from avlink.timeline.plan import made_span
from avlink.timeline.values import Skip, Source

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotJob:
    """A clip to look at. `key` names what is seen in it: its media, the stretch of it, and the spotter."""

    source: Source
    key: str

    @property
    def id(self) -> str:
        """The id of its clip."""
        return self.source.clip.id

    @property
    def name(self) -> str:
        """Its name for people."""
        return f"{self.source.clip.name} ({self.source.clip.track})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotPlan:
    """All jobs of a run, in timeline order, and all clips that are left out."""

    jobs: tuple[SpotJob, ...]
    skips: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()


def spot_plan(sources: Sequence[Source], skips: Sequence[Skip], *, spotter: JsonValue) -> SpotPlan:
    """Return the plan of a run; `spotter` is the name of the spotter and its fingerprint."""
    ordered = sorted(sources, key=lambda source: (source.clip.timeline_start_s, source.clip.layer, source.clip.id))
    jobs = tuple(
        SpotJob(source=source, key=digest(["spot", _FORMAT, spotter, made_span(source)])) for source in ordered
    )
    notes = dict.fromkeys(note for source in ordered for note in source.clip.notes)
    return SpotPlan(jobs=jobs, skips=tuple(skips), notes=tuple(notes))


def keep_hits(store: Store, key: str, hits: Sequence[Hit]) -> None:
    """Put hits into the store."""
    rows = [
        {
            "time_s": fraction_text(hit.time_s),
            "duration_s": fraction_text(hit.duration_s),
            "strength": hit.strength,
            "kind": hit.kind,
            "confidence": hit.confidence,
            "place": None if hit.place is None else list(hit.place),
            "words": hit.words,
        }
        for hit in hits
    ]
    store.put_text(key, ".json", json.dumps(rows))


def kept_hits(store: Store, key: str) -> tuple[Hit, ...] | None:
    """Return hits that the store has; None where it has none, or they are damaged."""
    text = store.get_text(key)
    try:
        return None if text is None else tuple(_hit(row) for row in json.loads(text))
    except (ValueError, KeyError, TypeError):
        return None


def _hit(row: dict[str, Any]) -> Hit:
    place = row["place"]
    return Hit(
        time_s=_seconds(row["time_s"]),
        duration_s=_seconds(row["duration_s"]),
        strength=float(row["strength"]),
        kind=str(row["kind"]),
        confidence=float(row["confidence"]),
        place=None if place is None else (float(place[0]), float(place[1])),
        words=str(row["words"]),
    )


def _seconds(text: str) -> Fraction:
    return clock.exact_number(text)
