"""The report of a finishing run: the result of each video, as `--json` prints it and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink import count_statuses
from avlink_genvideo.prompt import FoundPrompt

if TYPE_CHECKING:
    from avlink import Loudness


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedVideo:
    """The result of one video. `prompt` is None where the video was not read; the level is measured in the output.

    `status` is as in `avlink sonify`: "cached" was written anew with a sound that was generated before, "skipped" was
    left alone.
    """

    source: Path
    output: Path | None
    status: str
    reason: str | None = None
    prompt: FoundPrompt | None = None
    seed: int | None = None
    duration_s: float | None = None
    level: Loudness | None = None
    sample_rate: int | None = None
    channels: int | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> Mapping[str, Any]:
        """Return the item of the report; unknown values are null."""
        prompt, level = self.prompt, self.level
        return {
            "name": self.source.name,
            "source": str(self.source),
            "output": None if self.output is None else str(self.output),
            "status": self.status,
            "reason": self.reason,
            "prompt": None if prompt is None else prompt.text,
            "negative": None if prompt is None else prompt.negative,
            "prompt_from": None if prompt is None else prompt.location or None,
            "prompt_as_written": None if prompt is None else prompt.as_written or None,
            "seed": self.seed,
            "duration_s": self.duration_s,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "lufs": None if level is None or level.lufs is None else round(level.lufs, 2),
            "true_peak_dbtp": None if level is None else round(level.true_peak_dbtp, 2),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishReport:
    """The results of a run, in the order of its inputs."""

    items: tuple[FinishedVideo, ...]

    @property
    def counts(self) -> dict[str, int]:
        """The number of videos by status."""
        return count_statuses(self.items)

    @property
    def exit_code(self) -> int:
        """0, or 3 when some videos failed."""
        return 3 if self.counts["failed"] else 0

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints, without "format" and "command"."""
        return {
            "inputs": [str(item.source) for item in self.items],
            "items": [item.to_json() for item in self.items],
            "counts": self.counts,
        }

    def rows(self, *, dry_run: bool) -> Sequence[Sequence[str]]:
        """Return a row for each video: name, status, prompt, loudness and peak, name of the output."""
        return [
            (
                item.source.name,
                "to generate" if dry_run and item.status == "generated" else item.status,
                "" if item.prompt is None else _shorten(item.prompt.text),
                _level(item.level),
                "" if item.output is None else item.output.name,
            )
            for item in self.items
        ]


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _level(level: Loudness | None) -> str:
    if level is None:
        return ""
    lufs = "" if level.lufs is None else f"{level.lufs:.1f} LUFS, "
    return f"{lufs}{level.true_peak_dbtp:.1f} dBTP"
