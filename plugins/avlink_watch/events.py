"""Events of a watcher: a line of text for people, a JSON object for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from avlink.hooks import Line

EventName: TypeAlias = Literal[
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
# Of interest to programs; on a terminal they would hide the results.
_QUIET: frozenset[EventName] = frozenset({"seen", "started", "progress", "worker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """Something that happened in `folder`, to `file` (its path from there) if it concerns one.

    `text` is a sentence, `details` are further values for programs. A `quiet` event is left out on a terminal.
    """

    event: EventName
    text: str
    folder: Path | None = None
    file: str | None = None
    quiet: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    def line(self, at: datetime, *, verbose: bool) -> Line:
        """Return the line that the command prints. Quiet events have no text unless `verbose`."""
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
            payload={**payload, "text": self.text, **self.details},
            text="" if hidden else f"{at.strftime('%H:%M:%S')}  {subject}{self.text}",
        )


class Emit(Protocol):
    """A function that reports an event of one folder; `quiet` keeps it off the terminal."""

    def __call__(
        self, event: EventName, text: str, file: str | None = None, *, quiet: bool = False, **details: Any
    ) -> None:
        """Report the event."""
        ...
