"""Reports of sonify and visualize runs, clip by clip: the object that `--json` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

from avlink.core.errors import AvlinkError
from avlink.core.values import SoundOrigin, StemHit
from avlink.edit.disk_use import NO_DISK_USE, DiskUse
from avlink.edit.report_json import exact_s, hit_items_json, place_json, timecode_json, uses_json
from avlink.edit.silence import StemWarning, stem_warnings
from avlink.metrics.silence import Silence
from avlink.timeline.timebase import Timebase
from avlink.timeline.values import Job, Plan, Skip

Status: TypeAlias = Literal["generated", "cached", "skipped", "failed"]
STATES: tuple[Status, ...] = ("generated", "cached", "skipped", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenStem:
    """A stem on disk. `cached` is False when its sound was generated in this run.

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
    edited: bool = False
    """True for a file that a person changed, which is used as it is."""
    hits: tuple[StemHit, ...] = ()
    """Hits in the stem, by the file's first sample; none in ambience."""
    hits_left_out: int = 0
    """Number of softer hits that were detected and are not marked."""
    silence: Silence | None = None
    """Level and longest silent stretch of the file; None where they were not measured."""
    origin: SoundOrigin = field(default_factory=SoundOrigin)
    """The recordings that its sound was made of, and what it lacks; empty for most backends."""

    @property
    def warnings(self) -> tuple[StemWarning, ...]:
        """Doubts about its sound, with advice."""
        return tuple(stem_warnings(self))

    def to_json(self, timebase: Timebase | None = None) -> dict[str, Any]:
        """Return the stem's entry in the report, with timecodes where the timebase of its timeline is known."""
        events_s = [Fraction(hit.sample, self.sample_rate) for hit in self.hits]
        return {
            "path": str(self.path),
            "item": None if self.job.item is None else self.job.clip.id,
            "take": self.job.take,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "samples": self.samples,
            "head_samples": self.head_samples,
            "tail_samples": self.tail_samples,
            "time_reference": self.time_reference,
            "lufs": self.lufs,
            "true_peak_dbtp": self.true_peak_dbtp,
            "events_s": [exact_s(time_s) for time_s in events_s],
            "events_tc": [timecode_json(timebase, self.start_s + time_s) for time_s in events_s],
            "sounds": uses_json(self.origin),
            "notes": list(self.origin.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPicture:
    """A movie on disk. `cached` is False when its pictures were generated in this run.

    `frames` at `rate` per second; `first_frame` is their place on the timeline, 0 where there is no timeline.
    """

    job: Job
    path: Path
    width: int
    height: int
    frames: int
    rate: Fraction
    first_frame: int = 0
    timecode: str | None = None
    """Timecode of the file's first frame, where it has one."""
    cached: bool

    def to_json(self, timebase: Timebase | None = None) -> dict[str, Any]:
        """Return the movie's entry in the report; its timecode is its own, whatever the timebase."""
        return {
            "path": str(self.path),
            "width": self.width,
            "height": self.height,
            "rate": float(self.rate),
            "first_frame": self.first_frame,
            "frames": self.frames,
            "timecode": self.timecode,
        }


WrittenFile: TypeAlias = WrittenStem | WrittenPicture


class HasStatus(Protocol):
    """An item of a report: a clip, or a finished video."""

    @property
    def status(self) -> str:
        """One of `STATES`."""
        ...


Kind: TypeAlias = Literal["stems", "pictures"]
"""The kind of files that a run writes: the key of them in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """The outcome of one clip. `jobs` are its takes, empty for a skip."""

    kind: Kind
    status: Status
    reason: str | None
    jobs: tuple[Job, ...] = ()
    skip: Skip | None = None
    files: tuple[WrittenFile, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences on hits of it that get no item."""

    @property
    def stems(self) -> tuple[WrittenStem, ...]:
        """The written files that are stems."""
        return tuple(file for file in self.files if isinstance(file, WrittenStem))

    @property
    def pictures(self) -> tuple[WrittenPicture, ...]:
        """The written files that are pictures."""
        return tuple(file for file in self.files if isinstance(file, WrittenPicture))

    @property
    def warnings(self) -> tuple[StemWarning, ...]:
        """Doubts about the files that were written, which are no failures."""
        return tuple(warning for stem in self.stems for warning in stem.warnings)

    def to_json(self, timebase: Timebase | None = None) -> dict[str, Any]:
        """Return the item's entry in the report; unknown values are None, as timecodes without a timebase."""
        place = place_json(self.jobs[0].source.clip if self.skip is None else self.skip, timebase)
        is_sound = self.kind == "stems"
        return {
            **place,
            **(_clip_json(self.jobs[0]) if self.skip is None else _skip_json(self.skip)),
            **(self._heard() if is_sound else {}),
            "status": self.status,
            "reason": self.reason,
            "warnings": [warning.to_json() for warning in self.warnings],
            self.kind: [file.to_json(timebase) for file in self.files],
            **({"hit_items": list(hit_items_json(self.jobs, timebase)), "notes": list(self.notes)} if is_sound else {}),
        }

    def _heard(self) -> dict[str, float | None]:
        """Return the span in which the clip is heard: transitions make it longer than the clip."""
        clip = None if self.skip is not None else self.jobs[0].source.clip
        return {
            "heard_start_s": None if clip is None else exact_s(clip.heard_start_s),
            "heard_duration_s": None if clip is None else exact_s(clip.heard_duration_s),
        }


def count_statuses(items: Iterable[HasStatus]) -> dict[str, int]:
    """Return the number of items by status, in the order of `STATES`."""
    counts = Counter(item.status for item in items)
    return {state: counts[state] for state in STATES}


@dataclass(frozen=True, slots=True, kw_only=True)
class EditReport:
    """The outcome of a run. `output` is None when nothing was written.

    `licence` states the permitted use of the model's weights; it is empty where there is no restriction.
    """

    input: Path
    output: Path | None
    items: tuple[Item, ...]
    preview: Path | None = None
    licence: str = ""
    planned: Path | None = None
    """The output that the run of a plan will write; None for a run."""
    refusal: AvlinkError | None = None
    """The error with which the run of a plan would end at once."""
    timebase: Timebase | None = None
    """The timebase of the timeline, for timecodes; None for an input that has none."""
    disk: DiskUse = NO_DISK_USE
    """Space that the run takes by its plan."""
    kind: ClassVar[Kind]

    @property
    def counts(self) -> dict[str, int]:
        """The number of clips by status."""
        return count_statuses(self.items)

    @property
    def exit_code(self) -> int:
        """0, 3 if some clips failed, or that of the refusal."""
        if self.refusal is not None:
            return self.refusal.exit_code
        return 3 if self.counts["failed"] else 0

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        preview = {"preview": None if self.preview is None else str(self.preview)}
        return {
            "input": str(self.input),
            "output": None if self.output is None else str(self.output),
            **(preview if self.kind == "stems" else {}),
            "items": [item.to_json(self.timebase) for item in self.items],
            "counts": self.counts,
            "disk": self.disk.to_json(),
            **({"licence": self.licence} if self.licence else {}),
            **self._plan_json(),
        }

    def _plan_json(self) -> dict[str, Any]:
        """Return what a plan adds: its output, and what its run would say if it is refused."""
        if self.planned is None:
            return {}
        refusal = None if self.refusal is None else {"message": str(self.refusal), "exit_code": self.exit_code}
        return {"planned": str(self.planned), "refusal": refusal}


@dataclass(frozen=True, slots=True, kw_only=True)
class SonifyReport(EditReport):
    """The outcome of a sonify run. `preview` is the movie of the timeline, if one was asked for."""

    kind: ClassVar[Kind] = "stems"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeReport(EditReport):
    """The outcome of a visualize run."""

    kind: ClassVar[Kind] = "pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Files that were written and jobs that failed, by job id. A plan that is only shown has neither."""

    files: Mapping[str, WrittenFile] = field(default_factory=dict)
    failures: Mapping[str, Exception] = field(default_factory=dict)


def make_items(kind: Kind, plan: Plan, rendered: Rendered, *, cached: frozenset[str] = frozenset()) -> tuple[Item, ...]:
    """Return one item per clip, in timeline order. A clip of which one take failed has failed; its other files stay.

    `cached` are the ids of jobs that need not be generated, for a plan that is only shown.
    """
    by_clip: dict[str, list[Job]] = {}
    for job in plan.jobs:
        by_clip.setdefault(job.source.clip.id, []).append(job)
    items = [
        replace(_item(kind, takes, rendered, cached), notes=plan.lacks.get(id, ())) for id, takes in by_clip.items()
    ]
    items += [
        Item(kind=kind, status="failed" if skip.failed else "skipped", reason=skip.reason, skip=skip)
        for skip in plan.skips
    ]
    return tuple(sorted(items, key=_order))


def _item(kind: Kind, takes: Sequence[Job], rendered: Rendered, cached: frozenset[str]) -> Item:
    reasons = [str(rendered.failures[job.id]) for job in takes if job.id in rendered.failures]
    files = tuple(rendered.files[job.id] for job in takes if job.id in rendered.files)
    if reasons:
        return Item(kind=kind, status="failed", reason=reasons[0], jobs=tuple(takes), files=files)
    known = all(file.cached for file in files) if files else all(job.id in cached for job in takes)
    return Item(kind=kind, status="cached" if known else "generated", reason=None, jobs=tuple(takes), files=files)


def _order(item: Item) -> tuple[bool, Fraction, int]:
    clip = item.skip if item.skip is not None else item.jobs[0].source.clip
    return (clip.timeline_start_s is None, clip.timeline_start_s or Fraction(0), clip.layer)


def _skip_json(skip: Skip) -> dict[str, Any]:
    return {
        "source": skip.source,
        "source_start_s": None,
        "source_duration_s": None,
        "speed": None,
        "prompt": None,
        "negative": None,
        "seed": None,
        "gain_db": None,
        "mode": None,
        "missing": skip.missing,
    }


def _clip_json(job: Job) -> dict[str, Any]:
    source, clip = job.source, job.source.clip
    return {
        "source": str(source.path),
        "source_start_s": exact_s(source.start_s),
        "source_duration_s": exact_s(source.duration_s),
        "speed": exact_s(clip.speed),
        "prompt": job.prompt.text,
        "negative": job.prompt.negative,
        "seed": job.seed,
        "gain_db": clip.gain_db,
        "mode": clip.role,
        "missing": False,
    }
