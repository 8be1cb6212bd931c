"""What a sonify run did, clip by clip: the object that `--json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

from avlink.core.values import Hit
from avlink.timeline.values import Job, Skip

Status: TypeAlias = Literal["generated", "cached", "skipped", "failed"]
STATES: tuple[Status, ...] = ("generated", "cached", "skipped", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenStem:
    """A stem that is on the disk. `cached` when its sound was not generated in this run.

    Its first sample lies at `start_s` of the timeline; `head_samples` and `tail_samples` of it are handles.
    """

    job: Job
    path: Path
    sample_rate: int
    channels: int
    samples: int
    head_samples: int
    tail_samples: int
    start_s: Fraction
    time_reference: int
    lufs: float | None
    true_peak_dbtp: float | None
    cached: bool
    hits: tuple[Hit, ...] = ()
    """What is struck in it, by its file's first sample; none in ambience."""
    hits_left_out: int = 0
    """How many more were heard than are marked."""

    def to_json(self) -> dict[str, Any]:
        """The stem as it stands in the report."""
        return {
            "path": str(self.path),
            "take": self.job.take,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "samples": self.samples,
            "head_samples": self.head_samples,
            "tail_samples": self.tail_samples,
            "time_reference": self.time_reference,
            "lufs": self.lufs,
            "true_peak_dbtp": self.true_peak_dbtp,
            "events_s": [exact_s(Fraction(hit.sample, self.sample_rate)) for hit in self.hits],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What became of one clip. `jobs` are its takes, empty for a skip."""

    status: Status
    reason: str | None
    jobs: tuple[Job, ...] = ()
    skip: Skip | None = None
    stems: tuple[WrittenStem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The item as it stands in the report; what is not known is null."""
        end = {"status": self.status, "reason": self.reason, "stems": [stem.to_json() for stem in self.stems]}
        if self.skip is not None:
            return {**clip_json(self.skip), "heard_start_s": None, "heard_duration_s": None, **end}
        clip = self.jobs[0].source.clip
        heard = {"heard_start_s": exact_s(clip.heard_start_s), "heard_duration_s": exact_s(clip.heard_duration_s)}
        return {**clip_json(self.jobs[0]), **heard, **end}


def clip_json(clip: Job | Skip) -> dict[str, Any]:
    """What reports say of a clip, done or left out, before they say what became of it; what is not known is null."""
    if isinstance(clip, Skip):
        return {
            **_place(clip.id, clip.name, clip.track, clip.timeline_start_s, clip.timeline_duration_s),
            "source": clip.source,
            "source_start_s": None,
            "source_duration_s": None,
            "speed": None,
            "prompt": None,
            "negative": None,
            "seed": None,
            "gain_db": None,
            "mode": None,
            "missing": clip.missing,
        }
    source, ref = clip.source, clip.source.clip
    return {
        **_place(ref.id, ref.name, ref.track, ref.timeline_start_s, ref.timeline_duration_s),
        "source": str(source.path),
        "source_start_s": exact_s(source.start_s),
        "source_duration_s": exact_s(source.duration_s),
        "speed": exact_s(ref.speed),
        "prompt": clip.prompt.text,
        "negative": clip.prompt.negative,
        "seed": clip.seed,
        "gain_db": ref.gain_db,
        "mode": ref.role,
        "missing": False,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SonifyReport:
    """The whole run. `output` is None when nothing was written, `preview` when no movie was asked for.

    `licence` is what the model's weights may be used for, "" where that is everything.
    """

    input: Path
    output: Path | None
    items: tuple[Item, ...]
    preview: Path | None = None
    licence: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """How many clips ended in which way."""
        return {state: sum(item.status == state for item in self.items) for state in STATES}

    @property
    def exit_code(self) -> int:
        """0, or 3 when some clips failed."""
        return 3 if self.counts["failed"] else 0

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints, without "format" and "command"."""
        return {
            "input": str(self.input),
            "output": None if self.output is None else str(self.output),
            "preview": None if self.preview is None else str(self.preview),
            "items": [item.to_json() for item in self.items],
            "counts": self.counts,
            **({"licence": self.licence} if self.licence else {}),
        }


def make_items(
    jobs: Sequence[Job], skips: Sequence[Skip], *, stems: Mapping[str, WrittenStem], failures: Mapping[str, Exception]
) -> tuple[Item, ...]:
    """One item a clip, in timeline order. A clip of which one take failed has failed; its other stems are named."""
    by_clip: dict[str, list[Job]] = {}
    for job in jobs:
        by_clip.setdefault(job.source.clip.id, []).append(job)
    items = [_item(takes, stems, failures) for takes in by_clip.values()]
    items += [Item(status="failed" if skip.failed else "skipped", reason=skip.reason, skip=skip) for skip in skips]
    return tuple(sorted(items, key=_order))


def exact_s(value: Fraction | None) -> float | None:
    """Seconds as reports give them: to the microsecond."""
    return None if value is None else round(float(value), 6)


def _item(takes: Sequence[Job], stems: Mapping[str, WrittenStem], failures: Mapping[str, Exception]) -> Item:
    reasons = [str(failures[job.id]) for job in takes if job.id in failures]
    written = tuple(stems[job.id] for job in takes if job.id in stems)
    if reasons:
        return Item(status="failed", reason=reasons[0], jobs=tuple(takes), stems=written)
    cached = bool(written) and all(stem.cached for stem in written)
    return Item(status="cached" if cached else "generated", reason=None, jobs=tuple(takes), stems=written)


def _order(item: Item) -> tuple[bool, Fraction, int]:
    clip = item.skip if item.skip is not None else item.jobs[0].source.clip
    return (clip.timeline_start_s is None, clip.timeline_start_s or Fraction(0), clip.layer)


def _place(
    id: str, name: str, track: str, start_s: Fraction | None, duration_s: Fraction | None
) -> dict[str, str | float | None]:
    return {
        "id": id,
        "name": name,
        "track": track,
        "timeline_start_s": exact_s(start_s),
        "timeline_duration_s": exact_s(duration_s),
    }
