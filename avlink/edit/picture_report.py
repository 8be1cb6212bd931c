"""What a visualize run did, sound by sound: the object that `--json` prints, in the shape of sonify's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from avlink.edit.report import STATES, Status, clip_json
from avlink.timeline.select import timeline_order
from avlink.timeline.values import Job, Plan, Skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPicture:
    """A picture file that is on the disk. `cached` when its pictures were not generated in this run.

    `frames` at `rate` per second; `first_frame` is where they begin on the timeline, 0 where there is none.
    """

    job: Job
    path: Path
    width: int
    height: int
    frames: int
    rate: Fraction
    first_frame: int = 0
    timecode: str | None = None
    """That of the file's first frame, where it has one."""
    cached: bool

    def to_json(self) -> dict[str, Any]:
        """The picture as it stands in the report."""
        return {
            "path": str(self.path),
            "width": self.width,
            "height": self.height,
            "rate": float(self.rate),
            "first_frame": self.first_frame,
            "frames": self.frames,
            "timecode": self.timecode,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureItem:
    """What became of one sound: `clip` is its job, or the skip of one that got none."""

    status: Status
    reason: str | None
    clip: Job | Skip
    picture: WrittenPicture | None = None

    def to_json(self) -> dict[str, Any]:
        """The item as it stands in the report; what is not known is null."""
        pictures = [] if self.picture is None else [self.picture.to_json()]
        return {**clip_json(self.clip), "status": self.status, "reason": self.reason, "pictures": pictures}


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeReport:
    """The whole run. `output` is None when nothing was written."""

    input: Path
    output: Path | None
    items: tuple[PictureItem, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many sounds ended in which way."""
        return {state: sum(item.status == state for item in self.items) for state in STATES}

    @property
    def exit_code(self) -> int:
        """0, or 3 when some sounds failed."""
        return 3 if self.counts["failed"] else 0

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints, without "format" and "command"."""
        return {
            "input": str(self.input),
            "output": None if self.output is None else str(self.output),
            "items": [item.to_json() for item in self.items],
            "counts": self.counts,
        }


def picture_items(
    plan: Plan,
    *,
    pictures: Mapping[str, WrittenPicture],
    failures: Mapping[str, Exception],
    cached: frozenset[str] = frozenset(),
) -> tuple[PictureItem, ...]:
    """One item a sound, in timeline order. Jobs in `cached` need not be generated, whether or not they are written."""
    found = [_item(job, pictures.get(job.id), failures.get(job.id), cached=job.id in cached) for job in plan.jobs]
    found += [
        PictureItem(status="failed" if skip.failed else "skipped", reason=skip.reason, clip=skip) for skip in plan.skips
    ]
    return tuple(sorted(found, key=_order))


def _item(job: Job, picture: WrittenPicture | None, failure: Exception | None, *, cached: bool) -> PictureItem:
    if failure is not None:
        return PictureItem(status="failed", reason=str(failure), clip=job)
    cached = cached if picture is None else picture.cached
    return PictureItem(status="cached" if cached else "generated", reason=None, clip=job, picture=picture)


def _order(item: PictureItem) -> tuple[bool, Fraction, int, str]:
    return timeline_order(item.clip if isinstance(item.clip, Skip) else item.clip.source.clip)
