"""The report of a spotting, clip by clip: the object that `avlink spot --json` prints."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

from avlink.core.hits import Hit
from avlink.edit.report_json import exact_s
from avlink.timeline.timebase import Timebase
from avlink.timeline.values import ClipRef, Skip, Source

SpotStatus: TypeAlias = Literal["spotted", "cached", "skipped", "failed"]
SPOT_STATES: tuple[SpotStatus, ...] = ("spotted", "cached", "skipped", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotItem:
    """The outcome of one clip: the hits on it after the run, those of people among them."""

    clip: ClipRef | Skip
    status: SpotStatus
    reason: str | None = None
    source: Source | None = None
    hits: tuple[Hit, ...] = ()

    def to_json(self, timebase: Timebase) -> dict[str, Any]:
        """Return the item's entry in the report."""
        start_s, duration_s = self.clip.timeline_start_s, self.clip.timeline_duration_s
        return {
            "id": self.clip.id,
            "name": self.clip.name,
            "track": self.clip.track,
            "timeline_start_s": exact_s(start_s),
            "timeline_duration_s": exact_s(duration_s),
            "timeline_start_tc": None if start_s is None else timebase.timecode(start_s),
            "source": str(self.source.path) if self.source is not None else getattr(self.clip, "source", None),
            "status": self.status,
            "reason": self.reason,
            "hits": [_hit_json(hit, start_s or Fraction(0), timebase) for hit in self.hits],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotReport:
    """The outcome of a run. `output` and `preview` are None when nothing was written."""

    input: Path
    output: Path | None
    spotter: str
    items: tuple[SpotItem, ...]
    timebase: Timebase
    preview: Path | None = None

    @property
    def counts(self) -> dict[str, int]:
        """The number of clips by status."""
        counts = Counter(item.status for item in self.items)
        return {state: counts[state] for state in SPOT_STATES}

    @property
    def exit_code(self) -> int:
        """0, or 3 if some clips failed."""
        return 3 if self.counts["failed"] else 0

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        return {
            "input": str(self.input),
            "output": None if self.output is None else str(self.output),
            "preview": None if self.preview is None else str(self.preview),
            "spotter": self.spotter,
            "items": [item.to_json(self.timebase) for item in self.items],
            "counts": self.counts,
            "hits": sum(len(item.hits) for item in self.items),
        }


def _hit_json(hit: Hit, clip_start_s: Fraction, timebase: Timebase) -> dict[str, Any]:
    at_s = clip_start_s + hit.time_s
    return {
        "time_s": exact_s(hit.time_s),
        "duration_s": exact_s(hit.duration_s),
        "timeline_s": exact_s(at_s),
        "timeline_tc": timebase.timecode(at_s),
        "strength": hit.strength,
        "kind": hit.kind,
        "words": hit.words,
        "confidence": hit.confidence,
        "place": None if hit.place is None else list(hit.place),
        "source": hit.source,
        "heard": hit.heard,
    }
