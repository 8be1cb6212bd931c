"""Edits that people made to the hits of a clip: markers that they moved, renamed, added or deleted.

A clip remembers the hits that were written on it, so that one whose marker is gone is known to be deleted, and stays
so in every later run.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import opentimelineio as otio

from avlink.core import clock
from avlink.core.hashing import digest, fraction_text
from avlink.core.hits import Hit
from avlink.timeline.hit_markers import SPOTTED, MarkedHit, read_hit
from avlink.timeline.item import KEY, plain, table

SAME_HIT_S = Fraction(6, 100)
"""Hits that are nearer than this are one: spotters with other options see an event a little earlier or later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRecord:
    """The hits that a spotter has written on a clip: own times by the id of the marker, and those that people deleted.

    `complete` when the clip's list is a person's, to which no spotter adds. `found` is all that the spotter has seen,
    in own times, whatever people made of it.
    """

    spotter: str = ""
    hits: dict[str, Fraction]
    deleted: tuple[Fraction, ...] = ()
    complete: bool = False
    found: tuple[Hit, ...] = ()

    def to_metadata(self, version: str) -> dict[str, object]:
        """Return the record as metadata, with the version of AVLink."""
        return {
            "spotter": self.spotter,
            "version": version,
            "hits": {id: fraction_text(time_s) for id, time_s in self.hits.items()},
            **({"deleted": [fraction_text(time_s) for time_s in self.deleted]} if self.deleted else {}),
            **({"complete": True} if self.complete else {}),
            "found": [
                [fraction_text(hit.time_s), fraction_text(hit.duration_s), hit.strength, hit.kind, hit.words]
                for hit in self.found
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HitEdits:
    """The markers of a clip: those of people, those of a spotter that nobody touched, and all that are no hits.

    `taken_s` are own times at which a spotter has nothing to say any more: there a person deleted, moved or set a hit.
    `complete` when the list of hits is a person's as a whole.
    """

    kept: tuple[otio.schema.Marker, ...] = ()
    untouched: tuple[otio.schema.Marker, ...] = ()
    others: tuple[otio.schema.Marker, ...] = ()
    deleted: tuple[Fraction, ...] = ()
    taken_s: tuple[Fraction, ...] = ()
    complete: bool = False
    record: HitRecord | None = None

    @property
    def any(self) -> bool:
        """True when a person has changed something about the hits."""
        return bool(self.kept or self.deleted or self.complete)


def hit_id(time_s: Fraction) -> str:
    """Return the name of a hit of a spotter by its own time in a clip."""
    return digest(["hit", fraction_text(time_s)])[:8]


def read_hit_record(clip: otio.core.Item) -> HitRecord | None:
    """Return what a clip remembers of the hits that were written on it; None where it remembers nothing."""
    said = plain(table(table(clip.metadata, KEY), SPOTTED))
    if not said:
        return None
    try:
        return HitRecord(
            spotter=str(said.get("spotter", "")),
            hits={str(id): clock.exact_number(str(time)) for id, time in dict(said.get("hits") or {}).items()},
            deleted=tuple(clock.exact_number(str(time)) for time in said.get("deleted") or ()),
            complete=said.get("complete") is True,
            found=tuple(_found(*row) for row in said.get("found") or ()),
        )
    except (TypeError, ValueError):
        # People and programs may have left something else there; the markers count all the same.
        return HitRecord(hits={})


def _found(time_s: str, duration_s: str, strength: float, kind: str, words: str) -> Hit:
    return Hit(
        time_s=clock.exact_number(str(time_s)),
        duration_s=clock.exact_number(str(duration_s)),
        strength=float(strength),
        kind=str(kind),
        words=str(words),
    )


def read_hit_edits(clip: otio.core.Item) -> HitEdits:
    """Return what people made of the hits of a clip.

    Some programs drop metadata and keep names and notes. A clip with hits of a spotter that have lost theirs is one
    whose list of hits a person has had in hands: it is complete as it is.
    """
    record = read_hit_record(clip)
    kept, untouched, others = [], [], []
    present: set[str] = set()
    taken: list[Fraction] = []
    stripped = False
    for marker in islice(clip.markers, len(clip.markers)):
        marked = read_hit(marker)
        if marked is None:
            others.append(marker)
            continue
        present.add(marked.id)
        stripped = stripped or (not marked.id and not marked.edited)
        if marked.edited or not marked.id:
            kept.append(marker)
            taken += _taken(marked)
        else:
            untouched.append(marker)
    gone = [] if record is None else [time_s for id, time_s in record.hits.items() if id not in present]
    # One hit fewer in one clip is a deletion; a clip without metadata says nothing.
    deleted = merged_times([*(() if record is None else record.deleted), *gone])
    return HitEdits(
        kept=tuple(kept),
        untouched=tuple(untouched),
        others=tuple(others),
        deleted=deleted,
        taken_s=(*deleted, *taken),
        complete=(record is None and stripped) or (record is not None and record.complete),
        record=record,
    )


def merged_times(times_s: Iterable[Fraction]) -> tuple[Fraction, ...]:
    """Return times in order, each once."""
    return tuple(sorted(set(times_s)))


def is_near(time_s: Fraction, others_s: Sequence[Fraction], within_s: Fraction = SAME_HIT_S) -> bool:
    """Return whether one of some times, which are in order, is within reach of a time."""
    at = bisect_left(others_s, time_s - within_s)
    return at < len(others_s) and others_s[at] <= time_s + within_s


def _taken(marked: MarkedHit) -> list[Fraction]:
    return [marked.start_s, *(() if marked.from_s is None else (marked.from_s,))]
