"""What a watcher tells: one line for people, one object for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, TypeAlias

from avlink.hooks import Line

Event: TypeAlias = Literal[
    "watching",
    "seen",
    "waiting",
    "started",
    "progress",
    "done",
    "failed",
    "duplicate",
    "retry",
    "removed",
    "paused",
    "resumed",
    "folder_gone",
    "folder_back",
    "worker",
    "warning",
    "ended",
]
_QUIET: frozenset[Event] = frozenset({"seen", "started", "progress", "worker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing that happened: in `folder`, to `file` (its path from there) if it is about one.

    `text` says it in a sentence, `more` are further values for programs. `quiet`: of no interest on a terminal.
    """

    event: Event
    text: str
    folder: Path | None = None
    file: str | None = None
    quiet: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def line(self, at: datetime, *, verbose: bool) -> Line:
        """For the command line. What is only on the way is left out for people, unless `verbose`."""
        payload: dict[str, Any] = {
            "event": self.event,
            "time": at.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
            "folder": None if self.folder is None else str(self.folder),
        }
        if self.file is not None:
            payload["file"] = self.file
        hidden = (self.quiet or self.event in _QUIET) and not verbose
        subject = f"{self.file}: " if self.file is not None else ""
        return Line(
            payload={**payload, "text": self.text, **self.more},
            text="" if hidden else f"{at.strftime('%H:%M:%S')}  {subject}{self.text}",
        )
