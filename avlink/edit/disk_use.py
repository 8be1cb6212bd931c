"""The disk space that a run is going to take, planned before anything is decoded, and compared with what is free."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from avlink.core.disk_space import check_space
from avlink.timeline.values import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRates:
    """Bytes that a second of a clip takes: of written files, in the cache, and in temporary files while it is made.

    Estimates from above for models in use: their own rates are known only when weights are loaded.
    """

    files: int
    cache: int
    temporary: int


SOUND_RATES = DiskRates(files=48_000 * 2 * 3, cache=48_000 * 4, temporary=10**6)
"""Stereo stems of 24 bits at 48 kHz, floating point at 48 kHz, and pictures such as 25 per second of 154x86."""
PICTURE_RATES = DiskRates(files=5 * 10**6, cache=10**6, temporary=10**6)
"""ProRes of a small picture, and pictures such as 25 per second of 154x86."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """Bytes that a run takes, about; `temporary` is free again when it has ended."""

    files: int = 0
    cache: int = 0
    temporary: int = 0

    def to_json(self) -> dict[str, int]:
        """Return the entry in the report."""
        return {"files_bytes": self.files, "cache_bytes": self.cache, "temporary_bytes": self.temporary}

    def check(self, *, files: Path, cache: Path, subject: str) -> None:
        """Compare it with the free space of the disks of both folders and of temporary files. Raises OutputError."""
        needed: dict[Path, int] = {}
        for folder, size in (
            (files, self.files),
            (cache, self.cache),
            (Path(tempfile.gettempdir()), self.temporary),
        ):
            needed[folder] = needed.get(folder, 0) + size
        check_space(needed, subject)


NO_DISK_USE = DiskUse()
"""The use of a run that writes nothing."""


def plan_disk_use(
    jobs: Sequence[Job], rates: DiskRates, *, cached: Collection[str] = (), batch_s: float = 0.0, copied: int = 0
) -> DiskUse:
    """Return what the jobs take, those with the ids `cached` left out.

    Temporary files are those of the batch at work and of the next one, which is decoded meanwhile: each `batch_s` long,
    or the longest clip. `copied` bytes of media are written as they are.
    """
    missing = [job for job in jobs if job.id not in cached]
    # Of a clip that is used twice, and of one that becomes several items, the sound is made once.
    lengths = {job.raw_key: job.made_s for job in missing}.values()
    total = sum(lengths, Fraction(0))
    at_once = min(total, 2 * max([Fraction(batch_s), *lengths])) if lengths else Fraction(0)
    return DiskUse(
        files=int(sum((job.file_s for job in missing), Fraction(0)) * rates.files) + (copied if lengths else 0),
        cache=int(total * rates.cache),
        temporary=int(at_once * rates.temporary),
    )
